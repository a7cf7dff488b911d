"""Synchronous calls that need an answer from outside of the process first: from a webhook.

What is synchronous here (the registry, versions of objects) cannot wait. What it cannot know yet it raises `Unanswered`
for. Whoever called it awaits the answer and calls again; somebody has kept the answer until then. The last call asks
nobody: as always, what it looked at still holds when it writes. So what a call does before it raises must be nothing,
or something that may be done twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pocketkube.errors import InternalError

T = TypeVar("T")
MOST_CALLS: Final = 50
"""Of one verb. Each but the last has learned something; that many are needed where others keep writing the object."""


class Unanswered(Exception):
    """Somebody must be asked first: await `ask`, which raises StatusError if that ends the request, and call again."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        super().__init__("somebody must be asked first")
        self.ask = ask


async def answered(attempt: Callable[[], T]) -> T:
    """What a synchronous call returns once it knows all answers."""
    return await awaited(lambda: _at_once(attempt))


async def awaited(attempt: Callable[[], Awaitable[T]]) -> T:
    """As `answered`, of a call that awaits other things too."""
    for _ in range(MOST_CALLS):
        try:
            return await attempt()
        except Unanswered as question:
            await question.ask()
    raise InternalError("the object changes faster than webhooks answer")


async def _at_once(attempt: Callable[[], T]) -> T:
    return attempt()
