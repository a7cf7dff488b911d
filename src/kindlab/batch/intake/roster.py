"""The class list: a CSV file with a row a student. Its columns are known by their headings, in the words of the usual
platforms; `id` or `name` is needed, the rest helps to find whose a submission is."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kindlab.errors import UsageProblem

HEADINGS = {
    "id": {"id", "student id", "studentid", "sid", "sis user id", "orgdefinedid", "identifier", "id number", "number"},
    "name": {"name", "full name", "student", "student name"},
    "first": {"first name", "first", "given name", "firstname"},
    "last": {"last name", "last", "surname", "family name", "lastname"},
    "email": {"email", "email address", "e-mail", "mail"},
    "username": {"username", "user name", "login", "login id", "sis login id", "github username", "github_username"},
    "lms": {"lms id", "canvas id", "moodle id", "lms", "user id"},
    "submitted": {"submitted", "submitted at", "submission time"},
}
LARGEST = 4 << 20
"""Bytes."""


@dataclass(frozen=True)
class Student:
    id: str
    name: str
    email: str = ""
    username: str = ""
    lms: str = ""
    submitted: str = ""
    """When they handed in, where the instructor knows it better than the download; ISO 8601."""


def read(file: Path) -> list[Student]:
    """The students of a roster. Raises UsageProblem that names the file, and the line where there is one."""
    try:
        if file.stat().st_size > LARGEST:
            raise ValueError("it is larger than 4 MiB")
        text = file.read_text(encoding="utf-8-sig")
        rows = list(csv.reader(text.splitlines(), dialect=_dialect(text)))
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, OSError):
            why, then = error.strerror or str(error), "Name the CSV file of your class: --roster FILE"
        else:
            why, then = str(error), "Save it as CSV in UTF-8."
        raise UsageProblem(f"The roster {file} cannot be read.", f"{why}.", then) from error
    columns = _columns(rows[0] if rows else [])
    if "id" not in columns.values() and "name" not in columns.values() and "username" not in columns.values():
        raise UsageProblem(
            f"The roster {file} has no column that says who is who.",
            f"Its headings: {', '.join(rows[0]) if rows else 'none'}.",
            "Give it a first line such as: id,name,email,username",
        )
    students = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows[1:], 2):
        told = {columns[n]: cell.strip() for n, cell in enumerate(row) if n in columns and cell.strip()}
        name = told.get("name") or " ".join(part for part in (told.get("first"), told.get("last")) if part)
        one = told.get("id") or told.get("username") or told.get("email") or name
        if not one:
            continue
        if one in seen:
            raise UsageProblem(
                f"The roster {file} has {one} twice, in lines {seen[one]} and {number}.",
                "Each student needs an id of their own.",
                "Correct one of the two lines.",
            )
        seen[one] = number
        rest = {key: told.get(key, "") for key in ("email", "username", "lms", "submitted")}
        students.append(Student(one, name or one, **rest))
    return students


def _dialect(text: str) -> type[csv.Dialect]:
    class Found(csv.excel):
        delimiter = max(",;\t", key=text.partition("\n")[0].count)

    return Found


def _columns(headings: Iterable[str]) -> dict[int, str]:
    known = {word: column for column, words in HEADINGS.items() for word in words}
    found: dict[int, str] = {}
    for number, heading in enumerate(headings):
        column = known.get(heading.strip().lower())
        if column and column not in found.values():
            found[number] = column
    return found


class Roster:
    """Who in the class something found is. A form that two students share is nobody's."""

    def __init__(self, students: Iterable[Student]) -> None:
        self.students = list(students)
        exact: dict[str, set[str]] = {}
        loose: dict[str, set[str]] = {}
        for one in self.students:
            for form in filter(None, (one.id, one.username, one.email, one.lms, one.email.partition("@")[0])):
                exact.setdefault(form.casefold(), set()).add(one.id)
            for form in _turned(one.name):
                loose.setdefault(form, set()).add(one.id)
        by_id = {one.id: one for one in self.students}
        self._exact = {form: by_id[next(iter(ids))] for form, ids in exact.items() if len(ids) == 1}
        self._loose = {form: by_id[next(iter(ids))] for form, ids in loose.items() if len(ids) == 1}

    def find(self, ids: Iterable[str], name: str) -> Student | None:
        """By what a platform knows them by, then by their name: `Jane Doe`, `Doe, Jane`, `doejane`."""
        for one in (*ids, name):
            if found := self._exact.get(one.strip().casefold()):
                return found
        return self._loose.get(_plain(name))

    def before(self, file: str) -> tuple[Student, str] | None:
        """Whose name, number or account a file's name begins with, and the rest of it; the longest such beginning."""
        for length in range(len(file) - 1, 0, -1):
            if not file[length - 1].isalnum() or file[length].isalnum():
                continue
            if found := self.find((), file[:length]):
                return found, file[length:].lstrip(" _-.")
        return None


def _turned(name: str) -> set[str]:
    """A name's words joined in every order that is a turn of the one given, without accents and signs."""
    words = [word for word in map(_plain, re.split(r"[\s,_.-]+", name)) if word]
    return {"".join(words[n:] + words[:n]) for n in range(len(words))}


def _plain(text: str) -> str:
    plain = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if one.isalnum())
    return plain.replace("ß", "ss")
