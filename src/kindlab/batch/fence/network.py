"""Services and what else could catch others' traffic."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at, texts
from kindlab.labs import Lab


def external_addresses(lab: Lab, obj: Obj) -> Iterator[Said]:
    """CVE-2020-8554: who writes an address there gets the traffic of the whole cluster for it."""
    if obj["kind"] == "Service" and (found := texts(at(obj, "spec"), "externalIPs")):
        yield Said(
            f"externalIPs ({', '.join(found)[:200]}) would take the whole cluster's connections to these addresses.",
            "Take externalIPs out; type NodePort or LoadBalancer opens a Service to the outside.",
        )


RULES = (external_addresses,)
