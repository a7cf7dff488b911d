"""A farm: embedded clusters, one a piece of work, thrown away afterwards. Lint, verify, mutate, flake and grade use it.

Each piece of work runs in a process of its own, on a fresh cluster that is a process of its own; both are forked from
processes that have everything loaded, where the platform can. Whatever a piece of work does (hangs, eats memory, kills
its process) costs itself only.
"""

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from kindlab.api import Api
from kindlab.farm.limits import Limits
from kindlab.farm.running import Finished, run

T = TypeVar("T")
R = TypeVar("R")

__all__ = ["Finished", "Limits", "once", "run"]


def once(work: Callable[[Api, T], R], item: T, limits: Limits | None = None) -> Finished[T, R]:
    """Do `work` (as `run` takes it) on one item, and what became of it."""
    with closing(run(work, [item], jobs=1, limits=limits)) as finished:
        return next(finished)
