"""The WHY engine: follow a path hop by hop to the first one that is broken. One file per kind of path."""

from kindlab.api import Api
from kindlab.errors import UsageProblem
from kindlab.trace import service
from kindlab.trace.hops import Trace


def trace(api: Api, namespace: str, target: str) -> Trace:
    """Trace `svc/NAME` (also `service/NAME`, or an in-cluster URL). Raises UsageProblem for what it cannot follow."""
    kind, _, name = target.partition("/")
    if target.startswith(("http://", "https://")):
        return service.trace_url(api, namespace, target)
    if name and kind.lower() in ("svc", "service", "services"):
        return service.trace(api, namespace, name)
    raise UsageProblem(
        f"kindlab why cannot follow {target!r}.",
        "It follows svc/NAME and http:// addresses of Services.",
        f"For example: kindlab why svc/{target if target.isidentifier() else 'web'}",
    )
