"""How points become a grade: weights, lateness, the pass mark and what a student may see. Instructors write it down in
a TOML file; docs/grading.md explains every key, and here every key that is not known is refused."""

from __future__ import annotations

import ast
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from kindlab.errors import UsageProblem
from kindlab.labs import Lab
from kindlab.near import meant

VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
"""Who may see a task or a check and when, in Gradescope's words."""

ROUNDINGS = ("half-up", "up", "down")


@dataclass(frozen=True)
class Late:
    """What handing in late costs. `due` has a time zone; after `grace_minutes` the days count from `due`, by the clock
    on the wall of its zone."""

    due: datetime
    grace_minutes: float = 0.0
    penalty_per_day: float = 0.0
    """Percent of the points, for each day begun."""
    cap: float = 100.0
    """The largest penalty, in percent of the points."""
    closes_after_days: int | None = None
    """What comes later than that gets no points, whatever the cap; None: it never closes."""


@dataclass(frozen=True)
class TaskPolicy:
    """One task's. Its points count `weight` times; `extra_credit`: they come on top of what makes 100 percent."""

    weight: float = 1.0
    visibility: str = "visible"
    extra_credit: bool = False


@dataclass(frozen=True)
class Policy:
    """All of it; without a file nothing is changed: points are the lab's, nobody is late and nobody fails."""

    pass_mark: float | None = None
    """Percent."""
    late: Late | None = None
    tasks: Mapping[str, TaskPolicy] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    """Check -> its visibility, where that is not its task's."""
    scale: float | None = None
    """What the whole is worth (grades out of 20: 20); None: as many points as the lab's tasks have."""
    decimals: int = 2
    rounding: str = "half-up"


def load(file: Path, lab: Lab) -> Policy:
    """The policy in a file. Raises UsageProblem that names the file, the key and what it may be."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "It is not text (UTF-8)"
        raise UsageProblem(
            f"The policy {file} cannot be read.",
            f"{why}.",
            f"kindlab grade --lab {lab.number} --init-policy policy.toml writes one to begin with.",
        ) from error
    return parse(text, lab, str(file))


def parse(text: str, lab: Lab, name: str = "policy.toml") -> Policy:
    """The policy that a text says; `name` is the file's, for messages. Raises UsageProblem."""
    try:
        return _policy(_Table("", tomllib.loads(text)), lab)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(
            f"{name} is not TOML.", f"{error}.", "Mend that line; texts stand in quotes, numbers and dates do not."
        ) from error
    except _Wrong as wrong:
        raise UsageProblem(f"{name}: {wrong}", wrong.why, wrong.then) from wrong


