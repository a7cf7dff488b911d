"""A cluster that is not there: an Api that answers a grading out of what another one was answered.

Each question is answered as it was the next time it was asked: by the same thread of the same check, else by another
one of it, else in what was prepared for several checks, else in a check before. Time is what was recorded after the
same question; where today's grader looks at the clock more often, it stands still but for its own pauses, and nobody
waits. A question that was never asked has no answer: NotRecorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from threading import Lock
from types import SimpleNamespace
from typing import Any

from kindlab import witness
from kindlab.api import Api, Obj, Request, Served
from kindlab.checks.programs import PATH
from kindlab.checks.verdict import CouldNotGrade
from kindlab.evidence.recording import question
from kindlab.evidence.tape import Item, key
from kindlab.evidence.telling import error_of
from kindlab.witness import Witness

SAME = 1.0
"""Seconds for which an answer holds when it is asked for once more than it was, and nothing was changed since."""
TICK = 1e-4
UNKNOWN = "the evidence does not say"


class NotRecorded(CouldNotGrade):
    """The evidence has no answer to what today's grader asks."""


class Reel:
    """What was recorded, and how far it has been played. `missing`: check -> the questions without an answer."""

    def __init__(self, items: Iterable[Item], since: datetime, version: bytes = b"{}") -> None:
        self.items = list(items)
        self.since, self.version = since, version
        self.missing: dict[str, list[str]] = defaultdict(list)
        self.why: dict[str, str] = {}
        """Question -> why it had no answer the first time: a grading tries once more what it could not do."""
        self.lock = Lock()
        self.used: set[int] = set()
        self.by_key: dict[str, list[Item]] = defaultdict(list)
        self.chunks: dict[int, list[Item]] = defaultdict(list)
        self.marks: dict[tuple[str, str, str], list[Item]] = defaultdict(list)
        for item in self.items:
            if item.asked is not None:
                self.by_key[key(item.asked)].append(item)
            elif item.of is not None:
                self.chunks[item.of].append(item)
            else:
                self.marks[item.strand, item.check, item.part].append(item)

    def mark(self, strand: Playback) -> Item | None:
        """Where the strand's check, or part of one, begins the next time."""
        with self.lock:
            found = self.marks[strand.name, strand.check, strand.part]
            return found.pop(0) if found else None

    def take(self, strand: Playback, asked: dict[str, Any]) -> Item:
        """The item that answers the question. Raises NotRecorded."""
        with self.lock:
            every = self.by_key.get(key(asked), ())
            fresh = [one for one in every if one.number not in self.used and strand.may_use(one)]
            found = min(fresh, key=strand.preference, default=None)
            if found is None:
                found = next((one for one in reversed(every) if strand.still_holds(one)), None)
            if found is None:
                asked_often = " so often" if every else ""
                why = f"nobody asked for it{asked_often}: {in_words(asked)}"
                raise self.miss(strand, self.why.setdefault(key(asked), why))
            self.used.add(found.number)
        if found.lost or found.answer is None:
            why = f"{found.lost or 'it was not kept'}: {in_words(asked)}"
            raise self.miss(strand, self.why.setdefault(key(asked), why))
        return found

    def miss(self, strand: Playback, why: str) -> NotRecorded:
        if strand.part != "why":  # the search for the broken hop: the verdict has been given
            self.missing[strand.check].append(why)
        return NotRecorded(f"{UNKNOWN}: {why}")


