"""What a grading asked and was told, in order, thread by thread.

A thread's part of it is a `Strand`: requests and commands, the chunks of watches, and what it saw of time and chance
after each of them. Nothing is read or turned into text here, so that a grading takes no longer for it (bundle.py does
that afterwards).
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kindlab import witness

MAX_ANSWER = 4 << 20
"""Bytes of one answer that are kept."""
MAX_BYTES = 64 << 20
"""Of all answers of a grading."""
MAX_ITEMS = 50_000
TOO_BIG, TOO_MANY, UNFINISHED = "it was too big to keep", "too much had been kept already", "it had not ended"


@dataclass(slots=True)
class Item:
    """One thing that happened. `at`: seconds by the tape's clock, `took`: how many it took. `asked` is what a request
    or a command said; a chunk of a watch has `of` instead, the number of its request; neither: a mark, with which a
    check, a part of it or a thread begins. `answer` is what came: {"raw": bytes} of a response, a command's end, an
    error. `lost`: why the answer is not there. `clock`, `drawn`: what the thread saw of time and chance until its next
    item."""

    number: int
    strand: str
    check: str
    part: str
    at: float
    took: float = 0.0
    asked: dict[str, Any] | None = None
    of: int | None = None
    answer: dict[str, Any] | None = None
    lost: str = ""
    clock: list[float] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)


class Tape:
    """One grading's. Whether something on it was too much to keep is said where it would stand."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.began = time.monotonic() - 1  # the clock of a tape begins at 1: a moment is never "none"
        self.since = datetime.now(UTC) - timedelta(seconds=1)
        """The time of day when the tape's clock was 0."""
        self.bytes = 0

    def now(self) -> float:
        """Seconds by the tape's clock, as exact as they are written down."""
        return round(time.monotonic() - self.began, 6)

    def strand(self) -> Strand:
        """For the thread that grades, which begins now."""
        return Strand(self, "main", "", "")

    def add(self, strand: Strand, asked: dict[str, Any] | None = None, of: int | None = None) -> Item:
        item = Item(len(self.items), strand.name, strand.check, strand.part, self.now(), asked=asked, of=of)
        if len(self.items) < MAX_ITEMS:
            self.items.append(item)
        return item

    def answered(self, item: Item, answer: dict[str, Any], size: int) -> None:
        """Keep an answer, if it is not too much."""
        item.took = round(self.now() - item.at, 6)
        item.lost = TOO_BIG if size > MAX_ANSWER else TOO_MANY if self.bytes + size > MAX_BYTES else ""
        if not item.lost:
            item.answer = answer
            self.bytes += size


class Strand:
    """A thread of a grading whose doings are kept: the real clock, real chance (witness.Witness)."""

    def __init__(self, tape: Tape, name: str, check: str, part: str) -> None:
        self.tape, self.name, self.check, self.part = tape, name, check, part
        self.begun: Counter[str] = Counter()
        self.last = tape.add(self)

    def asks(self, what: dict[str, Any]) -> Item:
        self.last = self.tape.add(self, asked=what)
        self.last.lost = UNFINISHED
        return self.last

    def hears(self, of: Item, answer: dict[str, Any], size: int) -> None:
        """A chunk of a watch, or its end."""
        self.last = self.tape.add(self, of=of.number)
        self.tape.answered(self.last, answer, size)

    # -- what the grading sees of time and chance

    def monotonic(self) -> float:
        seen = self.tape.now()
        self.last.clock.append(seen)
        return seen

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def now(self) -> datetime:
        return self.tape.since + timedelta(seconds=self.monotonic())

    def token(self, size: int) -> str:
        drawn = secrets.token_hex(size)
        self.last.drawn.append(drawn)
        return drawn

    def beside(self) -> Strand:
        self.begun[self.name] += 1
        return Strand(self.tape, f"{self.name}.{self.begun[self.name]}", self.check, self.part)

    def about(self, check: str, part: str) -> None:
        self.check, self.part = check, part
        self.last = self.tape.add(self)


def strand_of(tape: Tape) -> Strand | None:
    """This thread's, if it is one of that tape's."""
    here = witness.present()
    return here if isinstance(here, Strand) and here.tape is tape else None


def key(asked: dict[str, Any]) -> str:
    """What makes two questions the same one: not how long somebody wants to wait for the answer, nor which version of
    a list a watch goes on from, which is the cluster's to say."""
    return json.dumps({**asked, "query": _lasting(asked.get("query") or {})}, sort_keys=True, default=_plain)


def _lasting(query: dict[str, Any]) -> dict[str, Any]:
    return {k: str(v) for k, v in query.items() if k not in ("timeoutSeconds", "resourceVersion")}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(f"{type(value).__name__} cannot be kept")
