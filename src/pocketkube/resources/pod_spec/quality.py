"""A pod's quality of service class.

Models pkg/apis/core/v1/helper/qos.
"""

from __future__ import annotations

from pocketkube import objects, quantity
from pocketkube.objects import Obj

_COMPUTE = ("cpu", "memory")


def of_pod(pod: Obj) -> str:
    """The class that the pod's status tells, or that its spec comes to."""
    told: str = objects.status(pod).get("qosClass") or qos_class(objects.spec(pod))
    return told


def qos_class(spec: Obj) -> str:
    """Guaranteed, Burstable or BestEffort, by cpu and memory of the pod as a whole if it says anything of that, else of
    containers and init containers."""
    if spec.get("resources") is not None:
        judged = [spec]
    else:
        judged = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    requested, limited, guaranteed = False, False, True
    for one in judged:
        resources = one.get("resources") or {}
        requests, limits = _positive(resources.get("requests")), _positive(resources.get("limits"))
        requested |= bool(requests)
        limited |= bool(limits)
        guaranteed &= (
            len(limits) == len(_COMPUTE) and all(limits.get(n) == v for n, v in requests.items()) and bool(requests)
        )
    if not requested and not limited:
        return "BestEffort"
    return "Guaranteed" if guaranteed and judged else "Burstable"


def _positive(amounts: Obj | None) -> dict[str, object]:
    found = {name: quantity.parse(amounts[name]) for name in _COMPUTE if name in (amounts or {})} if amounts else {}
    return {name: amount for name, amount in found.items() if amount > 0}
