"""What a pod has as a whole: the limit of its cgroup, and what its status tells of that.

Models ResourceConfigForPod (pkg/kubelet/cm) and convertToAPIPodLevelResourcesStatus (pkg/kubelet). Specs here hold what
has been allocated or given in place of what is wanted.
"""

from __future__ import annotations

from typing import Final

from pocketkube import amounts, podamounts, quantity
from pocketkube.objects import Obj

_TOTAL: Final = {"limits": podamounts.limits, "requests": podamounts.requests}
_SMALLEST: Final = {"requests": 2, "limits": 10}
"""Thousandths of a core: below, a cgroup cannot tell amounts apart, and what is asked for is told."""


def memory_limit(spec: Obj) -> int | None:
    """Bytes that all containers may use together; None for no limit."""
    if not _is_limited(spec, "memory"):
        return None
    return quantity.scaled(podamounts.limits(spec)["memory"].value, 0)


def status(allocated: Obj, given: Obj, *, running: bool) -> Obj:
    """Of a pod's status: `allocatedResources`, where there are any, and `resources`; these of a pod that is `running`
    are its cgroup's, so without limits that not all containers have."""
    requests = amounts.texts(podamounts.requests(allocated))
    if running:
        told = {side: _of_cgroup(given, side) for side in _TOTAL}
    else:
        told = {"limits": amounts.texts(podamounts.limits(allocated)), "requests": requests}
    status: Obj = {"resources": {side: found for side, found in told.items() if found}}
    return {"allocatedResources": requests, **status} if requests else status


def asks(spec: Obj) -> bool:
    """Whether anything is requested or limited."""
    holders = (spec, *(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return bool(spec.get("overhead")) or any(
        resources.get("limits") or resources.get("requests")
        for resources in (holder.get("resources") or {} for holder in holders)
    )


def _of_cgroup(spec: Obj, side: str) -> dict[str, str]:
    total, told = _TOTAL[side](spec), dict(podamounts.of_pod(spec).get(side) or {})
    for name in podamounts.OF_PODS & total.keys():
        if side == "limits" and not _is_limited(spec, name):
            continue
        if name == "cpu" and quantity.scaled(total[name].value, 3) <= _SMALLEST[side]:
            continue
        told[name] = total[name]
    return amounts.texts(told)


def _is_limited(spec: Obj, name: str) -> bool:
    """Whether the pod's cgroup has a limit: its own, or one of each of its containers."""
    if _positive(spec.get("resources"), name):
        return True
    listed = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return all(_positive(container.get("resources"), name) for container in listed)


def _positive(resources: Obj | None, name: str) -> bool:
    limit = ((resources or {}).get("limits") or {}).get(name)
    return limit is not None and quantity.parse(limit) > 0
