"""An Api that keeps every exchange of a grading. It asks as the other does and changes nothing of what comes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from kindlab import witness
from kindlab.api import Api, ApiError, Obj, Request, Served, Unreachable
from kindlab.checks.verdict import CouldNotGrade
from kindlab.evidence.tape import Item, Strand, Tape, strand_of
from kindlab.evidence.telling import told
from kindlab.witness import Witness


def recorded(api: Api) -> tuple[Api, Tape]:
    """The same cluster, and the tape on which all that a grading (runner.grade) of it asks is kept. What is asked of
    it outside a grading is not."""
    tape = Tape()
    return Recorded(api, tape), tape


class Recorded(Api):
    """`inner` as it is seen by a grading whose exchanges are kept."""

    def __init__(self, inner: Api, tape: Tape) -> None:
        self.__dict__.update(inner.__dict__)
        self.__dict__.pop("_kinds", None)
        self.inner, self.tape, self._known = inner, tape, True

    @property
    def server(self) -> str:
        return self.inner.server

    @property
    def authority(self) -> str:
        return self.inner.authority

    def witness(self) -> Witness | None:
        return self.tape.strand()

    def respond(self, asked: Request, *, timeout: float, stream: bool) -> Any:
        strand = strand_of(self.tape)
        if strand is None:
            return self.inner.respond(asked, timeout=timeout, stream=stream)
        item = strand.asks(question(asked))
        try:
            response = self.inner.respond(asked, timeout=timeout, stream=stream)
            if stream:
                self.tape.answered(item, {"watch": True}, 0)
                return Heard(response, strand, item)
            data = response.data or b""
        except (ApiError, Unreachable) as error:
            self.tape.answered(item, told(error), 0)
            raise
        self.tape.answered(item, {"raw": data}, len(data))
        return response

    def exchange(self, what: Obj, ask: Callable[[], Obj]) -> Obj:
        strand = strand_of(self.tape)
        if strand is None:
            return self.inner.exchange(what, ask)
        item = strand.asks(what)
        try:
            with witness.with_(None):  # what is asked on the way is not this grading's question
                answer = self.inner.exchange(what, ask)
        except (ApiError, Unreachable, CouldNotGrade) as error:
            self.tape.answered(item, told(error), 0)
            raise
        size = sum(len(v) for v in answer.values() if isinstance(v, bytes))
        self.tape.answered(item, {"answer": dict(answer)}, size)
        return answer

    def discovered(self) -> dict[str, Served]:
        kinds: dict[str, Served] = {}

        def ask() -> Obj:
            if not self._known:
                self.inner.__dict__.pop("_kinds", None)
            kinds.update(self.inner._kinds)
            self._known = False  # asked again means that something was not there
            return {"served": [[list(one), names] for one, names in _spellings(kinds)]}

        self.exchange({"discovery": "which kinds are served"}, ask)
        return kinds


def _spellings(kinds: dict[str, Served]) -> Iterator[tuple[Served, list[str]]]:
    """Each kind and how it may be called; together, in the order in which discovery gives them."""
    names: dict[Served, list[str]] = {}
    for name, served in kinds.items():
        names.setdefault(served, []).append(name)
    yield from names.items()


def question(asked: Request) -> dict[str, Any]:
    what: dict[str, Any] = {"request": asked.method, "path": asked.path}
    if asked.query:
        what["query"] = dict(asked.query)
    if asked.body is not None:
        what["body"] = copy.deepcopy(asked.body)
    if asked.content_type != "application/json":
        what["content_type"] = asked.content_type
    if asked.accept != "application/json":
        what["accept"] = asked.accept
    return what


class Heard:
    """A watch, of which everything that is taken from it is kept."""

    def __init__(self, response: Any, strand: Strand, item: Item) -> None:
        self.response, self.strand, self.item = response, strand, item

    def stream(self, **options: Any) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        strand = self.strand
        try:
            for chunk in self.response.stream(**options):
                strand.hears(self.item, {"raw": chunk}, len(chunk))
                yield chunk
        except HTTPError:
            strand.hears(self.item, {"ended": "broken off, or no word in time"}, 0)
            raise
        strand.hears(self.item, {"ended": "by the server"}, 0)

    def close(self) -> None:
        self.response.close()
