"""Where a run is kept: the folder given with --out. Each result is written as a whole the moment it is known, so that a
run can be stopped at any time and go on.

    run.json            how it was run          policy.toml, adjustments.csv   as they were given
    results/ID.json     one grading each        evidence/ID.zip
    students/ID/...     grades.csv ...          written from the results at the end (writing.py)
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from kindlab import paths
from kindlab.batch.graded import Graded
from kindlab.errors import Problem, UsageProblem

FORMAT = 1
PRIVATE = 0o600
LEAST = 64 << 20
"""Bytes that must be free before anything is begun."""
_SAFE = re.compile(r"[\w@+-][\w@.+ -]{0,200}")


@dataclass(frozen=True)
class Run:
    """How it was run. What decides the verdicts must not change while it goes on."""

    lab: str
    submissions: str
    """The folder they were read from."""
    cluster: str = "pocket"
    seed: str = ""
    begun: str = ""
    """When, ISO 8601."""


class Store:
    """A run's folder, which nobody else writes into as long as this is open."""

    def __init__(self, out: Path, run: Run, lock: FileLock | None) -> None:
        self.out, self.run, self._lock = out, run, lock

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()

    # -- results

    def file(self, who: str) -> Path:
        return self.out / "results" / f"{_safe(who)}.json"

    def evidence(self, who: str) -> Path:
        return self.out / "evidence" / f"{_safe(who)}.zip"

    def students(self, who: str) -> Path:
        return self.out / "students" / _safe(who)

    def keep(self, graded: Graded) -> None:
        """Write it down, in place of what was known of this submission; evidence that no longer holds goes.
        Raises Problem where it cannot be written."""
        if not graded.evidence:
            self.evidence(graded.id).unlink(missing_ok=True)
        text = json.dumps(graded.to_json(), ensure_ascii=False, indent=1) + "\n"
        self.write(self.file(graded.id), text)

    def write(self, file: Path, text: str) -> None:
        """A file of the run's, for its owner only, as a whole or not at all. Raises Problem."""
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            paths.write_atomically(file, text, mode=PRIVATE)
        except OSError as error:
            raise cannot_write(file, error, "What was graded so far is kept; --resume goes on from there.") from error

    def get(self, who: str) -> Graded | None:
        """What is known of it; None where nothing is, or nothing that can be read."""
        try:
            return _graded(self.file(who))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def ids(self) -> list[str]:
        folder = self.out / "results"
        return sorted(file.stem for file in folder.glob("*.json") if not file.name.startswith("."))

    def results(self) -> Iterator[Graded]:
        """Everything that is known, by id. Raises Problem for a file that is none of ours, or damaged."""
        for who in self.ids():
            try:
                yield _graded(self.file(who))
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                raise Problem(
                    f"{self.file(who)} cannot be read.",
                    f"{type(error).__name__}: {error}"[:300],
                    "Remove that file, then kindlab grade with --resume grades this submission again.",
                ) from error


def new(out: Path, run: Run) -> Store:
    """A run that begins in a folder that is not there or empty. Raises UsageProblem where something is in it."""
    there = _inside(out)
    if is_run(out) and any((out / "results").glob("*.json")):
        old = _run(out)
        raise UsageProblem(
            f"{out} holds another run.",
            f"It is the grading of lab {old.lab} of {old.begun or 'another day'}, and is not overwritten.",
            "To go on with it: --resume. To grade again what is there: --tasks or --only. Else name another --out.",
        )
    if there and not is_run(out):  # one that has come to nothing is begun anew
        raise UsageProblem(
            f"{out} is not empty.",
            f"It holds {', '.join(there[:3])}{' and more' if len(there) > 3 else ''}, and no run of kindlab grade.",
            "Name a folder that is not there yet.",
        )
    lock = _locked(out)
    try:
        paths.write_atomically(out / "run.json", _text(run), mode=PRIVATE)
    except OSError as error:
        lock.release()
        raise cannot_write(out, error) from error
    return Store(out, run, lock)


def go_on(out: Path, run: Run | None = None) -> Store:
    """The run that is there, to be added to; `run`: it must be such a one, but for where its submissions lay. Raises
    UsageProblem where there is none, or another one."""
    old = _run(out)
    for key, said in (("lab", "lab"), ("cluster", "--cluster"), ("seed", "--seed")):
        if run is not None and getattr(run, key) != getattr(old, key):
            raise UsageProblem(
                f"{out} holds another run: {said} was {getattr(old, key) or 'not given'} there.",
                f"Now it is {getattr(run, key) or 'not given'}; verdicts of both would be mixed.",
                "Name another --out, or the same words as then.",
            )
    return Store(out, replace(old, submissions=run.submissions) if run else old, _locked(out))


def looked_at(out: Path) -> Store:
    """The run that is there, to be read only. Raises UsageProblem where there is none."""
    return Store(out, _run(out), None)


def is_run(out: Path) -> bool:
    return (out / "run.json").is_file()


def cannot_write(file: Path, error: OSError, then: str = "") -> Problem:
    """Of a file or folder that cannot be written."""
    import errno

    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    do = "Free some disk space." if full else "Name a folder that you may write to."
    return Problem(f"{file} cannot be written.", f"{error.strerror or error}.", f"{do} {then}".strip())


def refuse_full_disk(*folders: Path) -> None:
    """Raises Problem before anything is begun."""
    for folder in folders:
        there = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(there).free
        if free < LEAST:
            raise Problem(
                f"The disk of {folder} is full.",
                f"{free >> 20} MB are left there; a run needs {LEAST >> 20} MB to begin.",
                "Free some disk space; TMPDIR says where scratch files go.",
            )


def _locked(out: Path) -> FileLock:
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(out / ".lock", timeout=0, mode=PRIVATE)
        lock.acquire()
    except Timeout as error:
        raise UsageProblem(
            f"Another run is writing into {out}.", "Both would write the same files.", "Wait for it, or end it."
        ) from error
    except OSError as error:
        raise cannot_write(out, error) from error
    return lock


def _inside(out: Path) -> list[str]:
    """Names in the folder; those of earlier locks do not count."""
    try:
        return sorted(one.name for one in out.iterdir() if one.name != ".lock")
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        raise UsageProblem(f"{out} is no folder.", "A run is a folder of files.", "Name another --out.") from error
    except OSError as error:
        raise cannot_write(out, error) from error


def _run(out: Path) -> Run:
    if not is_run(out):
        raise UsageProblem(
            f"There is no run in {out}.",
            "A folder that kindlab grade has written holds run.json.",
            "kindlab grade DIR --lab LAB --out OUT makes one.",
        )
    try:
        data = json.loads((out / "run.json").read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise ValueError("its format is of another version")
        return Run(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            f"{out / 'run.json'} cannot be read.", f"{type(error).__name__}: {error}", "Name another --out."
        ) from error


def _text(run: Run) -> str:
    return json.dumps({"format": FORMAT, **asdict(run)}, indent=1) + "\n"


def _graded(file: Path) -> Graded:
    return Graded.from_json(json.loads(file.read_text(encoding="utf-8")))


def _safe(who: str) -> str:
    """A submission's id as a file name; intake makes them so. Raises ValueError for one that leads elsewhere."""
    if not _SAFE.fullmatch(who) or who.endswith((".", " ")):
        raise ValueError(f"{who!r} is no name for a file")
    return who
