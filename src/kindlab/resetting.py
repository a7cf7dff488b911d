"""Back to the start for one task: its files, and what they put on the cluster. Everything else stays.

What goes is known by name: what the task's files say now, as the learner has them, in the start and in
the reference solution. What another start file of the lab puts there is that file's, and is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kindlab import claims, labs, workspace
from kindlab.api import Api, ApiError, Obj, Served
from kindlab.checks.volumes import has_claims
from kindlab.emptying import MAKERS, deletable, found, stays
from kindlab.errors import Problem, UsageProblem
from kindlab.labs import CLUSTER_KINDS, Lab, Task
from kindlab.managed import MANAGED
from kindlab.manifests import parse
from kindlab.selectors import of_pods

STOPPED, FORCED = 60.0, 3.0
"""Seconds that the Pods of a removed Deployment have to be gone, and after which they get no more grace."""
FIRST = (*MAKERS, "Pod", claims.KIND)
"""These are made anew, with what they have made and stored; of the others the start's are put over what is there."""
LAST = tuple(CLUSTER_KINDS)
MADE_BY_CLUSTER = ("Endpoints", "EndpointSlice", "ControllerRevision", "Pod", "ReplicaSet", "CSIStorageCapacity")


class Known(NamedTuple):
    """An object by what tells it from all others."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass
class Plan:
    """What a reset of a task would do; nothing has been done yet."""

    lab: Lab
    task: Task
    shared: dict[str, list[str]]
    """File -> the other tasks that are done in it."""
    objects: dict[Known, Obj]
    """What goes, or is put back as the start has it."""
    unread: list[str]
    """Files of the learner's that cannot be read: of them only the names are known that the course has."""


@dataclass
class Done:
    """What a reset did, for the message."""

    files: list[str]
    aside: Path | None
    removed: list[str] = field(default_factory=list)
    put: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """What is there besides, under names that neither the lab nor the learner's files know."""

    def lines(self) -> Iterator[str]:
        """What was done, in words."""
        yield f"Back to the start: {', '.join(self.files)}"
        for label, names in (
            ("removed from the cluster", self.removed),
            ("put there as the lab starts", self.put),
            ("could not be read, so only the lab's own names are gone", self.unread),
            ("still there, under names of your own", self.others),
        ):
            if names:
                yield f"  {label}: {', '.join(names)}"
        if self.aside is not None:
            yield f"Your old files: {self.aside}"


def plan(lab: Lab, api: Api, task: Task) -> Plan:
    """Look at what the task's files are about. Raises Problem for a task without files."""
    if not task.files:
        raise Problem(
            f"Task {task.id} cannot be put back by itself.",
            "The lab does not say which files belong to it.",
            f"kindlab reset {lab.number} puts the whole lab back.",
        )
    shared = {name: [t.id for t in lab.tasks if name in t.files and t.id != task.id] for name in task.files}
    foreign = set(
        _known(lab, _of(lab, api, (lab.folder / "start" / n for n in lab.apply_at_start if n not in task.files)))
    )
    objects: dict[Known, Obj] = {}
    unread: list[str] = []
    for name in task.files:
        for file in (workspace.folder(lab) / name, lab.solution_folder / name, lab.folder / "start" / name):
            try:
                objects |= _known(lab, _of(lab, api, [file]))
            except (Problem, OSError):
                unread.append(name)
    return Plan(
        lab,
        task,
        {name: tasks for name, tasks in shared.items() if tasks},
        {known: obj for known, obj in objects.items() if known not in foreign and _is_labs(lab, known)},
        unread,
    )


def refuse_shared(planned: Plan) -> None:
    """Raises UsageProblem where other tasks are done in the same files: somebody has to say that they go back too."""
    if planned.shared:
        said = (f"{name} is also the file of {', '.join(tasks)}" for name, tasks in planned.shared.items())
        raise UsageProblem(
            "Nothing was put back.", f"{'; '.join(said)}: what was done for that goes back too.", "If so, add --yes."
        )


def carry_out(planned: Plan, api: Api) -> Done:
    """Do it; again after an interruption goes on. The learner's files are put aside last. Raises Problem, ApiError."""
    lab, task = planned.lab, planned.task
    workspace.refuse_locked(lab)
    workspace.make_namespaces(api, lab)
    first = [lab.folder / "start" / name for name in lab.apply_at_start if name in task.files]
    kept = _known(lab, _of(lab, api, first))
    done = Done(list(task.files), None, unread=planned.unread)
    for known in sorted(planned.objects, key=_order):
        if known in kept and known.kind not in FIRST:
            continue
        if _remove(api, known) and known not in kept:
            done.removed.append(str(known))
    done.put = list(dict.fromkeys(workspace.apply(api, lab.namespace, first, lab, whole=False)))
    if done.put:
        workspace.wait_for_first_pods(api, lab.spaces)
    done.aside = workspace.put_aside(lab, task.files)
    workspace.hand_out(
        lab, api, workspace.Started(workspace.folder(lab)), [lab.folder / "start" / name for name in task.files]
    )
    done.others = sorted(_others(lab, api))
    return done


