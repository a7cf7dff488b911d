"""An answer that somebody at a terminal waits for, and no longer than they would."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

Answer = TypeVar("Answer")


def within(seconds: float, ask: Callable[[], Answer]) -> Answer | None:
    """What `ask` returns; None when it takes longer than that (it is left to itself, and ends with the process)."""
    answers: list[Answer] = []
    asking = Thread(target=lambda: answers.append(ask()), daemon=True)
    asking.start()
    asking.join(seconds)
    return answers[0] if answers else None
