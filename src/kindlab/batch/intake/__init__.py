"""From a folder of submissions to Submissions: whose each is, which of its files count, and what was left out.

A submission is hostile data. Nothing in it is run, no link in it is followed, what is read of it is bounded
(limits.py), and whatever is wrong with one is that one's alone. docs/grading.md says for instructors what is read.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from kindlab.batch.intake import download, folders, layout, limits, names, notebooks, told
from kindlab.batch.intake.pile import Entry, Pile, Unreadable
from kindlab.batch.intake.roster import Student
from kindlab.batch.submission import SELF_TOLD, Refused, Submission
from kindlab.labs import Lab

log = logging.getLogger(__name__)

NOTHING = (
    "There is no file in it that could be graded: manifests (.yaml, .yml, .json) or a notebook with %%apply cells."
)
ABSENT = "Nothing was handed in."


def read(folder: Path, lab: Lab, scratch: Path, roster: Sequence[Student] = ()) -> Iterator[Submission]:
    """Everybody's submission, by id, each read when it is asked for; then those of the roster who handed in nothing.

    `folder` may be an archive of a whole download. `scratch` is the run's own: each submission's files are copied to a
    folder of their own in it. Raises UsageProblem when there is no submission at all, before anything is read.
    """
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not folder.is_dir():
        folder = download.unpacked(folder, scratch / ".download")
    found = layout.find(folder, lab, roster)
    absent = list(missing(roster, {one.id.casefold() for one in found}))
    each = (read_one(one, lab, scratch / one.id) for one in found)
    return Submissions(itertools.chain(each, absent), (*(one.id for one in found), *(one.id for one in absent)))


class Submissions(Iterator[Submission]):
    """It knows how many there will be (operator.length_hint), for who shows how far a run is, and their `ids`."""

    def __init__(self, submissions: Iterator[Submission], ids: tuple[str, ...]) -> None:
        self._submissions, self.ids = submissions, ids

    def __next__(self) -> Submission:
        return next(self._submissions)

    def __length_hint__(self) -> int:
        return len(self.ids)


def missing(roster: Sequence[Student], taken: set[str]) -> Iterator[Submission]:
    """Those of the class of whom there is nothing; `taken` are the ids (in small letters) of those who handed in."""
    for student in roster:
        label = names.label(student.id)
        if label.casefold() not in taken:
            yield Submission(label, student.name, None, problem=ABSENT)


def read_one(found: layout.Found, lab: Lab, folder: Path) -> Submission:
    """What of it is graded, copied to `folder`. Never raises."""
    pile = Pile()
    notes = list(found.notes)
    nodes: tuple[str, ...] = ()
    submitted, problem, ours, kept = found.submitted, "", False, 0
    try:
        for source in found.sources:
            _gather(source, pile)
        said = _told(pile, lab, notes)
        nodes = said.nodes
        if said.time and not submitted:
            submitted = said.time
            notes.append(SELF_TOLD)
        _only_this_lab(pile, lab, notes)
        kept = _copy(_files(pile, lab, notes), folder, pile, notes)
    except Unreadable as error:
        problem = f"{error}"
    except Exception as error:  # one submission costs only itself
        log.exception("%s could not be read", found.id)
        problem, ours = f"It could not be read: {names.shown(f'{type(error).__name__}: {error}')}.", True
    if problem:
        shutil.rmtree(folder, ignore_errors=True)
    elif not kept:
        problem = NOTHING
    if pile.more_refused:
        pile.refused.append(Refused(f"{pile.more_refused} more files", "they were left out for reasons like these"))
    return Submission(
        id=found.id,
        student=found.student,
        folder=None if problem else folder,
        submitted=submitted,
        refused=tuple(pile.refused),
        notes=tuple(notes),
        problem=problem,
        ours=ours,
        source=", ".join(names.shown(source.path.name) for source in found.sources[:5]),
        nodes=nodes,
    )


def _gather(source: layout.Source, pile: Pile) -> None:
    if source.path.is_symlink():
        pile.refuse(source.path.name, "it is a link, and links are not followed", "Hand in the files themselves.")
    elif source.path.is_dir():
        folders.gather(source.path, pile)
    else:
        where = pile.named(source.file or source.path.name)
        if where:
            folders.file(source.path, where[-1:], pile)


def _told(pile: Pile, lab: Lab, notes: list[str]) -> told.Told:
    """What kindlab.json says; the file itself is not graded."""
    found = [entry for entry in pile.entries if entry.parts[-1].lower() == names.TOLD]
    pile.entries = [entry for entry in pile.entries if entry not in found]
    if not found:
        return told.Told()
    try:
        said = told.read(found[0].data)
    except ValueError as error:
        notes.append(f"Its kindlab.json cannot be used: {names.shown(str(error))}.")
        return told.Told()
    if said.lab and said.lab != lab.slug:
        notes.append(f"Its kindlab.json says that it is of lab {said.lab}.")
    if said.student:
        notes.append(f"Its kindlab.json says that it is of {said.student}.")
    return said


def _only_this_lab(pile: Pile, lab: Lab, notes: list[str]) -> None:
    """Leave out files of other labs, where somebody handed in a whole course: by the names of folders."""
    others = {one.name for one in lab.folder.parent.iterdir()} - {lab.slug} if lab.folder.parent.is_dir() else set()
    of_work = [entry for entry in pile.entries if ("work", lab.slug) in zip(entry.parts, entry.parts[1:], strict=False)]
    mine = of_work or [entry for entry in pile.entries if not others & set(entry.parts[:-1])]
    if left_out := len(pile.entries) - len(mine):
        place = f"only those in work/{lab.slug} count" if of_work else "they lie in other labs' folders"
        notes.append(f"{left_out} files were left out: {place}.")
        pile.entries = mine


def _files(pile: Pile, lab: Lab, notes: list[str]) -> list[Entry]:
    """The manifests, those of notebooks after the files: a file that has a cell's name is newer than the cell."""
    files = [entry for entry in pile.entries if not entry.parts[-1].lower().endswith(names.NOTEBOOK)]
    present = {entry.parts[-1] for entry in files}
    for notebook in (entry for entry in pile.entries if entry.parts[-1].lower().endswith(names.NOTEBOOK)):
        for cell in notebooks.manifests(notebook, lab, pile):
            if cell.parts[-1] not in present:
                files.append(cell)
                notes.append(f"{cell.name} is from a %%apply cell of {notebook.name}.")
    return files


