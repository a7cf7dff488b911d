"""`kindlab export gradescope LAB`: an autograder for Gradescope, and what it runs there.

The zip holds setup.sh and run_autograder at its root, as "Autograder Specifications" of
gradescope-autograders.readthedocs.io wants it, the two packages as they are here, the lock file that they are installed
with, and of the course this lab and its grader; no solution. Gradescope unpacks it to /autograder/source, puts the
submission into /autograder/submission and what is known of it into /autograder/submission_metadata.json, and reads
/autograder/results/results.json. KINDLAB_AUTOGRADER names another root than /autograder, for trying it elsewhere.

Nobody has run it on Gradescope itself yet.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kindlab.batch.policy import Policy
    from kindlab.labs import Lab

WALL = 480.0
"""Seconds for a submission: Gradescope ends what takes longer than ten minutes, unless told otherwise, and then gives
no points ("Troubleshooting")."""
COURSE, PACKAGES, POLICY = "course", "packages", "policy.toml"
SCRIPTS = ("setup.sh", "run_autograder")
UV = "0.13.8"
FIXED = (2026, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the same content makes the same zip."""


@click.command("gradescope")
@click.argument("lab")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, metavar="FILE.zip", help="Where to.")
@click.option("--policy", type=click.Path(path_type=Path), metavar="FILE", help="Weights and visibility; not lateness.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(lab: str, out: Path, policy: Path | None, force: bool) -> None:
    """An autograder zip of LAB for Gradescope."""
    from kindlab import labs, terminal
    from kindlab.batch import policy as policies
    from kindlab.export import refuse_to_overwrite

    found = labs.find(lab)
    rules = policies.load(policy, found) if policy else None
    refuse_to_overwrite([out], force=force)
    make(found, out, policy)
    click.echo(f"made {terminal.path(out)}")
    click.echo(
        f"Next: upload it on the assignment's page Configure Autograder; set the points to {_worth(found, rules)}."
    )
    click.echo("docs/grading.md says what to choose there, and what nobody has tried yet.")


def make(lab: Lab, out: Path, policy: Path | None = None) -> None:
    """Write the zip, as a whole or not at all."""
    from kindlab import export, paths, zips

    files = {name: export.filled(name, lab=lab.slug, uv=UV).encode() for name in SCRIPTS}
    files |= {name: file.read_bytes() for name, file in sorted(_files(lab))}
    if policy:
        files[POLICY] = policy.read_bytes()
    modes = {name: 0o755 if name in SCRIPTS else 0o644 for name in files}
    paths.write_atomically(out, zips.zipped(files, when=FIXED, modes=modes))


def _files(lab: Lab) -> Iterator[tuple[str, Path]]:
    """(name in the zip, file) of the packages and of this lab's part of the course."""
    from kindlab import paths

    packages = Path(__file__).resolve().parents[2]
    for package in ("kindlab", "pocketkube"):
        for file in (packages / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{PACKAGES}/{file.relative_to(packages).as_posix()}", file
    course = paths.course()
    for file in sorted(lab.folder.rglob("*")):
        if file.is_file():
            yield f"{COURSE}/labs/{lab.slug}/{file.relative_to(lab.folder).as_posix()}", file
    for file in (lab.grader, lab.grader.parent / "pytest.ini", *lab.grader.parent.glob("conftest.py")):
        yield f"{COURSE}/graders/{file.name}", file
    for name in ("requirements.lock", "LICENSE", "NOTICE"):
        yield name, course / name


def _worth(lab: Lab, policy: Policy | None) -> str:
    """The points of the assignment: what is extra credit comes on top."""
    from kindlab.batch import one
    from kindlab.batch.scoring import scored
    from kindlab.batch.submission import Submission
    from kindlab.grading.report import told

    return told.number(scored(one.unreadable(Submission("", "", None), lab), lab, policy).max_points)


# -- what runs on Gradescope


def main(root: Path, slug: str) -> int:
    """Grade /autograder/submission and write /autograder/results/results.json. What could not be graded writes none:
    Gradescope then says that the autograder failed, and gives no score. Returns the exit code."""
    from kindlab import labs
    from kindlab.batch import alone
    from kindlab.batch import policy as policies
    from kindlab.errors import COULD_NOT_GRADE, PASSED
    from kindlab.farm import Limits
    from kindlab.grading.report import gradescope
    from kindlab.paths import write_atomically

    results = root / "results" / "results.json"
    results.unlink(missing_ok=True)
    lab = labs.find(slug)
    rules = root / "source" / POLICY
    student, submitted = _metadata(root / "submission_metadata.json")
    found = alone.graded(
        root / "submission",
        lab,
        student=student,
        submitted=submitted,
        policy=policies.load(rules, lab) if rules.is_file() else None,
        limits=Limits(wall=WALL / alone.TRIES),
    )
    if not found.has_grade:
        print(gradescope.results(found)["output"])
        print("No results.json was written, so that there is no score: run the autograder again.")
        return COULD_NOT_GRADE
    write_atomically(results, gradescope.render(found))
    print(f"{found.points} of {found.max_points} points")
    return PASSED


def _metadata(file: Path) -> tuple[str, str]:
    """(who, when) of submission_metadata.json; "" for what it does not say."""
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        who = ", ".join(f"{user['name']} ({user['email']})" for user in data.get("users", []))
        return who, str(data.get("created_at", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "", ""


if __name__ == "__main__":
    from kindlab.errors import Problem

    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
    except Problem as problem:
        print(problem)
        sys.exit(problem.exit_code)
