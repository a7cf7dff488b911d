"""Whose turn it is: the backend of a rule by weight, the endpoint of a backend in a circle, the mirror by percentage.

Turns are kept over changes of the table for what stays the same, so that a change elsewhere does not shift a ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from pocketkube.network.ingress.balancing import Schedule
from pocketkube.network.ingress.routes import Backend, Mirror, Rule
from pocketkube.network.stream import Address

Lookup = Callable[[Backend], Sequence[Address]]


class Turns:
    def __init__(self, endpoints: Lookup) -> None:
        self._endpoints = endpoints
        self._schedules: dict[Rule, Schedule] = {}
        self._next: dict[tuple[str, str, int], int] = {}
        self._mirrored: dict[tuple[Rule, Mirror], tuple[int, int]] = {}

    def keep_only(self, rules: Iterable[Rule]) -> None:
        """Forget the turns of everything that is not served any more."""
        kept = set(rules)
        self._schedules = {rule: schedule for rule, schedule in self._schedules.items() if rule in kept}
        self._mirrored = {at: counts for at, counts in self._mirrored.items() if at[0] in kept}
        served = {_key(backend) for rule in kept for backend in _asked(rule)}
        self._next = {at: turn for at, turn in self._next.items() if at in served}

    def backend(self, rule: Rule) -> Backend | None:
        """None when no backend has a weight."""
        if len(rule.backends) == 1:
            return rule.backends[0] if rule.backends[0].weight > 0 else None
        schedule = self._schedules.get(rule)
        if schedule is None:
            schedule = self._schedules[rule] = Schedule([backend.weight for backend in rule.backends])
        index = schedule.next()
        return None if index is None else rule.backends[index]

    def endpoint(self, backend: Backend) -> Address | None:
        """None without any."""
        found = self._endpoints(backend)
        if not found:
            return None
        at = _key(backend)
        turn = self._next.get(at, 0) % len(found)
        self._next[at] = turn + 1
        return found[turn]

    def mirrored(self, rule: Rule, mirror: Mirror) -> bool:
        """Whether this request is among the mirror's percentage."""
        total, sent = self._mirrored.get((rule, mirror), (0, 0))
        total += 1
        chosen = sent * 100 < total * mirror.percent
        self._mirrored[rule, mirror] = (total, sent + chosen)
        return chosen


def _asked(rule: Rule) -> Iterator[Backend]:
    yield from rule.backends
    for one in (*rule.filters, *(one for backend in rule.backends for one in backend.filters)):
        if isinstance(one, Mirror):
            yield one.backend


def _key(backend: Backend) -> tuple[str, str, int]:
    return backend.namespace, backend.service, backend.port