def _copy(files: Sequence[Entry], folder: Path, pile: Pile, notes: list[str]) -> int:
    """Write them side by side; returns how many."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    written: dict[str, bytes] = {}
    for entry in files[: limits.FILES]:
        try:
            data = _text(entry, notes)
        except ValueError as error:
            pile.refuse(entry.name, f"{error}", "Save it as text in UTF-8.")
            continue
        wanted = names.fit(entry.parts[-1])
        if written.get(wanted.casefold()) == data:
            continue
        name = names.unique(wanted, written.__contains__, entry.parts[-2] if len(entry.parts) > 1 else "")
        if name != entry.parts[-1]:
            notes.append(f"{entry.name} is called {name} here.")
        written[name.casefold()] = data
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    return len(written)


def _text(entry: Entry, notes: list[str]) -> bytes:
    """The file as UTF-8. Raises ValueError with a clause for what is no text. PowerShell's `>` writes UTF-16."""
    if entry.data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            text = entry.data.decode("utf-16")
        except UnicodeDecodeError:
            raise ValueError("it is not text") from None
        notes.append(f"{entry.name} was UTF-16 and is UTF-8 here.")
    else:
        try:
            text = entry.data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not text in UTF-8 (byte {error.start})") from None
    if "\0" in text:
        raise ValueError("it is not text: it holds zero bytes")
    return text.encode()
