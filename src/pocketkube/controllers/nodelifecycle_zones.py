"""How fast nodes that are not well are emptied, by zone: the fewer nodes of a zone answer, the more it looks as if the
network were to blame, and not the nodes.

Models ComputeZoneState, handleDisruption and the rate limited queues of pkg/controller/nodelifecycle. No clock, no API:
times are given, in seconds of cluster time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from pocketkube import objects
from pocketkube.objects import Obj

RATE, SECOND_RATE = 0.1, 0.01
"""Nodes a second: --node-eviction-rate, --secondary-node-eviction-rate."""
LARGE_CLUSTER = 50
"""--large-cluster-size-threshold: in a smaller zone most of whose nodes are unwell nobody is evicted."""
UNHEALTHY_ZONE = 0.55
"""--unhealthy-zone-threshold, a part of the zone's nodes."""
EXCLUDED: Final = "node.kubernetes.io/exclude-disruption"

State = Literal["Initial", "Normal", "PartialDisruption", "FullDisruption"]


def zone_of(node: Obj) -> str:
    """Region and zone as one text; "" for a node that has neither."""
    labels = objects.labels(node)
    zone = labels.get("failure-domain.beta.kubernetes.io/zone", labels.get("topology.kubernetes.io/zone", ""))
    region = labels.get("failure-domain.beta.kubernetes.io/region", labels.get("topology.kubernetes.io/region", ""))
    return f"{region}:{zone}" if region or zone else ""


def state_of(ready: Sequence[bool]) -> State:
    """What a zone is in whose nodes are ready or not."""
    unwell = ready.count(False)
    if unwell and unwell == len(ready):
        return "FullDisruption"
    return "PartialDisruption" if unwell > 2 and unwell / len(ready) >= UNHEALTHY_ZONE else "Normal"


def rate_of(state: State, size: int) -> float:
    """Nodes a second that may be emptied in a zone of `size` nodes."""
    if state == "PartialDisruption":
        return SECOND_RATE if size > LARGE_CLUSTER else 0.0
    return RATE


class Limiter:
    """A token bucket that holds one token; rate 0 gives none."""

    def __init__(self, rate: float = RATE) -> None:
        self.rate = rate
        self._next = float("-inf")

    def take(self, now: float) -> bool:
        if self.wait(now) > 0:
            return False
        self._next = now + 1 / self.rate
        return True

    def wait(self, now: float) -> float:
        """Seconds until there is a token; inf when there will be none."""
        return max(0.0, self._next - now) if self.rate else float("inf")

    def swap(self, rate: float, now: float) -> None:
        """Another rate; whoever waits for a token begins to wait anew."""
        if rate == self.rate:
            return
        waiting = self.wait(now) > 0
        self.rate = rate
        self._next = now + 1 / rate if waiting and rate else float("-inf")


class Zones:
    """The zones of a cluster and what they are in."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._limiters: dict[str, Limiter] = {}
        self._unwell: dict[str, dict[str, None]] = {}
        """Names of the nodes to be emptied, in the order in which they were found."""

    def add(self, zone: str) -> None:
        if zone not in self._states:
            self._states[zone] = "Initial"
            self._limiters[zone] = Limiter()

    def queue(self, zone: str, node: str) -> None:
        """The node is to be emptied in its turn."""
        self._unwell.setdefault(zone, {})[node] = None

    def forget(self, node: str) -> None:
        """It is well again, or gone."""
        for waiting in self._unwell.values():
            waiting.pop(node, None)

    def due(self, now: float) -> Iterator[str]:
        """The nodes whose turn it is."""
        for zone, waiting in self._unwell.items():
            while waiting and self._limiters[zone].take(now):
                node = next(iter(waiting))
                del waiting[node]
                yield node

    def wait(self, now: float) -> float:
        """Seconds until it is a node's turn; inf when nobody waits."""
        waits = (self._limiters[zone].wait(now) for zone, waiting in self._unwell.items() if waiting)
        return min(waits, default=float("inf"))

    def update(self, ready: Mapping[str, Sequence[bool]], now: float) -> Literal["entering", "leaving", ""]:
        """Set the rates by which nodes are ready, given by zone.

        "entering": no node of the cluster is any more, so nobody is evicted; "leaving": the first one is again.
        """
        states = {zone: state_of(nodes) for zone, nodes in ready.items()}
        for zone in states:
            self.add(zone)
        for zone in self._states.keys() - states.keys():
            del self._states[zone]
        all_were = all(state == "FullDisruption" for state in self._states.values())
        all_are = all(state == "FullDisruption" for state in states.values())
        if all_are and all_were:
            return ""
        if all_are:
            for zone in self._states:
                self._states[zone] = "FullDisruption"
                self._limiters[zone].swap(0.0, now)
            return "entering"
        for zone, state in states.items():
            if all_were or self._states[zone] != state:
                self._limiters[zone].swap(rate_of(state, len(ready[zone])), now)
                self._states[zone] = state
        return "leaving" if all_were else ""
