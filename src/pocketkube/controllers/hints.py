"""Topology hints: for which zones and nodes the endpoints of a Service's slices are meant.

Models staging/src/k8s.io/endpointslice/trafficdist (spec.trafficDistribution: everybody near an endpoint) and
topologycache (the annotation service.kubernetes.io/topology-mode: Auto, endpoints shared out by the zones' CPU). A
slice that would not be written otherwise is written only when its hints are missing or wrong. Of zones that have an
equal claim the first by name is served, where upstream takes any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor

from pocketkube import objects, quantity
from pocketkube.controllers.packing import Plan
from pocketkube.objects import Key, Obj

ZONE = "topology.kubernetes.io/zone"
ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
"""The first one that is there counts."""
CLOSE = ("PreferClose", "PreferSameZone", "PreferSameNode")
NO_CAPACITY = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
OVERLOAD = 0.2
"""How much more than its share an endpoint may get."""
ENABLED, DISABLED = "TopologyAwareHintsEnabled", "TopologyAwareHintsDisabled"
Said = tuple[str, str, str]
"""(type, reason, message) of an event."""


def by_annotation(service: Obj) -> bool:
    notes = objects.annotations(service)
    value = next((notes[name] for name in ANNOTATIONS if name in notes), "")
    return value in ("Auto", "auto")


# -- trafficDistribution


def prefer_close(plans: Iterable[Plan], distribution: str | None) -> None:
    """Hints as spec.trafficDistribution asks for; None: none at all."""

    def hinted(endpoint: Obj) -> Obj:
        hints: Obj = {}
        if distribution in CLOSE and _ready(endpoint):
            if endpoint.get("zone"):
                hints["forZones"] = [{"name": endpoint["zone"]}]
            if endpoint.get("nodeName") and distribution == "PreferSameNode":
                hints["forNodes"] = [{"name": endpoint["nodeName"]}]
        return _with(endpoint, hints)

    for plan in plans:
        _write(plan, hinted, lambda held: any(hinted(endpoint) != endpoint for endpoint in held))


# -- topology-mode: Auto


@dataclass
class Share:
    """How many endpoints a zone is to have."""

    minimum: int
    desired: float
    maximum: int = 0


class TopologyHints:
    """What the nodes can do and what Services were given, over all reconciles."""

    def __init__(self) -> None:
        self._ratios: dict[str, float] | None = None
        self._given: dict[tuple[Key, str], Counter[str]] = {}
        self._populated: set[Key] = set()

    def set_nodes(self, nodes: Iterable[Obj]) -> list[Key]:
        """Learn the nodes anew; the Services that now have too few endpoints for some zone."""
        self._ratios = _ratios(nodes)
        return sorted({at for (at, _), given in self._given.items() if given and self._overloaded(given)})

    def disable(self, at: Key, family: str) -> Said | None:
        """The annotation is not there (any more); what to say about it if it was."""
        before = at in self._populated
        self._forget(at, family)
        return (
            ("Warning", DISABLED, f"Topology Aware Hints has been disabled, addressType: {family}") if before else None
        )

    def add(self, plans: list[Plan], at: Key, family: str) -> Said | None:
        """Give hints to the endpoints of one family, or take them away where that would overload some; what to say."""
        problem = self._add(plans, at, family)
        if isinstance(problem, str):
            self._forget(at, family)
            prefer_close(plans, None)
            return "Warning", DISABLED, f"{problem}, addressType: {family}"
        before = at in self._populated
        self._populated.add(at)
        self._given[at, family] = problem
        if before:
            return None
        return "Normal", ENABLED, f"Topology Aware Hints has been enabled, addressType: {family}"

    def _add(self, plans: list[Plan], at: Key, family: str) -> Counter[str] | str:
        lists = [held for plan in plans for held in (*plan.create, *plan.update.values(), *plan.unchanged.values())]
        shares = self._shares(sum(_ready(endpoint) for held in lists for endpoint in held))
        if isinstance(shares, str):
            return shares
        given: Counter[str] = Counter()
        for plan in plans:
            for name, held in tuple(plan.unchanged.items()):
                kept = _zones_given(held, given, shares)
                if kept is None:
                    plan.update[name] = plan.unchanged.pop(name)
                else:
                    given += kept
        written = [held for plan in plans for held in (*plan.create, *plan.update.values())]
        ready = [endpoint for held in written for endpoint in held if _ready(endpoint)]
        if not all(endpoint.get("zone") for endpoint in ready):
            return "One or more endpoints do not have a zone specified"
        given.update(endpoint["zone"] for endpoint in ready)
        moves = _moves(shares, given)

        def hinted(endpoint: Obj) -> Obj:
            if not _ready(endpoint):
                return _with(endpoint, {})
            zone = endpoint["zone"]
            if taker := next(iter(moves.get(zone) or ()), None):
                moves[zone].remove(taker)
                given[zone] -= 1
                given[taker] += 1
                zone = taker
            return _with(endpoint, {"forZones": [{"name": zone}]})

        for plan in plans:
            _write(plan, hinted, lambda held: False)
        return +given if given else "No hints allocated for zones"

    def _shares(self, endpoints: int) -> dict[str, Share] | str:
        """What each zone is to have of that many endpoints, or why they cannot be shared out."""
        if self._ratios is None:
            return "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
        count = f"({endpoints} endpoints, {len(self._ratios)} zones)"
        if len(self._ratios) > endpoints:
            return f"Insufficient number of endpoints {count}"
        shares = {}
        for zone, ratio in self._ratios.items():
            desired = ratio * endpoints
            minimum = ceil(desired / (1 + OVERLOAD))
            shares[zone] = Share(minimum, max(desired, minimum))
        spare = endpoints - sum(share.minimum for share in shares.values())
        if spare < 0:
            return (
                "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold "
                f"{count}"
            )
        for share in shares.values():
            share.maximum = share.minimum + spare
        return shares

    def _overloaded(self, given: Counter[str]) -> bool:
        if not self._ratios:
            return True
        total = given.total()
        return any(given[zone] < ceil(total * ratio / (1 + OVERLOAD)) for zone, ratio in self._ratios.items())

    def _forget(self, at: Key, family: str) -> None:
        self._given.pop((at, family), None)
        self._populated.discard(at)


def counts(node: Obj) -> tuple[object, ...]:
    """What of a node bears on how endpoints are shared out."""
    cpu = objects.dig(node, "status", "allocatable", "cpu", default="0")
    return objects.labels(node), objects.condition_status(node, "Ready"), cpu


def _ratios(nodes: Iterable[Obj]) -> dict[str, float] | None:
    """Each zone's part of the CPU of all ready workers; None when a zone or CPU is not known, or there is one zone."""
    cpu: Counter[str] = Counter()
    for node in nodes:
        labels = objects.labels(node)
        if any(role in labels for role in NO_CAPACITY) or objects.condition_status(node, "Ready") != "True":
            continue
        amount = quantity.milli(objects.dig(node, "status", "allocatable", "cpu", default="0"))
        if not labels.get(ZONE) or not amount:
            return None
        cpu[labels[ZONE]] += amount
    if len(cpu) < 2:
        return None
    return {zone: cpu[zone] / cpu.total() for zone in sorted(cpu)}


