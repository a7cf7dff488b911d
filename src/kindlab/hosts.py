"""Hosts in URLs: names, or addresses."""

from __future__ import annotations

from ipaddress import ip_address


def is_address(host: str) -> bool:
    """Whether it is an IP address, an IPv6 one with or without the brackets of a URL."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def in_url(host: str) -> str:
    """A host as URLs have it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
