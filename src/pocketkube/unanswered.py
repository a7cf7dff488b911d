"""Synchronous calls that need an answer from outside of the process first: from a webhook.

What is synchronous here (the registry, versions of objects) cannot wait. What it cannot know yet it raises `Unanswered`
for. Whoever called it awaits the answer and calls again; somebody has kept the answer until then. The last call asks
nobody: as always, what it looked at still holds when it writes. So what a call does before it raises must be nothing,
or something that may be done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from pocketkube.errors import InternalError, StatusError

S = TypeVar("S")
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


KEPT: Final = 60.0
"""Seconds that an answer is kept for a call that does not come again."""


@dataclass
class _Open:
    """A call that had to be given up for now."""

    state: Any
    since: float
    refusal: StatusError | None = None
    asking: asyncio.Event | None = None
    """While somebody is asked: set at the end of it."""


class Repeated:
    """Calls of somebody who is not called again himself but begins anew, and then makes the same calls: a controller.

    What ends a call is told when it is made the next time. Calls are the same if their keys are. `now`: seconds of
    cluster time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._open: dict[Hashable, _Open] = {}

    def call(self, key: Hashable, begin: Callable[[], S], attempt: Callable[[S], T]) -> T:
        """`begin` makes what a call keeps while it is tried. Raises Unanswered, whose `ask` raises nothing."""
        now = self._now()
        self._open = {held: one for held, one in self._open.items() if now - one.since <= KEPT}
        open_ = self._open.pop(key, None)
        if open_ is None:
            open_ = _Open(begin(), now)
        if open_.refusal is not None:
            raise open_.refusal
        if open_.asking is not None:
            self._open[key] = open_
            raise Unanswered(partial(_wait, open_.asking))
        try:
            return attempt(open_.state)
        except Unanswered as question:
            self._open[key] = open_
            raise Unanswered(partial(self._ask, open_, question)) from None

    async def _ask(self, open_: _Open, question: Unanswered) -> None:
        open_.asking = done = asyncio.Event()
        try:
            await question.ask()
        except StatusError as error:
            open_.refusal = error
        finally:
            open_.since, open_.asking = self._now(), None
            done.set()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
