"""What `kindlab regrade --evidence` says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from kindlab import terminal
from kindlab.errors import COULD_NOT_GRADE, FAILED, PASSED, Problem, UsageProblem
from kindlab.evidence.regrading import Repeated, regrade
from kindlab.evidence.signing import key_of

LONGEST = 160
"""Letters of a reason."""


def show(path: Path, key_file: Path | None, *, as_json: bool) -> int:
    """Repeat the verdicts of a bundle, or of all in a folder, and print what came of it; the exit code."""
    key, bundles = key_of(key_file) if key_file else None, _bundles(path)
    done: list[Repeated] = []
    unusable: dict[str, Problem] = {}
    with terminal.steps(quiet=as_json) as step:
        for number, file in enumerate(bundles, 1):
            step(f"{number} of {len(bundles)}: {file.name}")
            try:
                done.append(regrade(file, key=key))
            except Problem as problem:
                if not path.is_dir():
                    raise
                unusable[file.name] = problem
    if as_json:
        bad = {name: str(problem) for name, problem in unusable.items()}
        click.echo(json.dumps({"bundles": [one.to_json() for one in done], "unusable": bad}))
    else:
        _print(done, unusable)
    if any(one.differs for one in done):
        return FAILED
    return COULD_NOT_GRADE if unusable or any(one.cannot for one in done) else PASSED


def _bundles(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.zip")) or sorted(path.glob("evidence/*.zip"))
    else:
        found = [path] if path.is_file() else []
    if not found:
        raise UsageProblem(
            f"There is no evidence in {path}.",
            "Bundles are zip files that kindlab grade writes into OUT/evidence.",
            "kindlab regrade --evidence OUT/evidence",
        )
    return found


def _print(done: list[Repeated], unusable: dict[str, Problem]) -> None:
    if done:
        terminal.table(("student", "lab", "then", "now", "verdicts", "the same", "differ", "cannot"), *map(_row, done))
    for one in done:
        for line in _lines(one):
            click.echo(terminal.harmless(line))
    for name, problem in unusable.items():
        terminal.styled(f"\n{name}: not repeated", fg="red")
        for line in str(problem).splitlines():
            click.echo(f"  {terminal.harmless(line)}")
    verdicts, cannot = sum(one.verdicts for one in done), sum(len(one.cannot) for one in done)
    if verdicts:
        share = 100 * max(0, verdicts - cannot) / verdicts
        click.echo(f"\n{verdicts - cannot} of {verdicts} verdicts repeated ({share:.0f}%), without a cluster.")
    if cannot:
        click.echo("What cannot be repeated can be graded again, on a cluster: kindlab regrade OUT --tasks TASK")


def _row(one: Repeated) -> tuple[str, ...]:
    then, now = one.then.report, one.report
    differ = sum(not sentence.startswith("task ") for sentence in one.differs)
    same = one.verdicts - differ - sum(name in one.cannot for name in _names(one))
    today = "?" if one.cannot else f"{now.points} of {now.max_points}"
    cells: tuple[Any, ...] = (f"{then.points} of {then.max_points}", today, one.verdicts, same, differ, len(one.cannot))
    return (terminal.harmless(one.then.student or one.then.id), then.lab, *map(str, cells))


def _names(one: Repeated) -> Iterator[str]:
    return (check.name for task in one.then.report.tasks for check in task.checks)


def _lines(one: Repeated) -> Iterator[str]:
    """What is to be said of it beyond its row."""
    if not (one.differs or one.cannot or one.notes):
        return
    yield f"\n{one.then.student or one.then.id}"
    yield from (f"  {note}" for note in one.notes)
    yield from (f"  differs: {sentence}" for sentence in one.differs)
    yield from (f"  cannot be repeated: {name}: {_short(why)}" for name, why in one.cannot.items())


def _short(why: str) -> str:
    """In a line that can be read; --json has the whole."""
    text = " ".join(why.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
