"""Weighted round robin as Traefik does it: earliest deadline first.

Every choice has a deadline one period (1 / weight) after its last turn and the earliest is next, so any run of turns
has the weights' ratio, not only many turns on average.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence


class Schedule:
    """Turns among the indices of `weights`; a weight of 0 has none."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._heap = [(1 / weight, index, weight) for index, weight in enumerate(weights) if weight > 0]
        heapq.heapify(self._heap)

    def next(self) -> int | None:
        """The index whose turn it is; None when no weight is positive."""
        if not self._heap:
            return None
        deadline, index, weight = self._heap[0]
        heapq.heapreplace(self._heap, (deadline + 1 / weight, index, weight))
        return index
