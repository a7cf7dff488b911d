"""The learner's side of a lab: their files in `work/<slug>/`, the namespace on the cluster, and moving both.

Nothing a learner wrote is ever overwritten or lost: start keeps files that are there, reset puts them aside first.
What is put on the cluster carries the note of `kubectl apply`, so that a learner's own apply can take fields away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic

from kindlab import claims, clusterwide, labs, paths, steps
from kindlab.api import Api, ApiError, Obj
from kindlab.checks.coming import is_coming_up
from kindlab.checks.volumes import has_claims
from kindlab.emptying import RIGHTS, empty
from kindlab.errors import Problem
from kindlab.kubectl import applying
from kindlab.labs import Lab
from kindlab.managed import MANAGED
from kindlab.manifests import parse, text_of
from kindlab.naming import is_anothers
from kindlab.needs import Wanting, named, probed, wanting
from kindlab.placeholders import filled
from kindlab.rights import FORBIDDEN, namespace, no_namespace

NAMESPACE_TIMEOUT = 30.0
REMOVAL_TIMEOUT, UNMOUNT_TIMEOUT = 180.0, 30.0
FIRST_PULL, NOTICED = 120.0, 5.0
PUT = {claims.KIND: claims.replace, claims.VOLUME: claims.replace_volume}
"""How objects of these kinds are put in place of what is there."""


@dataclass
class Started:
    """What `start` did, for the message."""

    folder: Path
    copied: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    """Those of them that name namespaces of another prefix than the learner's here."""
    created: list[str] = field(default_factory=list)
    already: list[str] = field(default_factory=list)
    lacking: dict[str, Wanting] = field(default_factory=dict)
    """Task -> what it needs and the cluster does not have."""
    refused: list[str] = field(default_factory=list)
    """What was not put on the cluster, because it lacks what that is for."""


def folder(lab: Lab) -> Path:
    return paths.work() / lab.slug


def start(lab: Lab, api: Api) -> Started:
    """Copy the start files and the notebook, make the namespace, create what the lab starts from. Doing it again
    brings back what is missing and touches nothing that is there."""
    done = Started(folder(lab))
    hand_out(lab, api, done, [*lab.start_files, *([lab.notebook] if lab.notebook.is_file() else [])])
    make_namespaces(api, lab)
    files = [lab.folder / "start" / name for name in lab.apply_at_start]
    first = [obj for file in files for obj in parse(given(lab, file, api), file.name)]
    clusterwide.refuse_foreign(lab, first)
    refused: dict[str, ApiError] = {}
    for obj in first:
        label = f"{obj['kind'].lower()}/{obj['metadata']['name']}"
        try:
            api.create(_noted(api, obj, lab.namespace), lab.namespace)
            done.created.append(label)
        except ApiError as error:
            if error.code in (403, 404):  # not yours to make, or a kind that is not served: the tasks' needs say why
                refused[label] = error
                continue
            # a Service whose node port is fixed is refused for its number (422) before its name is looked at
            if error.code != 409 and api.live(obj, lab.namespace) is None:
                raise
            done.already.append(label)
    if done.created:
        wait_for_first_pods(api, lab.spaces)
    done.lacking, done.refused = lacking(lab, api), list(refused)
    if refused and not done.lacking:  # nothing that a lab names explains it
        raise next(iter(refused.values()))
    return done


def hand_out(lab: Lab, api: Api, done: Started, sources: Iterable[Path]) -> None:
    """Copy files of the course's into the learner's folder, those that are not there yet."""
    done.folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        target = done.folder / source.name
        if target.exists():
            done.kept.append(source.name)
            if is_anothers(text_of(target), lab.slug, lab.owner):
                done.misnamed.append(source.name)
        else:
            paths.write_atomically(target, given(lab, source, api))
            done.copied.append(source.name)


def wait_for_first_pods(api: Api, namespaces: Iterable[str]) -> None:
    """Return when what has just been created runs, or cannot: the learner's next command may ask it. On a new cluster
    the images are pulled first."""
    deadline = monotonic() + FIRST_PULL
    for name in namespaces:
        for found in api.follow("Deployment", name, timeout=NOTICED):
            if all(map(_has_its_pods, found.values())):
                break
        for pods in api.follow("Pod", name, timeout=max(0.0, deadline - monotonic())):
            if not any(pod["status"].get("phase") == "Pending" and is_coming_up(pod) for pod in pods.values()):
                break


