"""Work that takes its time: begun early, asked for late, while other checks go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from kindlab.witness import beside

T = TypeVar("T")


class Meanwhile(Generic[T]):
    """Does `work` once, in a thread of its own; what it raises is raised for whoever asks for the result."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._thread: threading.Thread | None = None
        self._results: list[T] = []
        self._error: Exception | None = None

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=beside(self._run), daemon=True)
            self._thread.start()

    def result(self) -> T:
        """What came of it, when it has ended; begun now when nobody has."""
        self.begin()
        self.end()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def end(self) -> None:
        """Wait for it, whatever came of it; at once when it was never begun."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except Exception as error:
            self._error = error
