"""What lies in a folder of submissions, and whose it is. Only names are looked at here."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kindlab.batch.intake import names, schemes
from kindlab.batch.intake.roster import Roster, Student
from kindlab.errors import UsageProblem
from kindlab.labs import Lab

_SEPARATOR = re.compile(r"\s+-\s+|__|[_]|(?<=[^\W_])-(?=[^\W_])")
_VERSION = re.compile(r"(?P<stem>.+)-(?P<number>\d{1,3})(?P<suffix>\.\w+)")


@dataclass(frozen=True)
class Source:
    """A folder, an archive or a file of somebody's; `file` is what the student called it."""

    path: Path
    file: str = ""


@dataclass
class Found:
    """What one student handed in."""

    id: str
    student: str
    sources: list[Source] = field(default_factory=list)
    submitted: str = ""
    notes: list[str] = field(default_factory=list)
    number: str = ""
    """The platform's number of the student."""
    known: bool = False
    """Whether the roster has them; then `id` is the roster's."""


def find(folder: Path, lab: Lab, roster: Sequence[Student] = ()) -> list[Found]:
    """Everybody's, in the order of their ids; of several attempts the latest. Raises UsageProblem when nothing is."""
    folder, listed = _down(folder)
    _, known = schemes.read(folder, listed)
    people = Roster(roster)
    if not known and _is_one_students(listed, lab):
        known = {name: [schemes.Named(folder.name, folder.name, file=name)] for name in listed}
    by_key: dict[str, list[tuple[str, schemes.Named]]] = {}
    for name in listed:
        for one in known.get(name) or _plain(folder / name, listed[name], lab, people):
            by_key.setdefault(one.key, []).append((name, one))
    found = [_found(folder, theirs, people, lab) for key, theirs in by_key.items() if key]
    if not found:
        raise UsageProblem(
            f"There is no submission in {folder}.",
            "kindlab looks for a folder or a zip a student, for files that begin with a student's name, or for what "
            "Moodle, Canvas, Blackboard, Brightspace, Gradescope or GitHub Classroom let you download.",
            "Name the folder that holds them.",
        )
    return _with_ids(found)


def _down(folder: Path) -> tuple[Path, dict[str, bool]]:
    """The folder that holds the submissions, and what is in it: a download may have one more folder around it."""
    listed = _listed(folder)
    if len(listed) == 1 and next(iter(listed.values())):
        inner = folder / next(iter(listed))
        below = _listed(inner)
        if schemes.read(inner, below)[1]:
            return inner, below
    return folder, listed


def _listed(folder: Path) -> dict[str, bool]:
    try:
        with os.scandir(folder) as entries:
            every = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError as error:
        raise UsageProblem(
            f"{folder} cannot be read.", f"{error.strerror or error}.", "Name the folder that holds the submissions."
        ) from error
    return {name: is_folder for name, is_folder in sorted(every) if not names.is_skipped(name)}


def _own_names(lab: Lab) -> set[str]:
    """What files of this lab are called."""
    from kindlab import labs

    return {file.name for file in (*lab.start_files, *labs.manifests(lab.solution_folder), lab.notebook)}


def _is_one_students(listed: Mapping[str, bool], lab: Lab) -> bool:
    """Whether the folder is a submission itself: nothing but files as the lab calls them."""
    files = {name for name in listed if names.wanted((name,)) and name not in (names.TOLD, "steps.toml")}
    return bool(files) and not any(listed.values()) and files <= _own_names(lab)


