"""The answers an author has written down for a lab: its start, the solution, other right ones, wrong ones.

Each is a state of the cluster that can be brought about and graded. A wrong answer is laid over the solution: it holds
only the files that differ.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kindlab import labs, manifests, steps, workspace
from kindlab.api import Api, Obj
from kindlab.errors import Problem
from kindlab.labs import Lab


@dataclass(frozen=True)
class State:
    """One answer to try: `files` go over the start; `fails` are the checks that must fail (None: all tasks), `may`
    those that may."""

    lab: str
    name: str
    files: tuple[str, ...]
    fails: frozenset[str] | None
    may: frozenset[str] = frozenset()
    order: tuple[str, ...] = ()
    """The steps in which the files are applied (steps.py)."""


def states(lab: Lab) -> Iterator[State]:
    """Every answer to try on a lab."""
    solution, order = labs.manifests(lab.solution_folder), steps.of(lab.solution_folder)
    yield State(lab.slug, "start", (), None)
    yield State(lab.slug, "start files applied as they are", _names(lab.start_files), None)
    yield State(lab.slug, "solution", _names(solution), frozenset(), order=order)
    for folder in folders(lab, "alternatives"):
        files = _names(labs.manifests(folder))
        yield State(lab.slug, f"alternatives/{folder.name}", files, frozenset(), order=steps.of(folder))
    for folder in folders(lab, "wrong"):
        over = {f.name: f for f in labs.manifests(folder)}
        files = _names([over.get(f.name, f) for f in solution])
        yield State(lab.slug, f"wrong/{folder.name}", files, *expectation(folder), steps.of(folder) or order)


def bring_about(state: State, api: Api, prefix: str = "") -> None:
    """Make the lab's namespaces anew with this answer in them, and what lies in none, all under `prefix`. Raises
    Problem, ApiError."""
    lab = labs.find(state.lab).under(prefix)
    workspace.remove_namespaces(api, lab)
    workspace.make_namespaces(api, lab)
    workspace.apply(api, lab.namespace, [lab.folder / "start" / name for name in lab.apply_at_start], lab)
    workspace.apply_in_order(api, lab, [Path(name) for name in state.files], state.order)


def right(lab: Lab) -> list[Path]:
    """The folders of what a lab starts from and of every right answer."""
    return [lab.folder / "start", lab.solution_folder, *folders(lab, "alternatives")]


def right_objects(lab: Lab) -> Iterator[Obj]:
    """All that is in their files. Raises Problem for one that cannot be read."""
    for place in right(lab):
        yield from manifests.read(labs.manifests(place), lab.text)


def folders(lab: Lab, kind: str) -> list[Path]:
    """Those of the lab's `alternatives` or `wrong` answers."""
    folder = lab.solution_folder / kind
    return sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []


def expectation(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    """(the checks a wrong answer must fail, those it may fail), from its expect.toml. Raises Problem."""
    try:
        data = tomllib.loads((folder / "expect.toml").read_text(encoding="utf-8"))
        checks = frozenset(data["checks"])
        if not checks or not data["why"]:
            raise ValueError("checks and why must not be empty")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{folder.parent.parent.name}/wrong/{folder.name}/expect.toml is not usable.",
            f"{type(error).__name__}: {error}.",
            'It needs: why = "what this learner misunderstood" and checks = ["test_..."].',
        ) from error
    return checks, frozenset(data.get("may", ()))


def _names(files: list[Path]) -> tuple[str, ...]:
    return tuple(str(f) for f in files)
