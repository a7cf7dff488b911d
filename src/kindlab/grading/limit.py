"""A limit for each check, so that none hangs for ever. Requests and commands have time-outs of their own; this one is
for whatever a grader does besides."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

PER_CHECK = 300.0
"""Seconds for each of a check's parts (what is made for it, itself, what is put away): three times what the slowest
check of the course takes on a slow machine."""
AGAIN = 10.0
"""Seconds between two tries to end a check that does not listen."""


class TooLong(BaseException):
    """Ours, not the learner's: no verdict. Like KeyboardInterrupt it is no Exception, so that a check that expects
    errors does not take it for one."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLong in the block once `seconds` are over. Only a process' main thread can be told (as everywhere with
    signals), and not on Windows: elsewhere the block has no limit."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"it did not end within {seconds:g} s")

    began, handler = monotonic(), signal.signal(signal.SIGALRM, over)
    left, every = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's alarm, which goes on
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (monotonic() - began)), every)