def _has_its_pods(deployment: Obj) -> bool:
    """Whether its Pods are there, running or not."""
    return bool((deployment.get("status") or {}).get("replicas", 0) >= deployment["spec"].get("replicas", 1))


def given(lab: Lab, file: Path, api: Api) -> str:
    """A file of the lab's as a learner gets it on this cluster. In the notebook nothing is filled in."""
    text = lab.spelled(lab.text(file))
    return text if file.suffix == ".ipynb" else filled(text, api)


def solve(lab: Lab, api: Api) -> list[str]:
    """Put the reference solution's objects in place; the learner's files stay as they are. Returns what was applied.
    What the cluster does not take is left out where it is for tasks that cannot be done there. Raises Problem, also
    where that is all of them."""
    make_namespaces(api, lab)
    without = lacking(lab, api)
    if len(without) == len(lab.tasks):
        why, how = (" ".join(dict.fromkeys(texts)) for texts in zip(*map(_said, without.values()), strict=True))
        raise Problem(f"No task of lab {lab.slug} can be done on this cluster.", why, how)
    files, order = labs.manifests(lab.solution_folder), steps.of(lab.solution_folder)
    return apply_in_order(api, lab, files, order, whole=not without)


def lacking(lab: Lab, api: Api) -> dict[str, Wanting]:
    """Task -> what it needs and the cluster does not have. The lab's namespace is there."""
    return wanting(lab, probed(api, named(lab), lab.namespace))


def _said(one: Wanting) -> tuple[str, str]:
    return one.why, one.how_to_get


def reset(lab: Lab, api: Api) -> tuple[Started, Path | None]:
    """Back to the start: the namespace is made anew and the files too, what of the lab lies in no namespace is removed;
    returns also where the old files went. Done again after an interruption it goes on; an old file is never lost."""
    refuse_locked(lab)
    remove_namespaces(api, lab)
    aside = put_aside(lab, [f.name for f in folder(lab).iterdir()] if folder(lab).is_dir() else [])
    return start(lab, api), aside


def refuse_locked(lab: Lab) -> None:
    """Raises Problem where files cannot be moved out of the learner's folder: before anything is removed."""
    there = folder(lab)
    for place in (there, paths.work()):
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            raise Problem(
                f"Your files in {there} cannot be put aside.",
                f"You may not write to the folder {place}, and nothing of yours is overwritten.",
                f"Make it yours again (chmod u+wx {place}), or name another with KINDLAB_WORK; nothing was changed.",
            )


def put_aside(lab: Lab, names: Iterable[str]) -> Path | None:
    """Move files of the learner's out of the way; returns where they are now, None where there were none. The folder
    itself stays: a terminal and JupyterLab are in it."""
    there = [folder(lab) / name for name in names if (folder(lab) / name).exists()]
    if not there:
        return None
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    aside = paths.work() / "before-reset" / f"{lab.slug}-{stamp}"
    for n in range(2, 1000):
        try:
            aside.mkdir(parents=True)
            break
        except FileExistsError:
            aside = aside.with_name(f"{lab.slug}-{stamp}-{n}")
    for file in there:
        file.rename(aside / file.name)
    return aside


def make_namespaces(api: Api, lab: Lab) -> None:
    """The lab's namespace and its neighbours."""
    wanted = {lab.namespace: {}, **{neighbour.name: neighbour.labels for neighbour in lab.namespaces}}
    for name, labels in wanted.items():
        try:
            make_namespace(api, name, labels)
        except ApiError as error:
            if error.code != FORBIDDEN:
                raise
            raise no_namespace(lab, name, error) from error


def remove_namespaces(api: Api, lab: Lab) -> None:
    """The lab's namespace and its neighbours, then what of the lab lies in no namespace: gone when this returns."""
    clusterwide.free(api, lab)
    for name in lab.spaces:
        remove_namespace(api, name)
    clusterwide.remove(api, lab)