def _zones_given(held: list[Obj], given: Counter[str], shares: Mapping[str, Share]) -> Counter[str] | None:
    """What the hints of a slice give to each zone; None when they cannot stay."""
    found: Counter[str] = Counter()
    for endpoint in filter(_ready, held):
        zones = [zone["name"] for zone in objects.dig(endpoint, "hints", "forZones", default=None) or ()]
        if not zones or not all(zone in shares for zone in zones):
            return None
        found.update(zones)
    return None if any(count + given[zone] > shares[zone].maximum for zone, count in found.items()) else found


def _moves(shares: Mapping[str, Share], given: Counter[str]) -> dict[str, list[str]]:
    """Zone with too many -> the zones that get one each of its endpoints, most needed first."""
    giving = {zone: given[zone] - share.desired for zone, share in shares.items() if given[zone] > share.desired}
    taking = {zone: share.desired - given[zone] for zone, share in shares.items() if given[zone] < share.desired}
    moves: dict[str, list[str]] = {}
    while giving and taking:
        giver, taker = max(giving, key=giving.__getitem__), max(taking, key=taking.__getitem__)
        most, least = max(giving[giver], taking[taker]), min(giving[giver], taking[taker])
        if floor(most) < 1 or least < 0.5:
            break
        moves.setdefault(giver, []).append(taker)
        giving[giver] -= 1
        taking[taker] -= 1
    return moves


# -- both


def _write(plan: Plan, hinted: Callable[[Obj], Obj], wrong: Callable[[list[Obj]], bool]) -> None:
    """Hints for what is written anyway; what need not be written is, too, when its hints are `wrong`."""
    for name in [name for name, held in plan.unchanged.items() if wrong(held)]:
        plan.update[name] = plan.unchanged.pop(name)
    plan.create = [[hinted(endpoint) for endpoint in held] for held in plan.create]
    plan.update = {name: [hinted(endpoint) for endpoint in held] for name, held in plan.update.items()}


def _ready(endpoint: Obj) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is True


def _with(endpoint: Obj, hints: Obj) -> Obj:
    """The endpoint with these hints and no others."""
    if not hints and "hints" not in endpoint:
        return endpoint
    bare = {field: value for field, value in endpoint.items() if field != "hints"}
    return {**bare, "hints": hints} if hints else bare
