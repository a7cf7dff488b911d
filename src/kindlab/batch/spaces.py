"""A submission on a cluster that goes on living (kind, current): namespaces of its own there, under a prefix of its
own, that enforce Pod Security and bound what is in them, and that are gone afterwards.

They carry a label. A run that was killed leaves namespaces behind; the next one finds them by it (`sweep`).
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from time import monotonic
from typing import TypeVar

from filelock import FileLock

from kindlab import labs, naming, paths, workspace
from kindlab.api import Api, ApiError, Obj
from kindlab.batch.fence import pods
from kindlab.batch.fence.objects import at, items, pod_templates, texts, walk
from kindlab.batch.submission import Submission
from kindlab.errors import Problem, UsageProblem, in_a_line
from kindlab.farm import Finished
from kindlab.labs import Allowed, Lab
from kindlab.managed import MANAGED
from kindlab.states import right_objects

R = TypeVar("R")
log = logging.getLogger(__name__)

RUN, WHOSE = "kindlab.dev/grading", "kindlab.dev/submission"
"""Labels of a submission's namespaces: the process that grades it, and the prefix."""
ENFORCE = "pod-security.kubernetes.io/enforce"
LEFT_OVER = timedelta(hours=2)
"""The age at which namespaces of a run elsewhere are taken for left over; no submission is graded for so long."""
QUOTA = {
    "pods": "200",
    "services": "50",
    "services.loadbalancers": "6",
    "configmaps": "150",
    "secrets": "150",
    "persistentvolumeclaims": "150",
    "requests.storage": "100Gi",
    "count/deployments.apps": "80",
    "count/replicasets.apps": "300",
    "count/statefulsets.apps": "30",
    "count/jobs.batch": "100",
    "count/cronjobs.batch": "20",
    "count/ingresses.networking.k8s.io": "30",
}
"""How many a namespace may hold, the grader's own among them. CPU and memory are left out: with a quota of these every
Pod must name requests, and whether it does is a task of lab 10."""
LARGEST_CLAIM = "20Gi"
"""The LimitRange bounds claims only: bounds of containers would write limits into those that have none."""


def prefix(submission_id: str) -> str:
    """What the names of a submission's namespaces begin with: as much of its id as fits, and a digest of all of it."""
    letters = re.sub(r"[^a-z0-9]", "", submission_id.lower())
    begun = letters if letters[:1].isalpha() else f"s{letters}"
    digest = hashlib.sha256(submission_id.encode()).hexdigest()[:8]
    return naming.checked(f"{begun[: naming.LONGEST - len(digest) - 1]}x{digest}")


@contextmanager
def theirs(api: Api, lab: Lab, submission: Submission) -> Iterator[Lab]:
    """The lab under the submission's prefix, as long as the block lasts; then all of it is removed. Labs with ports or
    host names that a cluster has once wait for each other, also those of another process."""
    mine = lab.under(prefix(submission.id))
    with _turn(api, lab):
        try:
            yield mine
        finally:
            _remove(api, mine)


def make(api: Api, lab: Lab) -> None:
    """The namespaces of `theirs`, anew and empty. Raises Problem, ApiError."""
    workspace.remove_namespaces(api, lab)
    labels = {RUN: this_run(), WHOSE: lab.owner, ENFORCE: level(lab)}
    fields = {neighbour.name: dict(neighbour.labels) for neighbour in lab.namespaces}
    for name in lab.spaces:
        workspace.make_namespace(api, name, {**fields.get(name, {}), **labels})
        for kind, spec in (("ResourceQuota", {"hard": QUOTA}), ("LimitRange", {"limits": [_claims()]})):
            meta = {"name": "kindlab-grading", "labels": MANAGED}
            api.create({"apiVersion": "v1", "kind": kind, "metadata": meta, "spec": spec}, name)


def grown(api: Api, lab: Lab) -> Callable[..., Generator[Finished[Submission, R]]]:
    """A farm (farm.run) on a cluster that is there: one submission after the other, each in namespaces of its own;
    `work` is given the lab under its prefix as `lab`."""

    def run(work: Callable[..., R], submissions: Iterable[Submission]) -> Generator[Finished[Submission, R]]:
        sweep(api)
        for submission in submissions:
            began, result, problem = monotonic(), None, ""
            try:
                with theirs(api, lab, submission) as mine:
                    result = work(api, submission, lab=mine)
            except (Problem, ApiError) as error:
                problem = in_a_line(error)
            except Exception as error:  # a fault of ours costs one submission, not the class
                log.exception("%s broke", submission.id)
                problem = f"broke: {type(error).__name__}: {error}"
            yield Finished(submission, result, problem, monotonic() - began)

    return run


