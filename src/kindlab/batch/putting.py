"""A submission on a cluster: the lab's namespaces, what it starts from, and over that the student's files, as they
would be applied by hand. Whatever is wrong with one object or file costs only that one, and is said."""

from __future__ import annotations

import logging
from pathlib import Path
from time import monotonic

from kindlab import labs, steps, workspace
from kindlab.api import Api, ApiError, Obj, Unreachable
from kindlab.batch import fence, spaces
from kindlab.batch.fence.objects import label
from kindlab.batch.fence.sizes import BYTES, FILE_BYTES
from kindlab.batch.nodes import Here, hostname, mapped
from kindlab.batch.submission import Refused, Submission
from kindlab.errors import Problem, in_a_line
from kindlab.labs import Lab
from kindlab.manifests import each
from kindlab.placeholders import NODE_NAME

log = logging.getLogger(__name__)
LONGEST = 120.0
"""Seconds for all objects and steps of a submission together; what comes later is refused."""
STEPS, STEP = 40, 30.0
"""Steps of a steps.toml, and seconds for one."""


def put(
    lab: Lab,
    api: Api,
    submission: Submission,
    *,
    notes: list[str] | None = None,
    begun: bool = False,
) -> list[Refused]:
    """Put a submission on the cluster and return what was left out; `notes` is given what an instructor should know.
    `begun`: what the lab starts from is there already (`begin`). Under a prefix the cluster is one that goes on living
    (spaces.py). Raises Problem, ApiError for what is not the submission's fault."""
    if not begun:
        begin(lab, api)
    refused: list[Refused] = []
    here = Here.of(api.list("Node"))
    found = _read(lab, submission.folder, here, refused)
    allowed, out = fence.checked(lab, found, shared=bool(lab.owner))
    refused += out
    objects = [obj for kept in allowed.values() for obj in kept]
    said = mapped(objects, here, submission.nodes) + _foreign_images(lab, objects) + _covered(objects)
    if notes is not None:
        notes += said
    return refused + _Putting(lab, api, allowed).all(_order(submission.folder, refused))


def begin(lab: Lab, api: Api) -> None:
    """The lab's namespaces, anew, with what the lab starts from in them, running: answers reckon with what the start's
    Pods have written (12, 14, 15), as they did on the student's cluster. Raises Problem, ApiError."""
    if lab.owner:
        spaces.make(api, lab)
    else:
        workspace.remove_namespaces(api, lab)
        workspace.make_namespaces(api, lab)
    # what the cluster does not serve is left out: tasks that need it are not graded there
    files = [lab.folder / "start" / name for name in lab.apply_at_start]
    workspace.apply(api, lab.namespace, files, lab, whole=False)
    workspace.wait_for_first_pods(api, lab.spaces)


def _read(lab: Lab, folder: Path | None, here: Here, refused: list[Refused]) -> dict[str, list[Obj]]:
    """The objects of each file, in the order of names; a file that cannot be read is refused."""
    found: dict[str, list[Obj]] = {}
    left = BYTES
    for file in labs.manifests(folder) if folder else ():
        size = file.stat().st_size
        if size > min(FILE_BYTES, left):
            whole = f"With it the submission has {_kib(BYTES - left + size)}; {_kib(BYTES)} are the most for all files."
            own = f"It has {_kib(size)}; {_kib(FILE_BYTES)} are the most for a file."
            why = own if size > FILE_BYTES else whole
            refused.append(Refused(file.name, why, "Hand in the lab's files only.", file.name))
            continue
        left -= size
        try:
            text = lab.spelled(file.read_text(encoding="utf-8-sig"))
            if NODE_NAME in text and here.all:
                text = text.replace(NODE_NAME, hostname((*here.working, *here.leading)[0]))
            parts = each(text, file.name)
        except UnicodeDecodeError:
            refused.append(Refused(file.name, "It is not text in UTF-8.", "Save it anew as UTF-8.", file.name))
            continue
        except Problem as problem:
            refused.append(Refused(file.name, f"{problem.what} {problem.why}".strip(), problem.then, file.name))
            continue
        found[file.name] = [one for one in parts if not isinstance(one, Problem)]
        wrong = [one for one in parts if isinstance(one, Problem)]
        refused += [Refused(file.name, f"{one.what} {one.why}".strip(), one.then, file.name) for one in wrong[:10]]
    return found


