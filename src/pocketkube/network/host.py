"""One host of the fabric, with an address of each family it has, and the kernel state behind it: what listens, is
bound, is connected, and the source ports that are used.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import TypeVar

from pocketkube.network.addresses import is_ipv6
from pocketkube.network.route import Sender
from pocketkube.network.sockets import Datagram, Listener
from pocketkube.network.stream import Address, Stream

EPHEMERAL = range(32768, 61000)


class Host:
    """One or two addresses, the primary first, and the kernel state behind them; every PodNetwork of them shares it."""

    def __init__(self, addresses: tuple[str, ...], name: str, node: str | None, *, is_node: bool = False) -> None:
        self.addresses = addresses
        self.address = addresses[0]
        self.name = name
        self.senders = {is_ipv6(address): Sender(address, node, is_node) for address in addresses}
        """Is it IPv6? -> the sender of that family."""
        self.sender = self.senders[is_ipv6(self.address)]
        self.listeners: dict[Address, Listener] = {}
        self.datagrams: dict[Address, Datagram] = {}
        self.streams: set[Stream] = set()
        self.used: set[int] = set()
        """Source ports of open connections."""
        self._next = random.choice(EPHEMERAL)

    def own(self, address: str) -> str:
        """The host's address of the same family as `address`. Raises OSError ENETUNREACH when it has none."""
        sender = self.senders.get(is_ipv6(address))
        if sender is None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return sender.address

    def listener(self, address: str, port: int) -> Listener | None:
        return _find(self.listeners, address, port)

    def datagram(self, address: str, port: int) -> Datagram | None:
        return _find(self.datagrams, address, port)

    def ephemeral(self, taken: Callable[[int], bool]) -> int:
        """A free source port. Raises OSError EADDRNOTAVAIL when there is none."""
        for _ in EPHEMERAL:
            port = self._next
            self._next = port + 1 if port + 1 in EPHEMERAL else EPHEMERAL.start
            if not taken(port):
                return port
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    def opened(self, stream: Stream) -> Stream:
        self.streams.add(stream)
        stream.on_close = self.streams.discard
        return stream

    def dialled(self, stream: Stream) -> Stream:
        self.streams.add(stream)
        self.used.add(stream.local[1])

        def gone(stream: Stream) -> None:
            self.streams.discard(stream)
            self.used.discard(stream.local[1])

        stream.on_close = gone
        return stream


Bound = TypeVar("Bound", Listener, Datagram)


def _find(table: dict[Address, Bound], address: str, port: int) -> Bound | None:
    found = table.get((address, port))
    if found is None and not is_ipv6(address):
        found = table.get(("0.0.0.0", port))
    if found is None:
        found = table.get(("::", port))
        if found is not None and found.v6only and not is_ipv6(address):
            return None
    return found
