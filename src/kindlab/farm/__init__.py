"""A farm: embedded clusters, one a piece of work, thrown away afterwards. Lint, verify, mutate, flake and grade use it.

Each piece of work runs in a process of its own, on a fresh cluster that is a process of its own; both are forked from
processes that have everything loaded, where the platform can. Whatever a piece of work does (hangs, eats memory, kills
its process) costs itself only.
"""

from kindlab.farm.limits import Limits
from kindlab.farm.running import Finished, run

__all__ = ["Finished", "Limits", "run"]
