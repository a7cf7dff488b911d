"""A pool of load balancer addresses, as ranges: `172.18.255.200-172.18.255.250,fd00::1-fd00::9,192.0.2.0/28`."""

from __future__ import annotations

from collections.abc import Container
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


class AddressPool:
    """Raises ValueError for a text that is no list of ranges; "" is a pool without addresses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._ranges = [_range(part.strip()) for part in text.split(",") if part.strip()]

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def __contains__(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(
            first.version == found.version and int(first) <= int(found) <= int(last) for first, last in self._ranges
        )

    def has(self, family: str) -> bool:
        """Whether there is a range of that family (IPv4, IPv6)."""
        return any(f"IPv{first.version}" == family for first, _ in self._ranges)

    def free(self, family: str, taken: Container[str]) -> str | None:
        """The lowest address of a family that nobody has, as MetalLB chooses."""
        for first, last in self._ranges:
            if f"IPv{first.version}" == family:
                for number in range(int(last) - int(first) + 1):
                    if (address := str(first + number)) not in taken:
                        return address
        return None


def _range(text: str) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    if "/" in text:
        network = ip_network(text)
        return network[0], network[-1]
    low, dash, high = text.partition("-")
    first, last = ip_address(low.strip()), ip_address((high if dash else low).strip())
    if first.version != last.version or int(first) > int(last):
        raise ValueError(f"{text} is not a range of addresses: the first must not come after the last")
    return first, last
