"""Pods that claim devices: none is ever allocated here, so none of them is placed. What is told of it is upstream's.

Models pkg/scheduler/framework/plugins/dynamicresources as far as it says no.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec.claims import name_of
from pocketkube.scheduler.filters import Cycle, Refusal
from pocketkube.scheduler.nodes import NodeState

WATCHED: Final = ("resourceclaims", "deviceclasses")
NOT_ALLOCATED: Final = "cannot allocate all claims"
STILL_NOT: Final = "still not schedulable"
NOTHING_TO_FREE: Final = "no new claims to deallocate"


def claimed(pod: Obj) -> list[Obj]:
    found: list[Obj] = objects.spec(pod).get("resourceClaims") or []
    return found


def are_there(client: Client, pod: Obj) -> bool:
    """Whether its claims have been made: before, it is not even looked at, and nothing is told (PreEnqueue)."""
    for claim in claimed(pod):
        try:
            name, own = name_of(pod, claim)
        except LookupError:
            return False
        if name is None:
            continue
        found = client.find("resourceclaims", objects.namespace(pod), name)
        if found is None or objects.is_terminating(found):
            return False
        if own and (objects.controller_ref(found) or {}).get("uid") != objects.uid(pod):
            return False
    return True


def problem(client: Client, pod: Obj) -> str | None:
    """Why no node can take it, whichever it is (PreFilter); None: the nodes are asked."""
    for claim in claimed(pod):
        name, _ = name_of(pod, claim)
        found = None if name is None else client.find("resourceclaims", objects.namespace(pod), name)
        for request, device_class in _classes(found) if found is not None else ():
            if client.find("deviceclasses", "", device_class) is None:
                return f"request {request}: device class {device_class} does not exist"
    return None


def _classes(claim: Obj) -> Iterator[tuple[str, str]]:
    """(request, class) of what a claim that is not allocated asks for."""
    if objects.status(claim).get("allocation") is not None:
        return
    for request in objects.dig(claim, "spec", "devices", "requests", default=None) or ():
        if request.get("exactly") is not None:
            yield request["name"], request["exactly"]["deviceClassName"]
        for one in request.get("firstAvailable") or ():
            yield f"{request['name']}/{one['name']}", one["deviceClassName"]


def allocation(cycle: Cycle, state: NodeState) -> Refusal | None:
    return Refusal((NOT_ALLOCATED,), for_good=True) if cycle.spec.get("resourceClaims") else None
