"""What the kernel remembers of UDP flows, so that an answer is let through where a new flow would be refused.

Models nf_conntrack's two lifetimes: a flow nobody has answered, and one both ends have spoken in, which is established.
Every packet of the first is new to whoever filters; packets of the second, in both directions, are not looked at again.
One table serves the whole cluster, since every packet of a flow passes the same nodes. TCP needs no such memory: a
stream that is open is established.
"""

from __future__ import annotations

from pocketkube.clock import Clock
from pocketkube.network.stream import Address

UNREPLIED = 30.0
"""Seconds of silence until a flow without an answer is forgotten: nf_conntrack_udp_timeout."""
REPLIED = 120.0
"""The same of a flow with answers: nf_conntrack_udp_timeout_stream."""
SWEEP_AT = 4096
"""Entries at which forgotten flows are first thrown away."""

Flow = tuple[Address, Address]
"""(source as the receiver sees it, receiver)."""


class Conntrack:
    """The flows of one cluster, by the addresses their packets carry when they arrive."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._flows: dict[Flow, tuple[bool, float]] = {}  # -> (has been answered, forgotten at)
        self._sweep_at = SWEEP_AT

    def established(self, source: Address, destination: Address) -> bool:
        """Whether a packet answers a flow, or goes on with one that was answered; it keeps the flow alive."""
        now = self._clock.monotonic()
        for flow, answers in (((destination, source), True), ((source, destination), False)):
            answered, until = self._flows.get(flow, (False, 0.0))
            if now < until and (answers or answered):
                self._flows[flow] = True, now + REPLIED
                return True
        return False

    def begin(self, source: Address, destination: Address) -> None:
        """A packet that was looked at and let through: its answer will be, too."""
        now = self._clock.monotonic()
        if len(self._flows) >= self._sweep_at:
            self._flows = {flow: entry for flow, entry in self._flows.items() if now < entry[1]}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._flows))
        self._flows[source, destination] = False, now + UNREPLIED
