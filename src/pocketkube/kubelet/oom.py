"""Who is killed first when memory runs out: oom_score_adj, as the kubelet gives it to the processes of a container.

Models GetContainerOOMScoreAdjust (pkg/kubelet/qos/policy.go).
"""

from __future__ import annotations

from typing import Final

from pocketkube import podamounts, quantity
from pocketkube.kubelet.status import is_sidecar
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec.quality import of_pod

_GUARANTEED: Final = -997
_BEST_EFFORT: Final = 1000
_SYSTEM_CRITICAL: Final = 2_000_000_000


def score_adjustment(pod: Obj, spec: Obj, container: Obj, capacity: int) -> int:
    """From -1000 (never) to 1000 (first). `spec`: the pod's, with allocated resources; `capacity`: the node's memory in
    bytes."""
    quality = of_pod(pod)
    if _is_node_critical(spec) or quality == "Guaranteed":
        return _GUARANTEED
    if quality == "BestEffort":
        return _BEST_EFFORT
    rest = _rest_of_pod(spec)
    adjusted = _of_burstable(_asked(container) + rest, capacity)
    if is_sidecar(container) and container in (spec.get("initContainers") or ()):
        least = min(_asked(regular) for regular in spec["containers"])
        adjusted = min(adjusted, _of_burstable(least + rest, capacity))
    return max(1000 + _GUARANTEED, min(adjusted, _BEST_EFFORT - 1))


def _is_node_critical(spec: Obj) -> bool:
    critical = (spec.get("priority") or 0) >= _SYSTEM_CRITICAL
    return bool(critical and spec.get("priorityClassName") == "system-node-critical")


def _asked(container: Obj) -> int:
    """requests.memory, bytes."""
    return quantity.value(((container.get("resources") or {}).get("requests") or {}).get("memory", 0))


def _of_burstable(asked: int, capacity: int) -> int:
    return 1000 - 1000 * asked // capacity


def _rest_of_pod(spec: Obj) -> int:
    """What the pod as a whole asks for beyond its containers, for each of them."""
    whole = (podamounts.of_pod(spec).get("requests") or {}).get("memory")
    if whole is None or not whole.value:
        return 0
    of_containers = podamounts.of_containers(spec, "requests").get("memory")
    count = len(spec.get("containers") or ()) + len(spec.get("initContainers") or ())
    rest = quantity.scaled(whole.value, 0) - (quantity.scaled(of_containers.value, 0) if of_containers else 0)
    return rest // count
