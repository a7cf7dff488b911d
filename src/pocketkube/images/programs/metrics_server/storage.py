"""What metrics-server keeps: the last two readings of every node and container, and what was used between them.

Models pkg/storage of metrics-server v0.8.1. Left out: a first rate from a container's start (it needs resolutions above
ten seconds).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from pocketkube import quantity

if TYPE_CHECKING:
    from pocketkube.kubelet.usage import NodeUsage, Usage

PodKey = tuple[str, str]
"""(namespace, name)"""


@dataclass(frozen=True, slots=True)
class Point:
    """`time`: cluster time of the reading; `started`: when what is measured started; `cpu`: seconds of a core used
    since then; `memory`: bytes."""

    time: float
    started: float
    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Rate:
    """`time`: cluster time of the later reading; `window`: seconds between the two; `usage`: as the API shows it."""

    time: float
    window: float
    usage: dict[str, str]


class Storage:
    def __init__(self) -> None:
        self._nodes: tuple[dict[str, Point], dict[str, Point]] = {}, {}
        """(before, last)"""
        self._pods: tuple[dict[PodKey, dict[str, Point]], dict[PodKey, dict[str, Point]]] = {}, {}

    @property
    def ready(self) -> bool:
        """Whether there is anything to serve."""
        return bool(self._nodes[0]) or any(self._pods[0].values())

    def store(self, readings: Iterable[NodeUsage]) -> None:
        """One scrape of every node. What is not in it is forgotten."""
        nodes: tuple[dict[str, Point], dict[str, Point]] = {}, {}
        pods: tuple[dict[PodKey, dict[str, Point]], dict[PodKey, dict[str, Point]]] = {}, {}
        for reading in readings:
            point = _point(reading.time, reading.started_at, reading.usage)
            _keep(nodes, self._nodes, reading.node, point)
            for one in reading.containers:
                at = one.namespace, one.pod
                point = _point(reading.time, one.started_at, one.usage)
                held = tuple(part.get(at, {}) for part in self._pods)
                now = tuple(part.setdefault(at, {}) for part in pods)
                _keep((now[0], now[1]), (held[0], held[1]), one.name, point)
        self._nodes, self._pods = nodes, pods

    def node(self, name: str) -> Rate | None:
        """None before the second reading."""
        return _rate(self._nodes[0].get(name), self._nodes[1].get(name))

    def pod(self, at: PodKey) -> tuple[Rate, dict[str, dict[str, str]]] | None:
        """(the earliest of its containers' rates, usage by container); None before the second reading of each."""
        before, last = self._pods[0].get(at, {}), self._pods[1].get(at, {})
        rates = {name: _rate(before.get(name), point) for name, point in last.items()}
        known = {name: rate for name, rate in rates.items() if rate is not None}
        if not known or len(known) < len(rates):
            return None
        return min(known.values(), key=lambda rate: rate.time), {name: rate.usage for name, rate in known.items()}


def _keep(
    now: tuple[dict[str, Point], dict[str, Point]],
    held: tuple[dict[str, Point], dict[str, Point]],
    name: str,
    point: Point,
) -> None:
    """A reading becomes the last one; the one before counts unless what is measured has started anew since."""
    now[1][name] = point
    last = held[1].get(name)
    if last is None or point.started >= last.time:
        return
    if point.time > last.time:
        now[0][name] = last
    elif name in held[0]:
        now[0][name] = held[0][name]


def _point(time: float, started: float, usage: Usage) -> Point:
    return Point(time, started, usage.cpu_seconds, usage.memory)


def _rate(before: Point | None, last: Point | None) -> Rate | None:
    if before is None or last is None or last.cpu < before.cpu:
        return None
    window = last.time - before.time
    nanocores = Decimal(round((last.cpu - before.cpu) / window * 1e9)).scaleb(-9)
    usage = {"cpu": quantity.text_of(nanocores), "memory": quantity.text_of(last.memory, "BinarySI")}
    return Rate(last.time, window, usage)
