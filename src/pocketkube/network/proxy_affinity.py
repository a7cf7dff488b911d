"""Which endpoint a client was sent to last: session affinity as iptables' `recent` match keeps it, one list a node."""

from __future__ import annotations

from collections.abc import Hashable

from pocketkube.clock import Clock
from pocketkube.objects import Key

SWEEP_AT = 4096
Client = tuple[Key, Hashable]
"""The Service, and whatever tells its ports, nodes and clients apart."""


class Affinity:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[Client, tuple[str, int, float]] = {}
        self._sweep_at = SWEEP_AT

    def last(self, client: Client) -> tuple[str, int] | None:
        """(address, port) of the endpoint, unless its time is up."""
        address, port, until = self._known.get(client, ("", 0, 0.0))
        return (address, port) if self._clock.monotonic() < until else None

    def remember(self, client: Client, endpoint: tuple[str, int], seconds: float) -> None:
        """The client was sent there now: its time starts anew."""
        now = self._clock.monotonic()
        if len(self._known) >= self._sweep_at:
            self._known = {who: entry for who, entry in self._known.items() if now < entry[2]}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._known))
        self._known[client] = *endpoint, now + seconds

    def forget(self, service: Key) -> None:
        """The Service is gone."""
        if self._known:
            self._known = {who: entry for who, entry in self._known.items() if who[0] != service}
