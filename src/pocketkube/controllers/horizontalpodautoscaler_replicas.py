"""How many replicas the use of a resource asks for.

Models pkg/controller/podautoscaler/{replica_calculator.go,metrics/utilization.go}: unready pods and those without
metrics are not simply left out, so that a set does not grow because its new pods are starting, or shrink because some
cannot be seen. Pure; amounts are thousandths (of a core, of a byte), times seconds since the epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pocketkube import objects, quantity
from pocketkube.controllers.horizontalpodautoscaler_limits import MOST
from pocketkube.duration import parse_time
from pocketkube.objects import Obj

_NOT_SEEN: Final = "did not receive metrics for targeted pods (pods might be unready)"


class Unknown(Exception):
    """It cannot be told how many; the text is upstream's."""


@dataclass(frozen=True)
class Sample:
    """What a pod used on average in the `window` seconds before `at`."""

    value: int
    at: float
    window: float


@dataclass(frozen=True)
class Tolerance:
    """How far from its target a ratio may be without consequence."""

    down: float
    up: float

    def within(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True)
class Patience:
    """For how many seconds a pod that starts is not believed: --horizontal-pod-autoscaler-cpu-initialization-period,
    --horizontal-pod-autoscaler-initial-readiness-delay."""

    cpu_initialization: float
    initial_readiness: float


@dataclass(frozen=True)
class Proposal:
    """`current`: the measured percentage or average; `average`: the average in thousandths."""

    replicas: int
    current: int
    average: int


@dataclass(frozen=True)
class Seen:
    """The pods, by name, as far as their numbers can be used."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    used: Mapping[str, int]
    """What is measured: of ready pods, and of names that are no pods' any more."""


def look(pods: Iterable[Obj], samples: Mapping[str, Sample], resource: str, patience: Patience, now: float) -> Seen:
    """Which numbers count. Raises Unknown when there are no pods, or none that do."""
    ready, unready, missing, ignored = 0, set(), set(), set()
    known = list(pods)
    if not known:
        raise Unknown("no pods returned by selector while calculating replica count")
    for pod in known:
        name, phase = objects.name(pod), objects.status(pod).get("phase")
        if objects.is_terminating(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in samples:
            missing.add(name)
        elif resource == "cpu" and not _settled(pod, samples[name], patience, now):
            unready.add(name)
        else:
            ready += 1
    used = {name: sample.value for name, sample in samples.items() if name not in ignored | unready}
    if not used:
        raise Unknown(_NOT_SEEN)
    return Seen(ready, frozenset(unready), frozenset(missing), used)


def _settled(pod: Obj, sample: Sample, patience: Patience, now: float) -> bool:
    """Whether the pod does what it is for, not what starting takes."""
    condition, started = objects.condition(pod, "Ready"), objects.status(pod).get("startTime")
    if condition is None or not started:
        return False
    ready = condition.get("status") != "False"
    turned, begun = _seconds(condition.get("lastTransitionTime")), _seconds(started)
    if begun + patience.cpu_initialization > now:
        return ready and sample.at >= turned + sample.window
    return ready or begun + patience.initial_readiness <= turned


def _seconds(text: str | None) -> float:
    return parse_time(text).timestamp() if text else 0.0


def by_utilization(
    seen: Seen, requests: Mapping[str, int], current: int, target: int, tolerance: Tolerance
) -> Proposal:
    """`requests`: what each pod asks for; `target`: percent of that. Raises Unknown."""

    def percent(used: Mapping[str, int]) -> int:
        asked = sum(requests[name] for name in used if name in requests)
        if asked == 0:
            raise Unknown("no metrics returned matched known pods")
        return sum(value for name, value in used.items() if name in requests) * 100 // asked

    measured = percent(seen.used)
    counted = [value for name, value in seen.used.items() if name in requests]
    fallback = max(100, target)
    stand_in = {name: requests.get(name, 0) * fallback // 100 for name in seen.missing}
    replicas = _propose(seen, current, tolerance, lambda used: percent(used) / target, stand_in)
    return Proposal(replicas, measured, sum(counted) // len(counted))


def by_average(seen: Seen, current: int, target: int, tolerance: Tolerance) -> Proposal:
    """`target`: thousandths a pod."""
    measured = _average(seen.used)
    stand_in = dict.fromkeys(seen.missing, target)
    return Proposal(
        _propose(seen, current, tolerance, lambda used: _average(used) / target, stand_in), measured, measured
    )


def _average(used: Mapping[str, int]) -> int:
    return sum(used.values()) // len(used)


def _propose(
    seen: Seen,
    current: int,
    tolerance: Tolerance,
    ratio_of: Callable[[Mapping[str, int]], float],
    stand_in: Mapping[str, int],
) -> int:
    """Replicas for a ratio of use to target; `stand_in`: what pods without metrics are taken to use at most."""
    ratio = ratio_of(seen.used)
    growing_with_unready = bool(seen.unready) and ratio > 1.0
    if not growing_with_unready and not seen.missing:
        return current if tolerance.within(ratio) else _count(ratio * seen.ready)
    assumed = dict(seen.used)
    if ratio < 1.0:
        assumed |= stand_in
    elif ratio > 1.0:
        assumed |= dict.fromkeys(seen.missing, 0)
    if growing_with_unready:
        assumed |= dict.fromkeys(seen.unready, 0)
    cautious = ratio_of(assumed)
    if tolerance.within(cautious) or (ratio < 1.0 < cautious) or (cautious < 1.0 < ratio):
        return current
    wanted = _count(cautious * len(assumed))
    if (cautious < 1.0 and wanted > current) or (cautious > 1.0 and wanted < current):
        return current
    return wanted


def _count(replicas: float) -> int:
    return min(MOST, math.ceil(replicas))


def requests_of(pods: Iterable[Obj], resource: str, container: str = "") -> dict[str, int]:
    """What each pod, or its container of that name, asks for. Raises Unknown when one does not say."""
    return {objects.name(pod): _request(pod, resource, container) for pod in pods}


def _request(pod: Obj, resource: str, container: str) -> int:
    spec = objects.spec(pod)
    whole = objects.dig(spec, "resources", "requests")
    if whole and not container:
        if resource not in whole:
            raise Unknown(f"missing pod-level request for {resource} in Pod {objects.name(pod)}")
        return quantity.milli(whole[resource])
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    total = 0
    for one in [*(spec.get("containers") or ()), *sidecars]:
        if container in ("", one["name"]):
            asked = (objects.dig(one, "resources", "requests") or {}).get(resource)
            if asked is None:
                raise Unknown(f"missing request for {resource} in container {one['name']} of Pod {objects.name(pod)}")
            total += quantity.milli(asked)
        if container == one["name"]:
            return total
    if container:
        raise Unknown(f"container {container} not found in Pod {objects.name(pod)}")
    return total
