"""The little picture of a namespace: Service -> EndpointSlice -> Pod -> Node, as indented text."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Api, Obj
from kindlab.checks.probe import NAME as PROBE
from kindlab.conditions import is_ready
from kindlab.endpoints import SERVICE_LABEL, gets_requests


def lines(api: Api, namespace: str) -> Iterator[str]:
    """One block a Service, in name order, from the live cluster."""
    pods = {p["metadata"]["name"]: p for p in api.list("Pod", namespace) if p["metadata"]["name"] != PROBE}
    slices = api.list("EndpointSlice", namespace)
    for service in api.list("Service", namespace):
        yield _service(service)
        own = [
            s for s in slices if (s["metadata"].get("labels") or {}).get(SERVICE_LABEL) == service["metadata"]["name"]
        ]
        endpoints = [(s, e) for s in own for e in s.get("endpoints") or ()]
        for n, (slice_, endpoint) in enumerate(endpoints):
            yield f"  {'└─' if n == len(endpoints) - 1 else '├─'} {_endpoint(slice_, endpoint, pods)}"
        if service["spec"].get("type") == "ExternalName":
            yield "  └─ an alias in the DNS: it has no endpoints"
        elif not endpoints:
            yield "  └─ no endpoints: nobody would answer"


def _service(service: Obj) -> str:
    spec = service["spec"]
    ports = ", ".join(f"{p['port']}→{p.get('targetPort', p['port'])}" for p in spec.get("ports") or ())
    at = spec.get("clusterIP") or spec.get("externalName", "")
    return f"svc/{service['metadata']['name']}  {at}  {ports}".rstrip()


def _endpoint(slice_: Obj, endpoint: Obj, pods: dict[str, Obj]) -> str:
    port = next((p.get("port") for p in slice_.get("ports") or ()), "?")
    name = (endpoint.get("targetRef") or {}).get("name", "")
    pod = pods.get(name)
    state = "ready" if gets_requests(endpoint) else "not ready"
    if pod is not None and state == "ready" and not is_ready(pod):
        state = "published though not ready"
    return f"{endpoint['addresses'][0]}:{port}  {state:<9}  {name or 'no Pod'}  on {endpoint.get('nodeName', '?')}"