def _plain(path: Path, is_folder: bool, lab: Lab, people: Roster) -> list[schemes.Named]:
    """Whose something is that no platform has named; [] for what is nobody's (a list, a note)."""
    name = path.name
    if is_folder:
        return [schemes.Named(name, name)]
    if stem := names.opened(name):
        return [schemes.Named(stem, stem, file=name)]
    if names.is_packed(name):
        return [schemes.Named(name, Path(name).stem, file=name)]
    if not names.wanted((name,)) and not stat.S_ISLNK(os.lstat(path).st_mode):
        return []
    if before := people.before(name):
        return [schemes.Named(before[0].id, before[0].name, (before[0].id,), before[1])]
    for own in sorted(_own_names(lab), key=len, reverse=True):
        if (
            name.endswith(own)
            and (who := name.removesuffix(own).rstrip(" _-."))
            and not name[: -len(own)][-1].isalnum()
        ):
            return [schemes.Named(who, who, file=own)]
    who, rest = [*_SEPARATOR.split(name, maxsplit=1), ""][:2]
    return [schemes.Named(who, who, file=rest)] if who and rest else [schemes.Named(Path(name).stem, Path(name).stem)]


def _found(folder: Path, theirs: list[tuple[str, schemes.Named]], people: Roster, lab: Lab) -> Found:
    latest = max(one.attempt for _, one in theirs)
    counted = [(name, one) for name, one in theirs if one.attempt == latest]
    first = next((one for _, one in counted if one.graded), counted[0][1])
    student = people.find(first.ids, first.student)
    notes = list(dict.fromkeys(f"{note}." for _, one in counted for note in one.notes))
    if attempts := len({one.attempt for _, one in theirs}) - 1:
        notes.append(f"There are {attempts + 1} attempts; the latest counts.")
    if people.students and student is None:
        notes.append("Nobody in the roster is called so.")
    sources = [Source(folder / name, one.file) for name, one in counted if one.graded]
    sources, replaced = _latest_files(sources, _own_names(lab))
    notes += replaced
    who_id = student.id if student else names.identity(first.student)
    submitted = (student.submitted if student else "") or first.submitted
    who = student.name if student else names.shown(first.student)
    return Found(
        who_id, who, sources, submitted, notes, number=first.ids[0] if first.ids else "", known=student is not None
    )


def _latest_files(sources: list[Source], own: set[str]) -> tuple[list[Source], list[str]]:
    """Files that were uploaded again (`web-1.yaml`) in place of those of the first time."""
    by_name = {source.file: source for source in sources if source.file}
    best: dict[str, tuple[int, Source]] = {}
    for file, source in by_name.items():
        match = _VERSION.fullmatch(file)
        base = f"{match['stem']}{match['suffix']}" if match else ""
        if match and file not in own and (base in own or base in by_name):
            best[base] = max(best.get(base, (-1, source)), (int(match["number"]), source), key=lambda one: one[0])
        else:
            best[file] = max(best.get(file, (-1, source)), (0, source), key=lambda one: one[0])
    again = [
        f"{name} was uploaded {number + 1} times; the last one counts." for name, (number, _) in best.items() if number
    ]
    chosen = [replace(source, file=name) for name, (_, source) in best.items()]
    return [source for source in sources if not source.file] + chosen, again


def _with_ids(found: list[Found]) -> list[Found]:
    """Each with an id of its own that is fit for a file name. Of those who share a name each keeps the platform's
    number, so that the id does not depend on who else handed in before."""
    wanted: dict[str, int] = {}
    for one in found:
        one.id = names.label(one.id)
        wanted[one.id.casefold()] = wanted.get(one.id.casefold(), 0) + 1
    taken: set[str] = set()
    for one in sorted(found, key=lambda one: (one.id, one.sources[0].path.name if one.sources else "")):
        if wanted[one.id.casefold()] > 1:
            one.notes.append(f"There are {wanted[one.id.casefold()]} submissions under the name {one.student}.")
            if one.number and (not one.known or one.id.casefold() in taken):  # the first of a known student is theirs
                one.id = f"{one.id}-{names.identity(one.number)}"
        base, n = one.id, 1
        while one.id.casefold() in taken:
            n += 1
            one.id = f"{base}-{n}"
        taken.add(one.id.casefold())
    return sorted(found, key=lambda one: one.id)
