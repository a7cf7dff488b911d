"""Admission by somebody else: policies, which have their answer at once, and webhooks, who must be asked first.

A review goes with one write and is kept while that is tried: see pocketkube.unanswered.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource


class Write(NamedTuple):
    """A create, where there is no `old`, or an update. `managed`: the managedFields of `new`, as webhooks see them."""

    kind: Resource
    new: Obj
    old: Obj | None
    subresource: str
    managed: Entries | None


class Review(Protocol):
    """What is said to one write. The methods raise Unanswered until it is known."""

    def mutate(self, write: Write, *, again: bool = False) -> Obj:
        """The object as they want it, `new` itself if they leave it as it is. `again`: after what they changed was
        looked at by the plugins."""
        ...

    def judge(self, write: Write) -> None:
        """About an object that is valid."""
        ...

    def remove(self, kind: Resource, old: Obj) -> None:
        """About a deletion."""
        ...


class Joined:
    """Two reviews of one write as one: policies first, then webhooks, each for changes and then for the verdict."""

    def __init__(self, first: Review, then: Review) -> None:
        self._both = first, then

    def mutate(self, write: Write, *, again: bool = False) -> Obj:
        for review in self._both:
            write = write._replace(new=review.mutate(write, again=again))
        return write.new

    def judge(self, write: Write) -> None:
        for review in self._both:
            review.judge(write)

    def remove(self, kind: Resource, old: Obj) -> None:
        for review in self._both:
            review.remove(kind, old)


def join(first: Review | None, then: Review | None) -> Review | None:
    """`first` has its answers at once, and gives them again at each call."""
    if first is None or then is None:
        return then if first is None else first
    return Joined(first, then)
