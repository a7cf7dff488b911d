"""Who gets which address and which port.

Models pkg/registry/core/service/{ipallocator,portallocator} (Service addresses and node ports: random above a band that
is kept for those who ask for a number by name, then random inside the band) and the host-local CNI plugin (pod
addresses of one node: the next after the last one given, so that a freed address rests as long as possible).

Addresses of both families are texts in their canonical form. Left out: IPAddress and ServiceCIDR objects, a stored
allocation map: the owner reserves what its objects hold when it starts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

NODE_PORTS: Final = range(30000, 32768)
NODE_PREFIXES: Final = {4: 24, 6: 64}
"""IP version -> prefix length of a node's pod range: --node-cidr-mask-size-ipv4 and -ipv6."""


class Full(Exception):
    """Every number of the range is taken."""


class AlreadyAllocated(Exception):
    """Somebody holds this number."""


class NotInRange(Exception):
    """The number does not belong to this range (or is not an address at all)."""


class _Numbers:
    """Numbers 0..size-1: taken at random from `band` upwards, and from below `band` once the upper part is full."""

    def __init__(self, size: int, band: int, rng: random.Random) -> None:
        self._size = size
        self._band = band if band < size else 0
        self._rng = rng
        self._taken: set[int] = set()
        self._taken_below = 0

    def take(self) -> int:
        upper_free = (self._size - self._band) - (len(self._taken) - self._taken_below)
        low, high, free = self._band, self._size, upper_free
        if not upper_free:
            low, high, free = 0, self._band, self._band - self._taken_below
        if not free:
            raise Full("range is full")
        number = self._pick(low, high, free)
        self.mark(number)
        return number

    def _pick(self, low: int, high: int, free: int) -> int:
        # Guessing is quick while at least a quarter is free; below that, choosing among what is left is.
        if free * 4 >= high - low:
            while (number := self._rng.randrange(low, high)) in self._taken:
                pass
            return number
        return self._rng.choice([number for number in range(low, high) if number not in self._taken])

    def mark(self, number: int) -> bool:
        if number in self._taken:
            return False
        self._taken.add(number)
        self._taken_below += number < self._band
        return True

    def free(self, number: int) -> None:
        if number in self._taken:
            self._taken.discard(number)
            self._taken_below -= number < self._band

    def __len__(self) -> int:
        return len(self._taken)

    def __contains__(self, number: int) -> bool:
        return number in self._taken

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._taken))


class Allocator:
    """Addresses of a Service range; the network and IPv4's broadcast address are never given out."""

    def __init__(self, cidr: str = "10.96.0.0/16", rng: random.Random | None = None) -> None:
        self.network = ip_network(cidr)
        self._size = max(0, self.network.num_addresses - (2 if self.network.version == 4 else 1))
        band = _band(self.network.num_addresses, divisor=16, at_most=256)
        self._numbers = _Numbers(self._size, band, rng or random.Random())

    def allocate(self) -> str:
        """A free address, at random. Raises Full."""
        return str(self.network.network_address + 1 + self._numbers.take())

    def reserve(self, address: str) -> None:
        """Take this very address. Raises NotInRange, AlreadyAllocated."""
        if not self._numbers.mark(self._offset(address)):
            raise AlreadyAllocated("provided IP is already allocated")

    def release(self, address: str) -> None:
        """Give an address back; unknown ones are ignored."""
        if address in self:
            self._numbers.free(self._offset(address))

    def __contains__(self, address: str) -> bool:
        try:
            return self._offset(address) in self._numbers
        except NotInRange:
            return False

    def __len__(self) -> int:
        return len(self._numbers)

    def _offset(self, address: str) -> int:
        offset = _offset(address, self.network)
        if not 0 <= offset < self._size:
            raise NotInRange(
                f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {self.network}"
            )
        return offset


class PortAllocator:
    """Node ports."""

    def __init__(self, ports: range = NODE_PORTS, rng: random.Random | None = None) -> None:
        self.ports = ports
        self._numbers = _Numbers(len(ports), _band(len(ports), divisor=32, at_most=128), rng or random.Random())

    def allocate(self) -> int:
        """A free port, at random. Raises Full."""
        return self.ports[self._numbers.take()]

    def reserve(self, port: int) -> None:
        """Take this very port. Raises NotInRange, AlreadyAllocated."""
        if port not in self.ports:
            raise NotInRange(
                f"provided port is not in the valid range. The range of valid ports is {self.ports[0]}-{self.ports[-1]}"
            )
        if not self._numbers.mark(port - self.ports[0]):
            raise AlreadyAllocated("provided port is already allocated")

    def release(self, port: int) -> None:
        """Give a port back; unknown ones are ignored."""
        self._numbers.free(port - self.ports[0])

    def __contains__(self, port: int) -> bool:
        return port - self.ports[0] in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)


class PodAddresses:
    """Addresses of one node's pod range: not the network, the node's own side (the first), IPv4's broadcast address."""

    def __init__(self, cidr: str) -> None:
        self.network = ip_network(cidr)
        self.gateway = str(self.network.network_address + 1)
        self._size = self.network.num_addresses - (3 if self.network.version == 4 else 2)
        self._taken: set[int] = set()
        self._next = 0

    def allocate(self) -> str:
        """The next free address after the one given last. Raises Full."""
        number = _next_free(self._next, self._size, self._taken)
        first = self.network.network_address + 2
        if number is None:
            raise Full(f"no IP addresses available in range set: {first - 1}-{first + (self._size - 1)}")
        self._taken.add(number)
        self._next = number + 1
        return str(first + number)

    def reserve(self, address: str) -> None:
        """Take this very address (a pod that was there before a restart). Raises NotInRange, AlreadyAllocated."""
        number = self._number(address)
        if not 0 <= number < self._size:
            raise NotInRange(f"{address} is not a pod address of {self.network}")
        if number in self._taken:
            raise AlreadyAllocated(f"{address} is already allocated")
        self._taken.add(number)
        self._next = max(self._next, number + 1)

    def release(self, address: str) -> None:
        """Give an address back; unknown ones are ignored."""
        self._taken.discard(self._number(address))

    def _number(self, address: str) -> int:
        return _offset(address, self.network) - 1

    def __len__(self) -> int:
        return len(self._taken)


def _offset(address: str, network: IPv4Network | IPv6Network) -> int:
    """How far an address lies behind the first one of a network; negative for another family and for no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return -1
    return int(found) - int(network.network_address) - 1 if found.version == network.version else -1


def _band(size: int, *, divisor: int, at_most: int) -> int:
    """How many numbers at the start are kept for explicit requests; none where the range is tiny."""
    return 0 if size <= 16 else min(max(16, size // divisor), at_most)


def _next_free(start: int, size: int, taken: set[int]) -> int | None:
    """The first free number from `start` on, going around."""
    if len(taken) >= size:
        return None
    for step in range(size):
        number = (start + step) % size
        if number not in taken:
            return number
    return None
