"""Addresses as the network compares them: canonical texts of either family, told apart by the colon.

Left out: zones (`fe80::1%eth0`), since no host here has a link-local address.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

ANY = ("0.0.0.0", "::", "")
LOOPBACK = {False: "127.0.0.1", True: "::1"}
"""Is it IPv6? -> the loopback address."""


def is_ipv6(address: str) -> bool:
    return ":" in address


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def is_address(text: str) -> bool:
    """Whether the text is an address of either family."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def canonical(address: str) -> str:
    """The one spelling of an IPv6 address that is compared and shown; everything else as it is."""
    return str(IPv6Address(address)) if is_ipv6(address) else address


def host_port(host: str, port: int | str) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`: Go's net.JoinHostPort."""
    return f"[{host}]:{port}" if is_ipv6(host) else f"{host}:{port}"


def wildcard(address: str) -> str:
    """What stands for "any address" of the same family: what a client's socket is bound to."""
    return "::" if is_ipv6(address) else "0.0.0.0"


@lru_cache(maxsize=4096)  # it is asked for every connection and datagram
def literal(address: str) -> str:
    """The canonical text; "any" and localhost are the loopback, a mapped IPv4 address is that. Raises ValueError."""
    if address in ("localhost", "0.0.0.0", ""):
        return "127.0.0.1"  # Linux connects to itself
    if not is_ipv6(address):
        try:
            return str(IPv4Address(address))
        except ValueError:
            raise ValueError(f"not an address: {address}") from None
    if "%" in address:
        raise ValueError(f"not an address: {address}")
    found = IPv6Address(address)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return "::1" if address == "::" else str(found)
