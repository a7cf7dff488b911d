"""Where a run's objects lie: a namespace of its own, or a given one; and what runs that were killed left there."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from kindlab import rights, workspace
from kindlab.api import Api, ApiError, Obj
from kindlab.batch import spaces
from kindlab.errors import Problem, in_a_line
from kindlab.managed import MANAGED

log = logging.getLogger(__name__)

NAME = "kindlab.dev/grading-job"
SECONDS = "kindlab.dev/grading-seconds"
"""How long a run may last at most: one of another machine is taken for left over then, not before."""
NEEDED = (
    ("create", "jobs.batch"),
    ("get", "jobs.batch"),
    ("list", "jobs.batch"),
    ("watch", "jobs.batch"),
    ("patch", "jobs.batch"),
    ("delete", "jobs.batch"),
    ("list", "pods"),
    ("watch", "pods"),
    ("list", "events"),
    ("get", "secrets"),
    ("create", "secrets"),
    ("create", "serviceaccounts"),
    ("create", "roles.rbac.authorization.k8s.io"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
)


def labels(run: str) -> dict[str, str]:
    return {**MANAGED, spaces.RUN: spaces.this_run(), NAME: run}


def new_name() -> str:
    return f"kindlab-grading-{secrets.token_hex(4)}"


def refuse_no_rights(api: Api, namespace: str) -> None:
    """Raises Problem that names what may not be done. `namespace` "" means one of the run's own."""
    own = (("create", "namespaces"), ("delete", "namespaces"), ("list", "namespaces"))
    needed = (*NEEDED, *(() if namespace else own))
    lacking = [f"{verb} {what}" for verb, what in needed if not rights.may(api, verb, what, namespace)]
    if not lacking:
        return
    where = f"in namespace {namespace}" if namespace else "on this cluster"
    there = f"-n {namespace}" if namespace else "-n NAMESPACE"
    other = "" if namespace else "With a namespace that somebody made for you less is needed: --namespace NAMESPACE. "
    raise Problem(
        f"You may not run a grading Job {where}.",
        f"Not allowed: {', '.join(lacking)}.",
        f"{other}Whoever runs the cluster can grant it, for example all of a namespace: kubectl create rolebinding "
        f"grading {there} --clusterrole=admin --user=YOU (kubectl auth whoami says who you are).",
    )


@contextmanager
def made(api: Api, given: str, run: str, seconds: float) -> Iterator[str]:
    """The namespace, as long as the block lasts; then what the run made is removed. Raises Problem, ApiError."""
    _sweep(api, given)
    namespace = given or run
    if not given:
        marks = {**labels(run), spaces.ENFORCE: "restricted"}
        workspace.make_namespace(api, namespace, marks)
    elif rights.namespace(api, given) is None:
        raise Problem(
            f"There is no namespace {given}.",
            "--namespace names one that is there.",
            "Without that option one is made.",
        )
    try:
        if not given:
            api.patch("Namespace", namespace, None, {"metadata": {"annotations": {SECONDS: str(int(seconds))}}})
        yield namespace
    finally:
        try:
            _remove(api, namespace, run, own=not given)
        except (Problem, ApiError) as error:  # it is found by its label next time: the grading is done
            log.warning("%s was not removed: %s", run, in_a_line(error))


def _remove(api: Api, namespace: str, run: str, *, own: bool) -> None:
    """With the Job goes what it owns; its Pods, too."""
    api.delete("Job", run, namespace, wait=True)
    if own:
        workspace.remove_namespace(api, namespace)


def _sweep(api: Api, given: str) -> None:
    """Remove what runs that have ended left behind."""
    for found in api.list("Job" if given else "Namespace", given or None, labels=f"{spaces.RUN},{NAME}"):
        if spaces.is_left(found, _age(found)):
            name = found["metadata"]["name"]
            with contextlib.suppress(Problem):  # it goes by itself
                _remove(api, given or name, name, own=not given)


def _age(found: Obj) -> timedelta:
    said = (found["metadata"].get("annotations") or {}).get(SECONDS, "")
    return timedelta(seconds=int(said)) if said.isdigit() else spaces.LEFT_OVER
