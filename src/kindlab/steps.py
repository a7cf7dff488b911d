"""The order of an answer whose moments count: `steps.toml` beside its files.

    steps = ["scale Deployment/shop 0", "apply snapshot.yaml", "wait VolumeSnapshot/monday", "scale Deployment/shop 1"]

The words: `apply FILE`; `wait KIND/NAME` until it is done (a snapshot is ready to use, a Job is complete, a claim is
Bound); `scale Deployment/NAME NUMBER`, which returns when exactly so many Pods are there and ready (a StatefulSet is
scaled the same way; a learner who deleted it gets it from a later step). Files that no step names are applied first.
An answer without steps.toml is applied file by file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from kindlab.api import Api, Obj
from kindlab.conditions import is_ready
from kindlab.errors import Problem
from kindlab.kinds import SNAPSHOT
from kindlab.selectors import of_pods

FILE = "steps.toml"
PATIENCE = 60.0
"""Seconds for each step."""


class Late(Problem):
    """A `step` was not done in its time."""

    def __init__(self, step: str, patience: float, seen: str) -> None:
        super().__init__(f"{step}: not done within {patience:.0f} s.", seen, "Look at the steps before it.")
        self.step = step


def _is_usable(snapshot: Obj) -> bool:
    return bool((snapshot.get("status") or {}).get("readyToUse"))


def _is_complete(job: Obj) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)


def _is_bound(claim: Obj) -> bool:
    return (claim.get("status") or {}).get("phase") == "Bound"


DONE: dict[str, tuple[str, Callable[[Obj], bool]]] = {
    "VolumeSnapshot": (SNAPSHOT, _is_usable),
    "Job": ("Job", _is_complete),
    "PersistentVolumeClaim": ("PersistentVolumeClaim", _is_bound),
}
"""Kind -> how the API is asked for it, and whether it is done."""
SCALED = ("Deployment", "StatefulSet")


def of(folder: Path) -> tuple[str, ...]:
    """The steps of an answer, none without a steps.toml. Raises Problem for one that cannot be used."""
    file = folder / FILE
    if not file.is_file():
        return ()
    try:
        steps = tuple(tomllib.loads(file.read_text(encoding="utf-8"))["steps"])
        for step in steps:
            _check(step)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            f"{folder.name}/{FILE} is not usable.",
            f"{type(error).__name__}: {error}.",
            'It needs: steps = [...], each "apply FILE", "wait KIND/NAME" or "scale KIND/NAME NUMBER".',
        ) from error
    return steps


def files(steps: Iterable[str]) -> list[str]:
    """The names of the files that steps apply."""
    return [step.split()[1] for step in steps if step.startswith("apply ")]


def _check(step: str) -> None:
    """Raises ValueError for what is no step."""
    match step.split():
        case ["apply", _]:
            return
        case ["wait", what] if what.partition("/")[0] in DONE and what.partition("/")[2]:
            return
        case ["scale", what, number] if what.partition("/")[0] in SCALED and number.isascii() and number.isdigit():
            return
    raise ValueError(f"no step: {step}")


def run(
    api: Api, namespace: str, steps: Sequence[str], apply: Callable[[str], list[str]], *, patience: float = PATIENCE
) -> list[str]:
    """Do the steps in order; `apply` is given the name of a file, `patience` is how many seconds each has. Returns what
    was applied. Raises Problem for a step that is not done in time, ApiError."""
    applied = []
    for step in steps:
        match step.split():
            case ["apply", name]:
                applied += apply(name)
            case ["wait", what]:
                kind, _, name = what.partition("/")
                _wait(api, namespace, kind, name, patience)
            case ["scale", what, number]:
                kind, _, name = what.partition("/")
                _scale(api, namespace, kind, name, int(number), patience)
    return applied


def _wait(api: Api, namespace: str, kind: str, name: str, patience: float) -> None:
    served, is_done = DONE[kind]
    live: Obj = {}
    for found in api.follow(served, namespace, fields=f"metadata.name={name}", timeout=patience):
        live = next(iter(found.values()), {})
        if live and is_done(live):
            return
    raise Late(f"wait {kind}/{name}", patience, f"Its status is {live.get('status')}." if live else "There is none.")


def _scale(api: Api, namespace: str, kind: str, name: str, number: int, patience: float) -> None:
    if api.get(kind, name, namespace) is None:
        return
    live = api.patch(kind, name, namespace, {"spec": {"replicas": number}})
    labels = of_pods(live)
    there: list[Obj] = []
    for pods in api.follow("Pod", namespace, labels=labels, timeout=patience):
        there = list(pods.values())
        staying = [pod for pod in there if not pod["metadata"].get("deletionTimestamp")]
        if len(there) == number == len(staying) and all(map(is_ready, there)):
            return
    raise Late(f"scale {kind}/{name} {number}", patience, f"There are {len(there)} Pods.")