# -- which objects


def _of(lab: Lab, api: Api, files: Iterable[Path]) -> list[Obj]:
    """The objects of files that are there. Raises Problem."""
    return [obj for file in files if file.is_file() for obj in parse(workspace.given(lab, file, api), file.name)]


def _known(lab: Lab, objects: Iterable[Obj]) -> dict[Known, Obj]:
    return {_name(lab, obj): obj for obj in objects}


def _name(lab: Lab, obj: Obj) -> Known:
    space = "" if obj["kind"] in CLUSTER_KINDS else obj["metadata"].get("namespace") or lab.namespace
    return Known(obj["kind"], space, obj["metadata"]["name"])


def _is_labs(lab: Lab, known: Known) -> bool:
    """Whether it is the lab's to remove: in one of its namespaces, or named as what of the lab lies in none."""
    if known.namespace:
        return known.namespace in lab.spaces and known.kind != "Namespace"
    return known.kind in lab.cluster_kinds and known.name.startswith(lab.prefix)


def _order(known: Known) -> int:
    if known.kind in FIRST:
        return FIRST.index(known.kind)
    return 100 + LAST.index(known.kind) if known.kind in LAST else 50


# -- removing


def _remove(api: Api, known: Known) -> bool:
    """Remove it with what it made, gone when this returns; False when there was nothing."""
    kind, space = CLUSTER_KINDS.get(known.kind, known.kind), known.namespace or None
    try:
        live = api.get(kind, known.name, space)
    except ApiError as error:
        if error.code not in (403, 404):  # a kind that the cluster does not serve, or that is not ours to see
            raise
        return False
    if live is None:
        return False
    if known.kind == claims.KIND:
        claims.remove(api, known.name, known.namespace)
        return True
    # a volume goes when the claim lets go that is bound to it, which may be another task's
    api.delete(kind, known.name, space, wait=known.kind != claims.VOLUME, grace=_grace(known, live))
    if known.kind in MAKERS:
        _stop(api, known, live)
    for begins in _claims_begin(known, live):
        for claim in api.list(claims.KIND, known.namespace):
            if (name := claim["metadata"]["name"]).startswith(begins) and name.removeprefix(begins).isdigit():
                claims.remove(api, name, known.namespace)
    return True


def _claims_begin(known: Known, maker: Obj) -> list[str]:
    """How the names of the claims begin that a StatefulSet makes from its templates; their numbers follow."""
    templates = (maker.get("spec") or {}).get("volumeClaimTemplates") or ()
    return [f"{template['metadata']['name']}-{known.name}-" for template in templates]


def _grace(known: Known, live: Obj) -> int | None:
    return None if known.kind != "Pod" else int(has_claims(live))


def _stop(api: Api, known: Known, maker: Obj) -> None:
    """Return when the Pods are gone that it had made."""
    if not (maker.get("spec") or {}).get("selector"):
        return
    labels = of_pods(maker)

    def its(pods: Iterable[Obj]) -> list[Obj]:
        owners = [(pod, o) for pod in pods for o in pod["metadata"].get("ownerReferences") or ()]
        return [pod for pod, o in owners if o["name"] == known.name or o["name"].startswith(f"{known.name}-")]

    for seconds in (FORCED, STOPPED):
        for pods in api.follow("Pod", known.namespace, labels=labels, timeout=seconds):
            if not its(pods.values()):
                return
        for pod in its(api.list("Pod", known.namespace, labels=labels)):
            api.delete("Pod", pod["metadata"]["name"], known.namespace, grace=int(has_claims(pod)))


# -- what stays


def _others(lab: Lab, api: Api) -> Iterator[str]:
    """What is in the lab's namespaces, was made by a person, and is in no file."""
    mine = labs.manifests(workspace.folder(lab))
    said: dict[Known, Obj] = {}
    for file in (*mine, *lab.start_files, *labs.manifests(lab.solution_folder)):
        try:
            said |= _known(lab, _of(lab, api, [file]))
        except (Problem, OSError):
            continue
    made = tuple(begins for known, obj in said.items() for begins in _claims_begin(known, obj))
    for kind in deletable(api):
        if kind.kind in MADE_BY_CLUSTER:
            continue
        for space in lab.spaces:
            for obj in found(api, kind, space):
                name = obj["metadata"]["name"]
                is_made = kind.kind == claims.KIND and name.startswith(made)
                if _is_persons(kind, obj, space) and Known(kind.kind, space, name) not in said and not is_made:
                    yield f"{kind.kind.lower()}/{name}"


def _is_persons(kind: Served, obj: Obj, space: str) -> bool:
    meta = obj["metadata"]
    ours = MANAGED.items() <= (meta.get("labels") or {}).items()
    return not (ours or meta.get("ownerReferences") or meta.get("deletionTimestamp") or stays(kind.kind, obj, space))