def make_namespace(api: Api, name: str, labels: Mapping[str, str] | None = None) -> None:
    """Create the namespace, or use it where somebody has made it for us, and return once Pods can be created in it (its
    `default` ServiceAccount is there)."""
    live = namespace(api, name)
    if live is not None and live["metadata"].get("deletionTimestamp"):
        api.wait_gone("Namespace", name, None, uid=live["metadata"]["uid"])
        live = None
    if live is None:
        owned = {**(labels or {}), **MANAGED}
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": owned}})
    elif (
        labels and "labels" in live["metadata"] and not labels.items() <= (live["metadata"].get("labels") or {}).items()
    ):
        api.patch("Namespace", name, None, {"metadata": {"labels": dict(labels)}})
    accounts = api.follow("ServiceAccount", name, fields="metadata.name=default", timeout=NAMESPACE_TIMEOUT)
    if not any(accounts):
        raise Problem(
            f"Namespace {name} got no default ServiceAccount within {NAMESPACE_TIMEOUT:.0f} s.",
            "The cluster's controllers are not working.",
            "kindlab status shows the cluster; kindlab down and kindlab up make it anew.",
        )


def remove_namespace(api: Api, name: str) -> None:
    """Delete the namespace with everything in it and wait until it is gone; Pods get no grace, or next to none. The
    namespace goes first: in one that is on its way out nobody makes another Pod in place of one that was deleted. One
    that was made for us, or that we may not delete, is emptied."""
    live = namespace(api, name)
    if live is None:
        return
    if not _deleted(api, name, live):
        empty(api, name, timeout=REMOVAL_TIMEOUT)
        return
    for pod in api.list("Pod", name):
        # without any grace its claim might go before the node has unmounted it, and then some drivers never get it free
        api.delete("Pod", pod["metadata"]["name"], name, grace=1 if has_claims(pod) else 0)
    for pods in api.follow("Pod", name, timeout=UNMOUNT_TIMEOUT):
        if not pods:
            break
    else:
        for pod in api.list("Pod", name):
            api.delete("Pod", pod["metadata"]["name"], name, grace=0)
    api.wait_gone("Namespace", name, None, uid=live["metadata"]["uid"], timeout=REMOVAL_TIMEOUT)


def _deleted(api: Api, name: str, live: Obj) -> bool:
    """Delete it if it is ours to delete."""
    if RIGHTS.items() <= (live["metadata"].get("labels") or {}).items():
        return False
    try:
        api.delete("Namespace", name)
    except ApiError as error:
        if error.code != FORBIDDEN:
            raise
        return False
    return True


def apply(api: Api, namespace: str, files: Iterable[Path], lab: Lab | None = None, *, whole: bool = True) -> list[str]:
    """Put every object of the files in place, in order; returns `kind/name` of each. `lab`: how
    names are spelled, and whose the objects without a namespace must be. Raises Problem that names the file and the
    object; unless `whole`, what the cluster does not serve or allow is left out."""
    applied = []
    objects = [obj for file in files for obj in parse(filled(_spelled(file, lab), api), file.name)]
    if lab is not None:
        clusterwide.refuse_foreign(lab, objects)
    for obj in objects:
        label = f"{obj['kind'].lower()}/{obj['metadata']['name']}"
        try:
            put(api, obj, namespace)
        except ApiError as error:
            if not whole and error.code in (403, 404):
                continue
            raise Problem(
                f"{label} was refused by the cluster.", error.message, "Correct the file and apply it again."
            ) from error
        applied.append(label)
    return applied


def put(api: Api, obj: Obj, namespace: str) -> None:
    """Create an object, or put it in place of the one that is there. Raises ApiError, Problem."""
    PUT.get(obj["kind"], Api.replace)(api, _noted(api, obj, namespace), namespace)


def _spelled(file: Path, lab: Lab | None) -> str:
    return lab.spelled(lab.text(file)) if lab else text_of(file)


def apply_in_order(api: Api, lab: Lab, files: Iterable[Path], order: Sequence[str], *, whole: bool = True) -> list[str]:
    """Put an answer's files in place step by step (steps.py), without steps one after the other; `whole` as in `apply`.
    Raises Problem."""
    by_name = {file.name: file for file in files}
    for name in steps.files(order):
        if name not in by_name:
            raise Problem(
                f"{steps.FILE} applies {name}, which is not there.",
                f"The files: {', '.join(by_name)}.",
                f"Correct {steps.FILE}.",
            )
    first = [file for name, file in by_name.items() if name not in steps.files(order)]
    applied = apply(api, lab.namespace, first, lab, whole=whole)
    space = lab.namespace
    return applied + steps.run(api, space, order, lambda name: apply(api, space, [by_name[name]], lab, whole=whole))


def _noted(api: Api, obj: Obj, namespace: str) -> Obj:
    """The object with kubectl's note; one of a kind without a namespace gets none."""
    return applying.noted(obj, namespace if api.namespaced(f"{obj['apiVersion']}/{obj['kind']}") else None)
