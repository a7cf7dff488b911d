"""Time and chance, as everything takes them that a grading runs through: what it saw of them is part of the evidence,
and a verdict that is repeated from it waits for nothing (witness.py)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from kindlab.witness import present


def monotonic() -> float:
    """Seconds, of which only differences mean anything."""
    here = present()
    return time.monotonic() if here is None else here.monotonic()


def sleep(seconds: float) -> None:
    here = present()
    if here is None:
        time.sleep(seconds)
    else:
        here.sleep(seconds)


def now() -> datetime:
    """The time of day, in UTC."""
    here = present()
    return datetime.now(UTC) if here is None else here.now()


def token_hex(size: int) -> str:
    """`size` random bytes, hexadecimal; as secrets.token_hex."""
    here = present()
    if here is not None:
        return here.token(size)
    import secrets  # only now: every command imports this module

    return secrets.token_hex(size)