def sweep(api: Api) -> list[str]:
    """Remove what runs that have ended left behind; returns the prefixes. Raises Problem, ApiError."""
    found: dict[str, list[str]] = {}
    for space in api.list("Namespace", labels=f"{RUN},{WHOSE}"):
        if is_left(space):
            found.setdefault(space["metadata"]["labels"][WHOSE], []).append(space["metadata"]["name"])
    for owner, spaces in found.items():
        for lab in _of(owner, spaces):
            workspace.remove_namespaces(api, lab)
    return sorted(found)


def level(lab: Lab) -> str:
    """The level of Pod Security that the lab's namespaces enforce: baseline, unless an answer of its own could not be
    put there. The fence holds for both."""
    return "baseline" if _traits(lab.folder).baseline else "privileged"


def is_alone(lab: Lab) -> bool:
    """Whether the lab's answers use what a cluster has only once: a port or a folder of the nodes, a host name."""
    return _traits(lab.folder).alone


@dataclass(frozen=True)
class _Traits:
    baseline: bool
    alone: bool


@cache
def _traits(folder: Path) -> _Traits:
    """Of a lab, by all its right answers."""
    lab = labs.read(folder)
    strict = replace(lab, submission=Allowed(lab.submission.kinds))
    answers = list(right_objects(lab))
    alone = "host-path" in lab.submission.freedoms or any(map(_is_alone, answers))
    return _Traits(not any(any(pods.pods(strict, obj)) for obj in answers), alone)


def _is_alone(obj: Obj) -> bool:
    spec = at(obj, "spec")
    if any("nodePort" in port for port in items(spec, "ports")):
        return True
    if texts(spec, "hostnames") or any("host" in rule for rule in items(spec, "rules")):
        return True
    return any(
        pod.get("hostNetwork") or any("hostPort" in one for one in walk(pod)) for _, _, pod in pod_templates(obj)
    )


def _claims() -> Obj:
    return {"type": "PersistentVolumeClaim", "max": {"storage": LARGEST_CLAIM}}


@contextmanager
def _turn(api: Api, lab: Lab) -> Iterator[None]:
    if not is_alone(lab):
        yield
        return
    folder = paths.home() / "grading"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    where = hashlib.sha256(api.server.encode()).hexdigest()[:12]
    with FileLock(folder / f"{lab.slug}-{where}.lock"):
        yield


def _remove(api: Api, lab: Lab) -> None:
    """What cannot be removed now is found by its label next time: the grading is done."""
    try:
        workspace.remove_namespaces(api, lab)
    except (Problem, ApiError) as error:
        log.warning("%s was not removed: %s", lab.namespace, in_a_line(error))


_HOST = hashlib.sha256(f"{os.uname().nodename if hasattr(os, 'uname') else ''}".encode()).hexdigest()[:8]
_PROCESS = secrets.token_hex(4)


def this_run() -> str:
    """What the label RUN says: this process, on this machine."""
    return f"{_HOST}-{os.getpid()}-{_PROCESS}"


def is_left(made: Obj, after: timedelta = LEFT_OVER) -> bool:
    """Whether the run has ended that made an object with the label RUN. Of one of another machine only its age says so:
    `after`."""
    host, _, rest = str(made["metadata"]["labels"][RUN]).partition("-")
    number = rest.partition("-")[0]
    if host == _HOST and number.isdigit() and os.name == "posix":
        return f"{host}-{rest}" != this_run() and not _lives(int(number))
    return datetime.now(UTC) - datetime.fromisoformat(made["metadata"]["creationTimestamp"]) > after


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _of(owner: str, spaces: list[str]) -> Iterator[Lab]:
    """The labs that namespaces under a prefix are of."""
    slugs = {name.removeprefix(f"{owner}-") for name in spaces}
    for lab in labs.all_labs():
        if any(slug in lab.spaces for slug in slugs):
            with contextlib.suppress(UsageProblem):  # a label that somebody else has written
                yield lab.under(owner)
