"""Ports of this machine for tests that must name one."""

from __future__ import annotations

import socket


def free_port() -> int:
    """One that nobody has now; the system hands it to nobody else soon, unlike a random number that a program tries."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