def checks_of(lab: Lab) -> list[str]:
    """The names of the checks in the lab's grader."""
    tree = ast.parse(lab.grader.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


class _Wrong(Exception):
    def __init__(self, what: str, why: str, then: str = "docs/grading.md explains every key of it.") -> None:
        super().__init__(what)
        self.why, self.then = why, then


class _Table:
    """A table of the file: each key is asked for once, and what nobody asked for is refused."""

    def __init__(self, name: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise _Wrong(f"{name} is {_shown(data)}.", "It must be a table.", f"Write [{name}] on a line of its own.")
        self.name, self.data, self.known = name, data, set[str]()

    def _key(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def number(self, key: str, low: float, high: float, default: Any) -> Any:
        self.known.add(key)
        value = self.data.get(key, default)
        if key not in self.data:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _Wrong(
                f"{self._key(key)} is {_shown(value)}.", f"It must be a number from {low:.10g} to {high:.10g}."
            )
        if not low <= value <= high:
            raise _Wrong(f"{self._key(key)} is {value:g}.", f"It must be from {low:.10g} to {high:.10g}.")
        return float(value)

    def whole(self, key: str, low: int, high: int, default: Any) -> Any:
        value = self.number(key, low, high, default)
        if key in self.data and value != int(value):
            raise _Wrong(f"{self._key(key)} is {value:g}.", "It must be a whole number.")
        return value if value is None else int(value)

    def truth(self, key: str, default: bool) -> bool:
        self.known.add(key)
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise _Wrong(f"{self._key(key)} is {_shown(value)}.", "It must be true or false, without quotes.")
        return value

    def word(self, key: str, words: Iterable[str], default: str) -> str:
        self.known.add(key)
        value, known = self.data.get(key, default), list(words)
        if value in known:
            return str(value)
        then = meant(value, known) if isinstance(value, str) else 'Texts stand in quotes: key = "word".'
        raise _Wrong(f"{self._key(key)} is {_shown(value)}.", f"It can be: {', '.join(known[:9])}.", then)

    def table(self, key: str) -> _Table | None:
        self.known.add(key)
        return _Table(self._key(key), self.data[key]) if key in self.data else None

    def tables(self, key: str, known: Iterable[str], of: str) -> dict[str, _Table]:
        """The tables inside a table, by name; `of` says what they are."""
        outer, names = self.table(key), list(known)
        if outer is None:
            return {}
        for name in outer.data:
            if name not in names:
                raise _Wrong(f"[{outer.name}.{name}] is about a {of} that the lab does not have.", meant(name, names))
        return {name: _Table(f"{outer.name}.{name}", data) for name, data in outer.data.items()}

    def nothing_else(self) -> None:
        for key in self.data:
            if key not in self.known:
                raise _Wrong(f"there is no key {self._key(key)}.", meant(key, sorted(self.known)))


def _policy(top: _Table, lab: Lab) -> Policy:
    late = top.table("late")
    policy = Policy(
        pass_mark=top.number("pass_mark", 0, 100, None),
        late=_late(late) if late else None,
        tasks={name: _task(t) for name, t in top.tables("tasks", [task.id for task in lab.tasks], "task").items()},
        checks={name: _visibility(t) for name, t in top.tables("checks", checks_of(lab), "check").items()},
        scale=top.number("scale", 1, 1_000_000, None),
        decimals=top.whole("decimals", 0, 4, 2),
        rounding=top.word("rounding", ROUNDINGS, "half-up"),
    )
    top.nothing_else()
    return policy


def _task(table: _Table) -> TaskPolicy:
    weight = table.number("weight", 0, 1000, 1.0)
    if 0 < weight < 0.001:
        raise _Wrong(f"{table.name}.weight is {weight:g}.", "It must be 0 (counts nothing) or 0.001 and more.")
    found = TaskPolicy(weight, table.word("visibility", VISIBILITIES, "visible"), table.truth("extra_credit", False))
    table.nothing_else()
    return found


def _visibility(table: _Table) -> str:
    if "visibility" not in table.data:
        raise _Wrong(f"[{table.name}] says nothing.", 'A check can have a visibility: visibility = "hidden".')
    found = table.word("visibility", VISIBILITIES, "visible")
    table.nothing_else()
    return found


def _late(table: _Table) -> Late:
    found = Late(
        due=_due(table),
        grace_minutes=table.number("grace_minutes", 0, 100_000, 0.0),
        penalty_per_day=table.number("penalty_per_day", 0, 100, 0.0),
        cap=table.number("cap", 0, 100, 100.0),
        closes_after_days=table.whole("closes_after_days", 0, 10_000, None),
    )
    table.nothing_else()
    return found


EXAMPLE = 'due = 2026-11-30T23:59:00 and timezone = "Europe/Berlin", or due = 2026-11-30T23:59:00+01:00'


def _due(table: _Table) -> datetime:
    """When it is due, in a time zone: that of `timezone`, else its own offset."""
    table.known |= {"due", "timezone"}
    due = table.data.get("due")
    if due is None:
        raise _Wrong("[late] does not say when it was due.", "The days are counted from there.", f"Write: {EXAMPLE}.")
    if not isinstance(due, datetime):
        kind = "a date without a time" if isinstance(due, date) else _shown(due)
        raise _Wrong(f"late.due is {kind}.", "It must be a date and a time, without quotes.", f"Write: {EXAMPLE}.")
    if not 1970 < due.year < 9000:
        raise _Wrong(f"late.due is in the year {due.year}.", "That cannot be meant.", f"Write: {EXAMPLE}.")
    name = table.data.get("timezone")
    if name is None and due.tzinfo is None:
        raise _Wrong(
            "late.due does not say in which time zone.",
            "The same hour is another moment elsewhere.",
            f"Write: {EXAMPLE}.",
        )
    if name is None:
        return due
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        near = meant(str(name), sorted(available_timezones(), key=lambda one: (len(one), one)))
        raise _Wrong(f"late.timezone is {_shown(name)}.", "There is no such time zone.", near) from error
    return due.replace(tzinfo=zone) if due.tzinfo is None else due.astimezone(zone)


def _shown(value: Any) -> str:
    shown = repr(value) if not isinstance(value, bool) else str(value).lower()
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