class Playback:
    """A thread of a grading that goes by what was recorded (witness.Witness)."""

    def __init__(self, reel: Reel, name: str = "main", check: str = "", part: str = "", at: float = 1.0) -> None:
        self.reel, self.name, self.check, self.part, self.at = reel, name, check, part, at
        self.begun = 0
        self.changed = 0.0
        """When this thread changed something the last time."""
        self.last: Item | None = None
        self.seen, self.drawn, self.made_up = 0, 0, 0
        self._go_to(reel.mark(self))

    def asks(self, asked: dict[str, Any]) -> Item:
        found = self.reel.take(self, asked)
        self._go_to(found)
        if asked.get("request") != "GET":
            self.changed = self.at
        return found

    def hears(self, chunk: Item) -> None:
        self._go_to(chunk)

    def _go_to(self, item: Item | None) -> None:
        self.last, self.seen, self.drawn = item, 0, 0
        if item is not None:
            self.at = max(self.at, item.at + item.took)

    # -- which of several answers

    def may_use(self, item: Item) -> bool:
        return item.check in (self.check, "") or item.part.startswith("shared ") or item.at <= self.at

    def preference(self, item: Item) -> tuple[bool, bool, bool, int]:
        """The least is taken."""
        same_check = item.check == self.check
        return not same_check, item.strand != self.name, not item.part.startswith("shared "), item.number

    def still_holds(self, item: Item) -> bool:
        """Whether an answer that was given already is the one to give again."""
        asked = item.asked or {}
        if "discovery" in asked or "needs" in asked:
            return True
        when = item.at + item.took
        reads = asked.get("request") == "GET" and "watch" not in (asked.get("query") or {})
        return reads and item.check == self.check and self.changed <= when and 0 <= self.at - when < SAME

    # -- time and chance

    def monotonic(self) -> float:
        if self.last is not None and self.seen < len(self.last.clock):
            seen = self.last.clock[self.seen]
            self.seen += 1
            self.at = max(self.at, seen)
            return seen
        self.at += TICK
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += max(0.0, seconds)

    def now(self) -> datetime:
        return self.reel.since + timedelta(seconds=self.monotonic())

    def token(self, size: int) -> str:
        if self.last is not None and self.drawn < len(self.last.drawn):
            drawn = self.last.drawn[self.drawn]
            self.drawn += 1
            return drawn
        self.made_up += 1
        return sha256(f"{self.name} {self.made_up}".encode()).hexdigest()[: 2 * size]

    def beside(self) -> Playback:
        self.begun += 1
        return Playback(self.reel, f"{self.name}.{self.begun}", self.check, self.part, self.at)

    def about(self, check: str, part: str) -> None:
        self.check, self.part = check, part
        self._go_to(self.reel.mark(self))


class Replayed(Api):
    """The cluster as the recording has it. Only a grading can ask it (runner.grade)."""

    def __init__(self, reel: Reel) -> None:
        self.reel = reel
        self.kubeconfig = self.context = None

    @property
    def server(self) -> str:
        return f"evidence {id(self.reel)}"

    @property
    def authority(self) -> str:
        return ""

    def witness(self) -> Witness | None:
        return Playback(self.reel)

    def _here(self) -> Playback:
        here = witness.present()
        if isinstance(here, Playback) and here.reel is self.reel:
            return here
        raise NotRecorded(f"{UNKNOWN}: it was asked by nobody that is known")

    def respond(self, asked: Request, *, timeout: float, stream: bool) -> Any:
        if asked.path == "/version":
            return SimpleNamespace(data=self.reel.version)
        here = self._here()
        found = here.asks(question(asked))
        answer = found.answer or {}
        if error := error_of(answer):
            raise error
        return Played(here, found) if stream else SimpleNamespace(data=answer.get("raw", b""))

    def exchange(self, what: Obj, ask: Callable[[], Obj]) -> Obj:
        found = self._here().asks(what).answer or {}
        if error := error_of(found):
            raise error
        answer: Obj = found["answer"]
        return answer

    def discovered(self) -> dict[str, Served]:
        found = self.exchange({"discovery": "which kinds are served"}, dict)
        kinds: dict[str, Served] = {}
        for (prefix, plural, namespaced, kind, group, categories, verbs), names in found["served"]:
            served = Served(prefix, plural, namespaced, kind, group, tuple(categories), tuple(verbs))
            kinds |= dict.fromkeys(names, served)
        return kinds


class Played:
    """A watch, as it was heard."""

    def __init__(self, here: Playback, item: Item) -> None:
        self.here, self.item = here, item

    def stream(self, **_: Any) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        for chunk in self.here.reel.chunks[self.item.number]:
            answer = chunk.answer or {}
            if chunk.lost:
                raise self.here.reel.miss(self.here, f"{chunk.lost}: {in_words(self.item.asked or {})}")
            self.here.hears(chunk)
            if "raw" in answer:
                yield answer["raw"]
            elif answer.get("ended") == "by the server":
                return
            else:
                raise HTTPError(answer.get("ended"))
        raise self.here.reel.miss(self.here, f"nobody watched for so long: {in_words(self.item.asked or {})}")

    def close(self) -> None:
        pass


def in_words(asked: dict[str, Any]) -> str:
    """A question in a line."""
    if "exec" in asked:
        said = " ".join(str(word) for word in asked["exec"]).removeprefix("/bin/sh -c ").removeprefix(f"PATH={PATH}; ")
        return f"in Pod {asked.get('pod')}: {said[:200]}"
    if "request" in asked:
        query = "&".join(f"{k}={v}" for k, v in (asked.get("query") or {}).items())
        return f"{asked['request']} {asked.get('path')}{'?' if query else ''}{query}"
    return ", ".join(f"{k} {v}" for k, v in asked.items())
