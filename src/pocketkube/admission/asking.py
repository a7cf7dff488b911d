"""Admission by somebody outside of the process, which takes its time: webhooks.

The registry is synchronous. What it cannot know yet it raises `Unanswered` for. Whoever called it awaits the answer and
calls again, with the same review, which knows it then. The last call asks nobody: as always, what it looked at still
holds when it writes. So what a call does before it raises must be nothing, or something that may be done twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from pocketkube.errors import InternalError
from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

T = TypeVar("T")
MOST_CALLS: Final = 50
"""Of one verb. Each but the last has learned something; that many are needed where others keep writing the object."""


class Unanswered(Exception):
    """Somebody must be asked first: await `ask`, which raises StatusError if that ends the request, and call again."""

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        super().__init__("somebody must be asked first")
        self.ask = ask


class Review(Protocol):
    """What webhooks say to one write. The methods raise Unanswered until they have said it."""

    def mutate(
        self,
        kind: Resource,
        new: Obj,
        old: Obj | None,
        subresource: str,
        managed: Entries | None,
        *,
        again: bool = False,
    ) -> Obj:
        """The object as they want it, `new` itself if they leave it as it is. `old` None: a create. `again`: after what
        they changed was looked at by the plugins."""
        ...

    def judge(self, kind: Resource, new: Obj, old: Obj | None, subresource: str, managed: Entries | None) -> None:
        """About an object that is valid."""
        ...

    def remove(self, kind: Resource, old: Obj) -> None:
        """About a deletion."""
        ...


class Joined:
    """Two reviews of one write as one: policies first, then webhooks, each for changes and then for the verdict."""

    def __init__(self, first: Review, then: Review) -> None:
        self._both = first, then

    def mutate(
        self,
        kind: Resource,
        new: Obj,
        old: Obj | None,
        subresource: str,
        managed: Entries | None,
        *,
        again: bool = False,
    ) -> Obj:
        for review in self._both:
            new = review.mutate(kind, new, old, subresource, managed, again=again)
        return new

    def judge(self, kind: Resource, new: Obj, old: Obj | None, subresource: str, managed: Entries | None) -> None:
        for review in self._both:
            review.judge(kind, new, old, subresource, managed)

    def remove(self, kind: Resource, old: Obj) -> None:
        for review in self._both:
            review.remove(kind, old)


def join(first: Review | None, then: Review | None) -> Review | None:
    """`first` has its answers at once, and gives them again at each call."""
    if first is None or then is None:
        return then if first is None else first
    return Joined(first, then)


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
