"""Hand-outs: how each student of a class gets the values that are their own (variants.py).

`kindlab handout` writes a zip a student: the lab's start files and notebook with their values in them, and
variant.toml, which `kindlab start LAB --from ZIP` keeps in work/variants.toml. There it is the student's to read and to
change; whoever changes it deceives their own `kindlab check`, for grading computes the values from the seed.
"""

from __future__ import annotations

import os
import secrets
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from kindlab import paths, variants, zips
from kindlab.batch.intake.names import label
from kindlab.batch.intake.roster import Student
from kindlab.errors import Problem, UsageProblem
from kindlab.labs import Lab

FORMAT = 1
NAME = "variant.toml"
KEPT = "variants.toml"
LARGEST = 64 << 10
"""Bytes of a variant.toml."""
_HEADER = "# What is your own in each lab, from the hand-outs of your class. kindlab writes this file.\n\n"


def make_seed(file: Path) -> bool:
    """A new seed in this file, for its owner only; False where there is one already."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(f"{secrets.token_hex(32)}\n")
    except FileExistsError:
        return False
    return True


def write(lab: Lab, students: Sequence[Student], key: bytes, out: Path) -> list[Path]:
    """A zip a student, called after their id. Raises UsageProblem for a lab in which everybody gets the same."""
    if not lab.variants:
        raise UsageProblem(
            f"Lab {lab.slug} has nothing that differs from student to student.",
            "Its lab.toml has no [variants].",
            "docs/grading.md says which labs have, and how a lab gets some.",
        )
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    written: dict[str, Path] = {}
    for student in students:
        name = label(student.id).casefold()
        if name in written:
            raise UsageProblem(
                f"Two students of the roster would have the same hand-out: {student.id}.",
                "Their ids differ only in signs or in the case of letters.",
                "Give one of them another id.",
            )
        written[name] = out / f"{label(student.id)}.zip"
        _write(lab.given_to(variants.of(lab, key, student.id)), student, written[name])
    return list(written.values())


def _write(lab: Lab, student: Student, file: Path) -> None:
    told = {"format": FORMAT, "lab": lab.slug, "student": student.id, "values": dict(lab.variant)}
    sources = (*lab.start_files, *([lab.notebook] if lab.notebook.is_file() else ()))
    inside = {source.name: lab.text(source) for source in sources} | {NAME: tomli_w.dumps(told)}
    made = zips.zipped({f"{lab.slug}/{name}": text.encode() for name, text in inside.items()})
    paths.write_atomically(file, made, mode=0o600)


def take(lab: Lab, path: Path) -> Lab:
    """Keep the values of a hand-out (its zip, its folder, or the variant.toml itself), and return the lab with them.
    Raises UsageProblem for one of another lab and for what is none, Problem for values that cannot be the lab's."""
    told = _read(path)
    if told.get("lab") != lab.slug:
        raise UsageProblem(
            f"{path} is a hand-out of lab {told.get('lab')}.",
            f"You are starting lab {lab.slug}.",
            f"kindlab start {told.get('lab')} --from {path}",
        )
    values = variants.checked(lab, told["values"])
    table = _kept()
    table[lab.slug] = {"student": str(told.get("student", "")), "values": values}
    paths.write_atomically(paths.work() / KEPT, _HEADER + tomli_w.dumps(table))
    return lab.given_to(values)


def mine(lab: Lab) -> Lab:
    """The lab with the learner's own values, as their hand-out gave them. Raises Problem for a file that is damaged."""
    if not lab.variants or not (kept := _kept().get(lab.slug)):
        return lab
    return lab.given_to(variants.checked(lab, kept["values"]))


def student(lab: Lab) -> str:
    """Who the hand-out of this lab was made for, "" without one."""
    return str(_kept().get(lab.slug, {}).get("student", ""))


def _kept() -> dict[str, Any]:
    file = paths.work() / KEPT
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        if not all(isinstance(one, dict) and isinstance(one.get("values"), dict) for one in table.values()):
            raise ValueError("a table without values")
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Problem(
            f"{file} cannot be read.",
            f"{error}.",
            "Delete it, then take your hand-out again: kindlab start LAB --from ZIP",
        ) from error
    return table


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UsageProblem(f"There is no hand-out at {path}.", "There is no such file or folder.", _WAY_OUT)
    try:
        file = path
        if path.is_dir():
            file = next(iter([*path.glob(NAME), *path.glob(f"*/{NAME}")]))
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                inside = next(name for name in archive.namelist() if name.rpartition("/")[2] == NAME)
                with archive.open(inside) as member:
                    text = member.read(LARGEST).decode("utf-8")
        else:
            with open(file, encoding="utf-8") as stream:
                text = stream.read(LARGEST)
        told = tomllib.loads(text)
        if told.get("format") != FORMAT or not isinstance(told.get("values"), dict):
            raise ValueError(f"its format is not {FORMAT}, or it has no values")
    except StopIteration:
        raise UsageProblem(f"{path} is no hand-out.", f"There is no {NAME} in it.", _WAY_OUT) from None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageProblem(f"{path} is no hand-out that can be read.", f"{why}.", _WAY_OUT) from error
    return told


_WAY_OUT = "Take the zip that your instructor gave you, as it is."
