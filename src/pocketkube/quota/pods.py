"""What pods use of a quota: what they request and may use, and their number.

Models evaluator/core/pods.go. `count/pods` counts every pod, everything else those that are not over. Left out: what a
resize in place has come to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pocketkube import amounts, objects, podamounts
from pocketkube.amounts import ONE, Amount, Amounts
from pocketkube.duration import parse_time
from pocketkube.objects import Obj
from pocketkube.podamounts import HUGE
from pocketkube.podphase import is_terminal
from pocketkube.quota.base import Evaluator, in_values
from pocketkube.resources.pod_spec.quality import qos_class
from pocketkube.resources.resource_names import CONTAINER, is_extended, is_native

_DEVICE: Final = "deviceclass.resource.kubernetes.io/"
_NAMES: Final = {"pods"} | CONTAINER | {f"{side}.{name}" for side in ("requests", "limits") for name in CONTAINER}
_MUST_BE_SAID: Final = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_AFFINITY: Final = (
    ("requiredDuringSchedulingIgnoredDuringExecution", ()),
    ("preferredDuringSchedulingIgnoredDuringExecution", ("podAffinityTerm",)),
)


class Pods(Evaluator):
    def counts(self, name: str) -> bool:
        asked = name.removeprefix("requests.")
        return (
            name in self.names
            or name in _NAMES
            or asked.startswith(HUGE)
            or (asked != name and (not is_native(name) or asked.startswith(_DEVICE)))
        )

    def usage(self, obj: Obj, now: float) -> Amounts:
        if not _is_counted(obj, now):
            return {self.count: ONE}
        return {self.count: ONE, **_named(podamounts.requests(objects.spec(obj)), podamounts.limits(objects.spec(obj)))}

    def is_charged(self, new: Obj, old: Obj | None, subresource: str) -> bool:
        if old is None or subresource:
            return not subresource or subresource == "resize"
        return _ends(new) != _ends(old)

    def is_changed(self, new: Obj, old: Obj, now: float) -> bool:
        return _ends(new) != _ends(old) or (_is_counted(old, now) and not _is_counted(new, now))

    def in_scope(self, requirement: Obj, obj: Obj) -> bool:
        match requirement.get("scopeName"):
            case "Terminating":
                return _ends(obj)
            case "NotTerminating":
                return not _ends(obj)
            case "BestEffort":
                return qos_class(objects.spec(obj)) == "BestEffort"
            case "NotBestEffort":
                return qos_class(objects.spec(obj)) != "BestEffort"
            case "PriorityClass":
                name = objects.spec(obj).get("priorityClassName")
                return in_values(requirement, [name] if name else [])
            case "CrossNamespacePodAffinity":
                return _looks_elsewhere(objects.spec(obj))
        return False

    def missing(self, obj: Obj, names: Iterable[str]) -> str:
        """Each container must say how much it wants of cpu and memory where a quota counts them."""
        spec = objects.spec(obj)
        if podamounts.of_pod(spec):
            return ""
        wanted = _MUST_BE_SAID & set(names)
        lacking: dict[str, set[str]] = {}
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            said = container.get("resources") or {}
            held = _named(amounts.of(said.get("requests")), amounts.of(said.get("limits")))
            for name in wanted - held.keys():
                lacking.setdefault(name, set()).add(container.get("name", ""))
        texts = [f"{name} for: {amounts.listed(lacking[name])}" for name in sorted(lacking)]
        return f"must specify {'; '.join(texts)}" if texts else ""


def stops_counting_at(pod: Obj) -> float | None:
    """When a pod that is asked to go is not counted any longer though it is still there (seconds since the epoch)."""
    meta = pod["metadata"]
    if "deletionTimestamp" not in meta or meta.get("deletionGracePeriodSeconds") is None:
        return None
    return parse_time(meta["deletionTimestamp"]).timestamp() + float(meta["deletionGracePeriodSeconds"])


def _named(asked: Amounts, allowed: Amounts) -> dict[str, Amount]:
    """Requests and limits by the names that quotas have for them."""
    used = {"pods": ONE}
    for name, one in asked.items():
        if name in CONTAINER or name.startswith(HUGE):
            used[name] = used[f"requests.{name}"] = one
        elif is_extended(name):
            used[f"requests.{name}"] = one
    used.update({f"limits.{name}": one for name, one in allowed.items() if name in CONTAINER})
    return used


def _is_counted(pod: Obj, now: float) -> bool:
    if is_terminal(pod):
        return False
    until = stops_counting_at(pod)
    return until is None or now <= until


def _ends(pod: Obj) -> bool:
    """Whether a pod is to end by itself; the scope Terminating is about such pods, not about those that are deleted."""
    return objects.spec(pod).get("activeDeadlineSeconds") is not None


def _looks_elsewhere(spec: Obj) -> bool:
    """Whether (anti-)affinity looks at pods of other namespaces."""
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        for field, inside in _AFFINITY:
            for held in (affinity.get(kind) or {}).get(field) or ():
                term = objects.dig(held, *inside) if inside else held
                if term.get("namespaces") or term.get("namespaceSelector") is not None:
                    return True
    return False
