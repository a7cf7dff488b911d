"""What EndpointSlices say: which Service a slice belongs to, and which of its endpoints are ready."""

from __future__ import annotations

from collections.abc import Iterable

from kindlab.api import Obj

SERVICE_LABEL = "kubernetes.io/service-name"


def gets_requests(endpoint: Obj) -> bool:
    """Whether it gets requests; a condition that nobody wrote counts as true (discovery/v1)."""
    return bool((endpoint.get("conditions") or {}).get("ready", True))


def ready_targets(slices: Iterable[Obj]) -> set[str]:
    """The names of the Pods that are ready endpoints."""
    every = (endpoint for one in slices for endpoint in one.get("endpoints") or ())
    return {e["targetRef"]["name"] for e in every if e.get("targetRef") and gets_requests(e)}
