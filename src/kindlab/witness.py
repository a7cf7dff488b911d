"""Who keeps what a grading sees. Whatever it takes from outside its own code goes through a seam: requests and commands
through `Api`, time and chance through `clock`. Nobody keeps it as a rule; `evidence` brings somebody who keeps it all,
or who gives it back as it was kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Protocol, TypeVar

T = TypeVar("T")


class Witness(Protocol):
    """Of one thread of a grading."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    def now(self) -> datetime: ...

    def token(self, size: int) -> str: ...

    def beside(self) -> Witness:
        """For another thread, which begins now."""

    def about(self, check: str, part: str) -> None:
        """What follows belongs to this check. `part`: "" for the check itself, else what goes on beside it."""


class Real:
    """Who keeps nothing: time and chance as they are."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, size: int) -> str:
        import secrets  # only now: every command imports this module

        return secrets.token_hex(size)

    def beside(self) -> Witness:
        return self

    def about(self, check: str, part: str) -> None:
        pass


_NOBODY = Real()
_present: ContextVar[Witness] = ContextVar("witness", default=_NOBODY)


def present() -> Witness:
    """Of this thread."""
    return _present.get()


@contextmanager
def with_(witness: Witness | None) -> Iterator[None]:
    """For the block, in this thread; None: nobody who keeps anything."""
    before = _present.set(witness or _NOBODY)
    try:
        yield
    finally:
        _present.reset(before)


def beside(work: Callable[..., T]) -> Callable[..., T]:
    """The same work, for another thread."""
    there = present().beside()

    def done(*args: object) -> T:
        with with_(there):
            return work(*args)

    return done


def about(check: str, part: str = "") -> None:
    """Say what check the grading is at, and what it does about it: `shared NAME`, what is prepared for several checks;
    `why`, the search for the broken hop."""
    present().about(check, part)
