"""What an instructor gives or takes by hand: a CSV file, kept apart from what was graded.

    student,points,percent,reason
    ann,2,,the cluster of room 3 was down
    bob,,-10,"copied task 2, see the letter of 3 December"

A spreadsheet's habits are understood: semicolons or tabs between the columns, a decimal comma where they are, a mark
of the byte order. `student` is the name or the id of a submission. Two lines about one student add up.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kindlab.errors import UsageProblem
from kindlab.near import meant

COLUMNS = ("student", "points", "percent", "reason")
LARGEST = 1_000_000


@dataclass(frozen=True)
class Adjustment:
    """Points, or percent of the points that can be had, to add; less than 0 to take away."""

    points: float = 0.0
    percent: float = 0.0
    reason: str = ""

    def __add__(self, other: Adjustment) -> Adjustment:
        reasons = "; ".join(reason for reason in (self.reason, other.reason) if reason)
        return Adjustment(self.points + other.points, self.percent + other.percent, reasons)


def load(file: Path, students: Mapping[str, str]) -> dict[str, Adjustment]:
    """By submission id. `students`: id -> student of the whole run. Raises UsageProblem."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "It is not text (UTF-8)"
        raise UsageProblem(
            f"The adjustments {file} cannot be read.", f"{why}.", f"It is a CSV file: {','.join(COLUMNS)}."
        ) from error
    return parse(text, students, str(file))


def parse(text: str, students: Mapping[str, str], name: str = "adjustments.csv") -> dict[str, Adjustment]:
    """As load, of a text."""
    first = text.split("\n", 1)[0]
    between = max(";\t,", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=between, restkey="more", strict=True)
    found: dict[str, Adjustment] = {}
    try:
        _refuse_columns(rows.fieldnames or [], name)
        rows.fieldnames = [_column(column) for column in rows.fieldnames or []]
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            if not any(row.values()):
                continue
            if row.get("more") or None in row.values():
                raise UsageProblem(
                    f"{where} has not as many columns as the first line.",
                    f"The columns are {', '.join(rows.fieldnames)}.",
                    "Put a reason that has the sign between the columns in it into quotes.",
                )
            who = _who(row["student"], students, where)
            one = Adjustment(
                _number(row, "points", between, where),
                _number(row, "percent", between, where),
                (row.get("reason") or "").strip(),
            )
            found[who] = found.get(who, Adjustment()) + one
    except csv.Error as error:
        raise UsageProblem(f"{name} is not CSV.", f"{error}.", "Save it from a spreadsheet as CSV (UTF-8).") from error
    return found


def _column(text: str) -> str:
    return text.strip().casefold()


def _refuse_columns(columns: Iterable[str], name: str) -> None:
    there = [_column(column) for column in columns]
    for column in there:
        if column not in COLUMNS:
            raise UsageProblem(
                f"{name} has a column {column!r}.", meant(column, COLUMNS), f"Its first line: {','.join(COLUMNS)}"
            )
    if "student" not in there or not {"points", "percent"} & set(there) or len(set(there)) != len(there):
        raise UsageProblem(
            f"{name} does not say whom it gives how much.",
            f"Its first line is {', '.join(there) or 'empty'}.",
            f"It must name the columns, each once: {','.join(COLUMNS)} (points or percent may be left out).",
        )


def _who(text: str, students: Mapping[str, str], where: str) -> str:
    """The id of the one submission that is meant."""
    word = text.strip()
    if word in students:
        return word
    found = [who for who, student in students.items() if student.casefold() == word.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageProblem(
            f"{where}: several students are called {word}.", f"Their ids: {', '.join(found)}.", "Write the id."
        )
    raise UsageProblem(
        f"{where}: there is no student {word!r} in this run.",
        meant(word, [*students.values(), *students]),
        "Nothing was adjusted; correct the line and run it again.",
    )


def _number(row: Mapping[str, str], column: str, between: str, where: str) -> float:
    text = (row.get(column) or "").strip().removesuffix("%").strip()
    if not text:
        return 0.0
    try:
        number = float(text.replace(",", ".") if between != "," else text)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST:
        raise UsageProblem(f"{where}: {column} is {text!r}.", "It must be a number, like 2 or -1.5.", "Correct it.")
    return number
