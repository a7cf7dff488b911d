"""From the replicas that metrics ask for to those that a HorizontalPodAutoscaler sets: windows, rates, bounds.

Models stabilizeRecommendation* and convertDesiredReplicas* of pkg/controller/podautoscaler/horizontal.go. Pure but for
what a History remembers. Times are seconds of the cluster's monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pocketkube.objects import Obj

SCALE_UP_FACTOR: Final = 2
SCALE_UP_LEAST: Final = 4
"""Without a behavior, replicas grow to this many times what they are, or to this number, in one step."""
MOST: Final = 2**31 - 1

_WITHIN: Final = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_MANY: Final = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FEW: Final = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_UP_LIMIT: Final = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT: Final = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_READY: Final = ("ReadyForNewScale", "recommended size matches current size")
_UP_STABILIZED: Final = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_DOWN_STABILIZED: Final = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
Told = tuple[str, str]
"""(reason, message) of a condition."""


@dataclass(frozen=True)
class Moment:
    """A number of replicas, recommended or changed by, at a time."""

    replicas: int
    at: float


@dataclass
class History:
    """What is remembered of one autoscaler; upstream forgets it, too, when its process ends."""

    recommended: list[Moment] = field(default_factory=list)
    ups: list[Moment] = field(default_factory=list)
    downs: list[Moment] = field(default_factory=list)

    def start(self, current: int, now: float) -> None:
        """The first recommendation is what was there: an autoscaler that is new does not scale down at once."""
        if not self.recommended:
            self.recommended.append(Moment(current, now))

    def recommend(self, desired: int, now: float, window: float) -> None:
        """`window`: seconds after which a recommendation is forgotten."""
        self.recommended = [moment for moment in self.recommended if moment.at >= now - window]
        self.recommended.append(Moment(desired, now))

    def rescaled(self, before: int, after: int, behavior: Obj | None, now: float) -> None:
        """Of changes only policies ask, as far back as their periods."""
        if behavior is None:
            return
        rules = (behavior["scaleUp"], behavior["scaleDown"])
        longest = max((policy["periodSeconds"] for rule in rules for policy in rule["policies"]), default=0)
        self.ups = [moment for moment in self.ups if moment.at > now - longest]
        self.downs = [moment for moment in self.downs if moment.at > now - longest]
        (self.ups if after > before else self.downs).append(Moment(abs(after - before), now))


@dataclass(frozen=True)
class Decision:
    replicas: int
    able: Told
    """For AbleToScale, which is True."""
    limited: bool
    limit: Told
    """For ScalingLimited."""


@dataclass(frozen=True)
class Bounds:
    """What an autoscaler asks for. `downscale`: the window in seconds where no behavior gives one."""

    least: int
    most: int
    downscale: float
    behavior: Obj | None = None


def decide(history: History, bounds: Bounds, current: int, desired: int, now: float) -> Decision:
    """What to set when metrics ask for `desired`; remembers that they did."""
    if bounds.behavior is None:
        stable, reason = _highest(history, desired, now, bounds.downscale), _DOWN_STABILIZED
        replicas, limit = bounded(bounds, current, stable)
    else:
        stable = _stable(history, bounds, current, desired, now)
        reason = _UP_STABILIZED if desired >= current else _DOWN_STABILIZED
        replicas, limit = _bounded_by_rates(history, bounds, bounds.behavior, current, stable, now)
    return Decision(replicas, _READY if stable == desired else reason, replicas != stable, limit)


# -- windows


def _highest(history: History, desired: int, now: float, window: float) -> int:
    recent = [moment.replicas for moment in history.recommended if moment.at >= now - window]
    history.recommend(desired, now, window)
    return max([desired, *recent])


def _stable(history: History, bounds: Bounds, current: int, desired: int, now: float) -> int:
    assert bounds.behavior is not None
    up: float = bounds.behavior["scaleUp"].get("stabilizationWindowSeconds") or 0
    given = bounds.behavior["scaleDown"].get("stabilizationWindowSeconds")
    down: float = bounds.downscale if given is None else given
    lowest = min([desired, *(moment.replicas for moment in history.recommended if moment.at > now - up)])
    highest = max([desired, *(moment.replicas for moment in history.recommended if moment.at > now - down)])
    history.recommend(desired, now, max(up, down))
    return min(max(current, lowest), highest)


# -- bounds


def bounded(bounds: Bounds, current: int, desired: int) -> tuple[int, Told]:
    """Between minimum, maximum and the most that one step may add."""
    fastest = max(SCALE_UP_FACTOR * current, SCALE_UP_LEAST)
    most, reason = (fastest, _UP_LIMIT) if bounds.most > fastest else (bounds.most, _TOO_MANY)
    if desired < bounds.least:
        return bounds.least, _TOO_FEW
    return (most, reason) if desired > most else (desired, _WITHIN)


def _bounded_by_rates(
    history: History, bounds: Bounds, behavior: Obj, current: int, desired: int, now: float
) -> tuple[int, Told]:
    """As `bounded`, with the rates that policies allow."""
    if desired > current:
        fastest = max(current, most_after(history, behavior["scaleUp"], current, now))
        most, reason = (fastest, _UP_LIMIT) if bounds.most > fastest else (bounds.most, _TOO_MANY)
        if desired > most:
            return most, reason
    elif desired < current:
        fastest = min(current, least_after(history, behavior["scaleDown"], current, now))
        least, reason = (fastest, _DOWN_LIMIT) if bounds.least < fastest else (bounds.least, _TOO_FEW)
        if desired < least:
            return least, reason
    return desired, _WITHIN


def most_after(history: History, rules: Obj, current: int, now: float) -> int:
    """The most replicas that scaling up may lead to now; less than `current` while a period is used up."""

    def most(policy: Obj, start: int) -> int:
        if policy["type"] == "Pods":
            return start + int(policy["value"])
        # rounded up: a change that adds nothing would never come to an end
        return math.ceil(start * (1 + int(policy["value"]) / 100))

    return _after(history, rules, current, now, most, widest=max, narrowest=min)


def least_after(history: History, rules: Obj, current: int, now: float) -> int:
    """The fewest replicas that scaling down may lead to now; more than `current` while a period is used up."""

    def least(policy: Obj, start: int) -> int:
        if policy["type"] == "Pods":
            return start - int(policy["value"])
        return int(start * (1 - int(policy["value"]) / 100))

    return _after(history, rules, current, now, least, widest=min, narrowest=max)


def _after(
    history: History,
    rules: Obj,
    current: int,
    now: float,
    reach: Callable[[Obj, int], int],
    *,
    widest: Callable[[list[int]], int],
    narrowest: Callable[[list[int]], int],
) -> int:
    select = rules.get("selectPolicy") or "Max"
    if select == "Disabled":
        return current
    reached = []
    for policy in rules["policies"]:
        since = now - policy["periodSeconds"]
        start = current - _changed(history.ups, since) + _changed(history.downs, since)
        reached.append(reach(policy, start))
    return (narrowest if select == "Min" else widest)(reached)


def _changed(moments: list[Moment], since: float) -> int:
    return sum(moment.replicas for moment in moments if moment.at > since)
