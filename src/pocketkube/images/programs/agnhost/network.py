"""Names to addresses for agnhost's clients, with the texts of Go's resolver."""

from __future__ import annotations

import ipaddress
import re

from pocketkube.kubelet.process import Process
from pocketkube.network.resolver import NotFound, ResolutionError, first


class ResolveFailure(Exception):
    """net.ResolveTCPAddr's error text."""


async def resolve(process: Process, host: str, port: str, network: str) -> tuple[str, int]:
    """(address, port). Raises ResolveFailure."""
    if not re.fullmatch(r"\d+", port):
        raise ResolveFailure(f"lookup {network}/{port}: unknown port" if port else f"address {host}:: missing port")
    if int(port) > 65535:
        raise ResolveFailure(f"address {port}: invalid port")
    if not host:
        return "127.0.0.1", int(port)
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        pass
    try:
        return await first(process, host), int(port)
    except NotFound:
        raise ResolveFailure(f"lookup {host}: no such host") from None
    except ResolutionError:
        raise ResolveFailure(f"lookup {host}: i/o timeout") from None


def split(text: str) -> tuple[str, str]:
    """net.SplitHostPort. Raises ValueError with Go's text."""
    found = re.fullmatch(r"\[([^\]]*)\]:([^:]*)|([^:\[\]]*):([^:]*)", text)
    if found:
        return (found.group(1) or found.group(3) or ""), (found.group(2) or found.group(4) or "")
    if ":" not in text or text.endswith("]"):
        raise ValueError(f"address {text}: missing port in address")
    raise ValueError(f"address {text}: too many colons in address")
