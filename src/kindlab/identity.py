"""Which cluster that is: what tells one from another that has its name or its address tomorrow."""

from __future__ import annotations

from hashlib import sha256

from kindlab.api import Api, ApiError


def identity(api: Api) -> str:
    """The uid of its namespace kube-system: another one for each cluster, also for one made anew under the same name.
    Where that may not be read, another one for each address."""
    try:
        found = api.get("Namespace", "kube-system")
    except ApiError:
        found = None
    return (found or {}).get("metadata", {}).get("uid") or sha256(api.server.encode()).hexdigest()[:16]
