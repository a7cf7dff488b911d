"""Two reviews of one write as one: policies first, then webhooks, each for changes and then for the verdict."""

from __future__ import annotations

from pocketkube.admission.asking import Review
from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource


class Joined:
    """A `Review` (asking.py). `first` has its answers at once, and gives them again at each call."""

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
