"""What each task of a grading asks the cluster and sends to whom, and what the grading changes there itself."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kindlab.api import Api, Obj, Request
from kindlab.witness import Real, present

WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?")
SHARED = "shared "
LATE = 5.0
"""Seconds after its end in which what a grading has deleted may still be on its way out."""


class Listed(NamedTuple):
    """Objects that were asked for together. `labels` and `fields` are selectors, "" for all."""

    plural: str
    namespace: str
    labels: str
    fields: str


@dataclass
class Asked:
    """Of one check: the words in which it asked (names, hosts, addresses, all of a command), and its lists."""

    words: set[str] = field(default_factory=set)
    lists: set[Listed] = field(default_factory=set)

    def add(self, other: Asked) -> None:
        self.words |= other.words
        self.lists |= other.lists


class Own:
    """What a grading wrote: whoever sees such a change knows that it was no learner's."""

    def __init__(self) -> None:
        self.versions: set[str] = set()
        self.until: dict[tuple[str, str, str], float] = {}
        """(plural, namespace, name) of what it made or deleted -> up to when (monotonic) news of it are its own."""

    def ended(self) -> None:
        """News come late, those of a Pod with a grace period above all; a Pod's name is never used again."""
        for key, until in self.until.items():
            if until == float("inf") and key[0] != "pods":
                self.until[key] = time.monotonic() + LATE


class Listening(Api):
    """`inner`, with `checks` (check or `shared FIXTURE` -> what it asked) and `own`. One grading at a time."""

    def __init__(self, inner: Api, own: Own) -> None:
        self.__dict__.update(inner.__dict__)
        self.own = own
        self.checks: dict[str, Asked] = {}

    def witness(self) -> Ear:
        return Ear()

    def respond(self, asked: Request, *, timeout: float, stream: bool) -> Any:
        place = placed(asked.path)
        if place is None:
            return super().respond(asked, timeout=timeout, stream=stream)
        plural, namespace, name = place
        if (note := self._note()) is not None:  # before it is answered: what is not there yet is asked for, too
            selectors = (str(asked.query.get("labelSelector", "")), str(asked.query.get("fieldSelector", "")))
            note.words |= words(" ".join((name, *selectors, json.dumps(asked.body) if asked.body else "")))
            if not name and asked.method == "GET":
                note.lists.add(Listed(plural, namespace, *selectors))
        response = super().respond(asked, timeout=timeout, stream=stream)
        if asked.method != "GET" and not stream:
            self._wrote(asked, plural, namespace, name, response.data)
        return response

    def exchange(self, what: Obj, ask: Callable[[], Obj]) -> Obj:
        if (note := self._note()) is not None and "exec" in what:
            note.words |= words(" ".join((what["pod"], *what["exec"])))
        return ask()

    def _note(self) -> Asked | None:
        """Where to write down what is asked just now: nowhere before the first check, or once the verdict is given."""
        here = present()
        if isinstance(here, Ear) and here.part:
            return self.checks.setdefault(here.part, Asked())
        return None

    def _wrote(self, asked: Request, plural: str, namespace: str, name: str, data: bytes) -> None:
        try:
            meta = json.loads(data or b"{}").get("metadata") or {}
        except (ValueError, AttributeError):
            return
        if version := meta.get("resourceVersion"):
            self.own.versions.add(version)
        if asked.method in ("POST", "DELETE"):
            self.own.until[plural, namespace, name or meta.get("name", "")] = float("inf")


class Ear(Real):
    """Hears which check a thread of the grading is at; time and chance stay what they are."""

    def __init__(self, part: str = "") -> None:
        self.part = part

    def about(self, check: str, part: str) -> None:
        self.part = part if part.startswith(SHARED) else "" if part else check

    def beside(self) -> Ear:
        return Ear(self.part)


def by_task(
    checks: Mapping[str, Asked], tasks: Mapping[str, str], uses: Mapping[str, frozenset[str]]
) -> dict[str, Asked]:
    """Task -> what its checks asked, with what was prepared for them. `tasks`: check -> task; `uses`: check -> the
    fixtures it uses. What nobody can be said to use is everybody's."""
    found: dict[str, Asked] = {task: Asked() for task in tasks.values()}
    known = frozenset().union(*uses.values())
    for part, asked in checks.items():
        fixture = part.removeprefix(SHARED)
        if part == fixture:
            whose = {tasks[part]} if part in tasks else set(found)
        else:
            whose = {task for check, task in tasks.items() if fixture not in known or fixture in uses.get(check, ())}
        for task in whose:
            found[task].add(asked)
    return found


def uses(grader: Path) -> dict[str, frozenset[str]]:
    """Check -> the names of its fixtures, and of theirs, as the grader's functions name them."""
    tree = ast.parse(grader.read_text(encoding="utf-8"))
    takes = {f.name: {a.arg for a in f.args.args} for f in tree.body if isinstance(f, ast.FunctionDef)}

    def of(name: str, seen: frozenset[str]) -> frozenset[str]:
        for used in takes.get(name, set()) - seen:
            seen |= of(used, seen | {used})
        return seen

    return {name: of(name, frozenset()) for name in takes if name.startswith("test_")}


def words(text: str) -> set[str]:
    """The names that may be meant by a text: host names also by their first part, addresses also without the port."""
    found = set(WORD.findall(text))
    return found | {part for word in found for part in (word.split(".")[0], *word.split(":"))}


def placed(path: str) -> tuple[str, str, str] | None:
    """(plural, namespace, name) of a path of the API, each "" where there is none; None for other paths."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:] if parts[0] == "apis" else []
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        return rest[2], rest[1], rest[3] if len(rest) > 3 else ""
    return (rest[0], "", rest[1] if len(rest) > 1 else "") if rest else None
