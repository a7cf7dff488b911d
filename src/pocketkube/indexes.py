"""Sets of completion indexes as Jobs write them: `1,3-5,7`.

Models orderedIntervals of pkg/controller/job and the format checks of pkg/apis/batch/validation.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable

from pocketkube import fields

MOST = 1_000_000
"""Indexes that are kept in mind at most."""
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def show(indexes: Iterable[int]) -> str:
    """Runs of three and more get a hyphen, as upstream writes them."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{a}" if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in runs)


def parse(text: str, completions: int) -> set[int]:
    """The indexes below `completions`, MOST at most; what is not written as it should be is passed over."""
    found: set[int] = set()
    for run in _runs(text, completions):
        found.update(run[: MOST - len(found)])
    return found


def among(done: set[int], text: str, completions: int) -> tuple[int, int]:
    """(how many of `done` are among those indexes, how many those are)."""
    runs = _runs(text, completions)
    starts = [run[0] for run in runs]
    there = sum(index in runs[at] for index in done if (at := bisect_right(starts, index) - 1) >= 0)
    return there, sum(map(len, runs))


def _runs(text: str, completions: int) -> list[range]:
    """In order, none empty."""
    found = []
    for interval in filter(None, text.split(",")):
        first, _, last = interval.partition("-")
        if _NUMBER.fullmatch(first) and (not last or _NUMBER.fullmatch(last)):
            found.append(range(max(0, int(first)), min(int(last or first), completions - 1) + 1))
    return sorted(filter(None, found), key=lambda run: run[0])


def checked(text: str, completions: int) -> int:
    """How many indexes those are. Raises ValueError with upstream's text."""
    total, previous = 0, -1
    for interval in text.split(",") if text else ():
        first, last = _interval(interval, completions)
        if previous >= first:
            raise ValueError(f"non-increasing order, previous: {previous}, current: {first}")
        total, previous = total + last - first + 1, last
    return total


def overlap(completed: str, failed: str, completions: int) -> int | None:
    """The first index that is in both, if there is one."""
    ours, theirs = iter(_runs(completed, completions)), iter(_runs(failed, completions))
    one, other = next(ours, None), next(theirs, None)
    while one and other:
        if one[0] <= other[-1] and other[0] <= one[-1]:
            return max(one[0], other[0])
        if one[-1] < other[0]:
            one = next(ours, None)
        else:
            other = next(theirs, None)
    return None


def _interval(text: str, completions: int) -> tuple[int, int]:
    limits = text.split("-")
    if len(limits) > 2:
        raise ValueError(
            f"the fragment {fields.show(text)} violates the requirement that an index interval can have at most "
            "two parts separated by '-'"
        )
    first, last = _limit(limits[0], completions), _limit(limits[-1], completions)
    if len(limits) == 2 and first >= last:
        raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
    return first, last


def _limit(text: str, completions: int) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"cannot convert string to integer for index: {fields.show(text)}")
    if int(text) >= completions:
        raise ValueError(f"too large index: {fields.show(text)}")
    return int(text)