def _kib(size: int) -> str:
    """Rounded up: what is too much must not read as if it was not."""
    return f"{-(-size // 1024)} KiB"


def _order(folder: Path | None, refused: list[Refused]) -> tuple[str, ...]:
    """The steps that the student wrote down, none where they cannot be used."""
    try:
        order = steps.of(folder) if folder and _fits(folder / steps.FILE) else ()
        large = any(step.startswith("scale ") and len(step.split()[2]) > 3 for step in order)
        if len(order) <= STEPS and not large:
            return order
        why = "it scales to 1000 Pods and more" if large else f"it has {len(order)} steps, and {STEPS} are the most"
        raise Problem("", f"{why}.", "Leave out what is not needed.")
    except (Problem, RecursionError) as error:
        why = error.why if isinstance(error, Problem) else "It is nested too deep."
        why = f"It cannot be used: {why} The files were applied one after the other."
        refused.append(Refused(steps.FILE, why, error.then if isinstance(error, Problem) else "", steps.FILE))
    return ()


def _fits(file: Path) -> bool:
    return file.is_file() and file.stat().st_size <= FILE_BYTES


def _foreign_images(lab: Lab, objects: list[Obj]) -> list[str]:
    """The embedded cluster runs none but its own, and elsewhere an image is pulled from wherever it says."""
    theirs = fence.images(objects)
    if not theirs:
        return []
    files = [*lab.start_files, *labs.manifests(lab.solution_folder)]
    known = "\n".join(file.read_text(encoding="utf-8") for file in files)
    foreign = [image for image in theirs if image not in known]
    return [f"It uses images that the lab does not: {', '.join(foreign)[:300]}."] if foreign else []


def _covered(objects: list[Obj]) -> list[str]:
    found = ", ".join(fence.covered(objects))[:300]
    why = "checks that run commands there fail, for these could say whatever their author wants"
    return [f"It mounts volumes over programs of its containers ({found}): {why}."] if found else []


class _Putting:
    """One submission's objects on their way."""

    def __init__(self, lab: Lab, api: Api, allowed: dict[str, list[Obj]]) -> None:
        self.lab, self.api, self.allowed = lab, api, allowed
        self.deadline = monotonic() + LONGEST
        self.refused: list[Refused] = []
        self.again: list[tuple[str, Obj, str]] = []
        self.done = 0

    def all(self, order: tuple[str, ...]) -> list[Refused]:
        """What the API refuses is tried once more when all the others are there, for it may have needed one that comes
        later: a Pod its ServiceAccount, a Service the port that another one gives up."""
        named = set(steps.files(order))
        for name in self.allowed:
            if name not in named:
                self._file(name)
        for step in order:
            self._step(step)
        for name, obj, why in self.again:
            if why := (self._try(obj) if self.done else why):
                self.refused.append(Refused(label(obj), why, "Correct it, and try it with kubectl apply.", name))
        return self.refused

    def _file(self, name: str) -> None:
        for obj in self.allowed[name]:
            if why := self._try(obj):
                self.again.append((name, obj, why))
            else:
                self.done += 1

    def _step(self, step: str) -> None:
        word, name, *_ = step.split()
        left = self.deadline - monotonic()
        try:
            if left <= 0:
                raise Problem(f"{step}: there was no time left.")
            if word != "apply":
                steps.run(self.api, self.lab.namespace, [step], lambda _: [], patience=min(STEP, left))
            elif name in self.allowed:
                self._file(name)
            else:
                raise Problem(f"The submission has no file {name}, or it could not be read.")
        except Unreachable:
            raise
        except (Problem, ApiError) as error:
            self.refused.append(Refused(step, in_a_line(error), "Look at the steps before.", steps.FILE))

    def _try(self, obj: Obj) -> str:
        """Why it could not be put there, "" when it is."""
        if monotonic() > self.deadline:
            return f"Putting the submission on the cluster took more than {LONGEST:.0f} s; this was not tried any more."
        try:
            workspace.put(self.api, obj, self.lab.namespace)
        except Unreachable:
            raise
        except ApiError as error:
            return error.message
        except Problem as problem:
            return in_a_line(problem)
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:  # a shape that our own reading stumbles on
            log.info("%s could not be put: %r", label(obj), error)
            return "Its fields are not as the API has them: something that should be a list or an object is none."
        return ""
