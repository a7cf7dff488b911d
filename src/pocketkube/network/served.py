"""Who counts what a server computes: told of each HTTP request that is answered in a context."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar


def _nobody() -> None:
    pass


served: ContextVar[Callable[[], None]] = ContextVar("served", default=_nobody)
"""Set for a program, it holds for all the tasks it starts."""
