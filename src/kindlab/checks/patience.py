"""Asking again, of what nobody can watch: how an ingress controller answers, for one, which reads changes every two
seconds. Everything the learner did was done before the grade began, so all of a grade's questions share one deadline:
a lab in which much is wrong waits once, not once a check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kindlab.clock import monotonic, sleep

T = TypeVar("T")

CATCH_UP = 4.0
"""Seconds after which a change has reached whoever acts on it."""
PAUSE = 0.25
"""Seconds between two questions."""


class Patience:
    """Runs out some seconds after the first question."""

    def __init__(self) -> None:
        self._began: float | None = None

    def renew(self) -> None:
        """Something has just changed: the next question is the first again."""
        self._began = None

    def until(
        self,
        ask: Callable[[], T],
        holds: Callable[[T], object],
        timeout: float | None = None,
        within: float = CATCH_UP,
    ) -> T:
        """The first answer that `holds`, or else the last before the deadline; there is always one. `timeout`: seconds
        of this question's own, after a change that the check made itself. `within`: seconds after the grade's first
        question by which whoever is asked knows of everything."""
        now = monotonic()
        if timeout is None:
            self._began = self._began or now
        deadline = now + timeout if timeout is not None else (self._began or now) + within
        while True:
            answer = ask()
            left = deadline - monotonic()
            if holds(answer) or left <= 0:
                return answer
            sleep(min(PAUSE, left))
