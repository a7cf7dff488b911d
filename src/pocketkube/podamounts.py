"""What a pod asks for and may use, in amounts that keep how they were written: `{"cpu": 250m, "memory": 64Mi}`.

Models component-helpers/resource PodRequests and PodLimits without what a status tells. The same for comparing with
nodes, in plain numbers: `podresources`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pocketkube import amounts
from pocketkube.amounts import Amount
from pocketkube.objects import Obj
from pocketkube.podresources import over_time

OF_PODS: Final = frozenset({"cpu", "memory"})
"""What a pod can be given as a whole, apart from pages of memory."""
HUGE: Final = "hugepages-"


def requests(spec: Obj) -> dict[str, Amount]:
    """What a pod asks for: as a whole where it says so, else the sum of its containers or its largest init step where
    that is more; and the overhead."""
    total = of_containers(spec, "requests")
    total.update(of_pod(spec).get("requests") or {})
    amounts.add(total, amounts.of(spec.get("overhead")))
    return total


def limits(spec: Obj) -> dict[str, Amount]:
    """What a pod may use; overhead counts for what has a limit."""
    total = of_containers(spec, "limits")
    total.update(of_pod(spec).get("limits") or {})
    overhead = amounts.of(spec.get("overhead"))
    amounts.add(total, {name: one for name, one in overhead.items() if name in total and total[name].value})
    return total


def of_containers(spec: Obj, side: str) -> dict[str, Amount]:
    """The sum of `requests` or `limits` of the containers, or the largest init step."""
    return over_time(spec, lambda container: _side(container, side), amounts.add, amounts.raise_to)


def _side(container: Mapping[str, Any], side: str) -> dict[str, Amount]:
    return amounts.of((container.get("resources") or {}).get(side))


def of_pod(spec: Obj) -> dict[str, dict[str, Amount]]:
    """Requests and limits that are the pod's own, and go before the sum of its containers'; empty when it has none."""
    said = spec.get("resources") or {}
    of_pod = {
        side: {name: one for name, one in amounts.of(said.get(side)).items() if is_of_pods(name)}
        for side in ("requests", "limits")
    }
    return {side: found for side, found in of_pod.items() if found}


def is_of_pods(name: str) -> bool:
    """Whether a pod can be given so much of it as a whole."""
    return name in OF_PODS or name.startswith(HUGE)
