"""The ranges one family of Service addresses comes from: the cluster's own, and every ready ServiceCIDR.

Models pkg/registry/core/service/ipallocator/cidrallocator.go: an address may lie in several ranges, and is taken in all
of them at once.
"""

from __future__ import annotations

import random
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

from pocketkube import ipam


class Ranges:
    """As ipam.Allocator, over several ranges; `cidr` is the cluster's own, which stays."""

    def __init__(self, cidr: str) -> None:
        self._own = cidr
        self._ranges: dict[str, ipam.Allocator] = {cidr: ipam.Allocator(cidr)}

    @property
    def first(self) -> IPv4Address | IPv6Address:
        """The first address of the cluster's own range: what dry runs get."""
        return self._ranges[self._own].network.network_address

    def be(self, cidrs: set[str], held: list[str]) -> None:
        """Let these be the ranges besides the cluster's own; `held`: the addresses that are taken."""
        for cidr in self._ranges.keys() - cidrs - {self._own}:
            del self._ranges[cidr]
        for cidr in cidrs - self._ranges.keys():
            added = self._ranges[cidr] = ipam.Allocator(cidr)
            for address in held:
                with suppress(ipam.NotInRange, ipam.AlreadyAllocated):
                    added.reserve(address)

    def allocate(self) -> str:
        """A free address of any range, at random. Raises Full."""
        full: ipam.Full | None = None
        for range_ in random.sample(list(self._ranges.values()), len(self._ranges)):
            try:
                address = range_.allocate()
            except ipam.Full as error:
                full = error
                continue
            self._mark(address, range_)
            return address
        assert full is not None
        raise full

    def reserve(self, address: str) -> None:
        """Take this very address. Raises NotInRange, AlreadyAllocated."""
        refused: ipam.NotInRange | None = None
        for range_ in self._ranges.values():
            try:
                range_.reserve(address)
            except ipam.NotInRange as error:
                refused = refused or error
                continue
            self._mark(address, range_)
            return
        assert refused is not None
        raise refused

    def release(self, address: str) -> None:
        """Give an address back; unknown ones are ignored."""
        for range_ in self._ranges.values():
            range_.release(address)

    def _mark(self, address: str, but: ipam.Allocator) -> None:
        for range_ in self._ranges.values():
            if range_ is not but:
                with suppress(ipam.NotInRange, ipam.AlreadyAllocated):
                    range_.reserve(address)
