"""One address of the fabric and the kernel state behind it: listeners, datagram sockets, connections, source ports."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import TypeVar

from pocketkube.network.route import Sender
from pocketkube.network.sockets import Datagram, Listener
from pocketkube.network.stream import Address, Stream

EPHEMERAL = range(32768, 61000)


class Host:
    """One address and the kernel state behind it, shared by every PodNetwork of that address."""

    def __init__(self, address: str, name: str, node: str | None) -> None:
        self.address = address
        self.name = name
        self.sender = Sender(address, node)
        self.listeners: dict[Address, Listener] = {}
        self.datagrams: dict[Address, Datagram] = {}
        self.streams: set[Stream] = set()
        self.used: set[int] = set()
        """Source ports of open connections."""
        self._next = random.choice(EPHEMERAL)

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
    if found is None:
        found = table.get(("0.0.0.0", port)) or table.get(("::", port))
    return found
