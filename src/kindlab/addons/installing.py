"""Add-ons put on a cluster, looked at there, and taken away again, through the Kubernetes API alone.

An installation may end at any moment and is finished by the next one. Doing it again changes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from time import monotonic

from kindlab.addons import content, ready, records
from kindlab.addons.model import Addon, all_addons
from kindlab.addons.putting import NEVER_ANEW, label, put
from kindlab.addons.records import Record, Ref
from kindlab.api import Api, ApiError, Obj
from kindlab.clusters.base import Step
from kindlab.errors import Problem
from kindlab.needs import forget, probed

PATIENCE, UNPULLED = 420.0, 90.0
"""Seconds for one add-on to get ready, pulling its images included; and for an image that is refused."""
DEFINITION = "CustomResourceDefinition"
RBAC = "rbac.authorization.k8s.io/"


class Others(Problem):
    """Somebody else has put parts of it there."""


@dataclass(frozen=True)
class State:
    """`word`: installed, not ready, not finished, other version, absent. `version`: what is there, "" for nothing."""

    word: str
    version: str = ""


def state(api: Api, addon: Addon) -> State:
    """What there is of it, of kindlab's making. Raises ApiError (403: who may not look)."""
    record = records.of(api, addon)
    if record is None:
        return State("absent")
    if not record.complete:
        return State("not finished", record.version)
    if record.digest != addon.digest:
        return State("other version", record.version)
    return State("installed" if _stands(api, addon, record) else "not ready", record.version)


def _stands(api: Api, addon: Addon, record: Record) -> bool:
    """Whether all of it is still there, its programs run and its signs are seen."""
    try:
        for ref in record.objects:
            live = api.get(ref.type, ref.name, ref.namespace)
            if live is None or (ref.kind in ready.WORKLOADS and not ready.is_running(ref.kind, live)):
                return False
        return all(
            any(ready.is_seen(obj, sign) for obj in api.list(sign.kind, fields=_named(sign.name)))
            for sign in addon.ready
        )
    except ApiError as error:
        if error.code == 404:  # the cluster does not serve that kind any more
            return False
        raise


def _named(name: str) -> str:
    return f"metadata.name={name}" if name else ""


def install(
    api: Api, addon: Addon, step: Step, *, offline: bool = False, patience: float = PATIENCE, unpulled: float = UNPULLED
) -> bool:
    """Bring it there and return when it is ready; what it requires must be there. False when it was, also by another
    hand. Raises Problem."""
    try:
        if state(api, addon).word == "installed":
            return False
        _install(api, addon, step, offline=offline, deadline=monotonic() + patience, unpulled=unpulled)
    except Others:
        if not _serves(api, addon):
            raise
        return False
    except ApiError as error:
        raise refused(addon, error) from error
    forget(api)  # what the cluster lacked it may have now
    return True


def _serves(api: Api, addon: Addon) -> bool:
    """Whether the cluster can do all that the add-on would bring."""
    found = probed(api, addon.gives)
    return bool(found) and all(one.has for one in found.values())


def refused(addon: Addon, error: ApiError) -> Problem:
    """In words."""
    way = (
        "Somebody who administers the cluster can do it." if error.code == 403 else "kindlab status shows the cluster."
    )
    what = "your rights there do not suffice" if error.code == 403 else "the cluster refused a part of it"
    return Problem(
        f"{addon} was not installed: {what}.",
        f"{error.message.rstrip('.') or error.reason}.",
        f"{way} Then: kindlab addons install {addon.name}",
    )


def _install(api: Api, addon: Addon, step: Step, *, offline: bool, deadline: float, unpulled: float) -> None:
    step(f"{addon}: getting its files")
    found = [_placed(api, addon, obj) for obj in content.objects(addon, api, step, offline=offline)]
    wanted = _without_others(api, addon, found)
    phases = _phases(wanted)
    wanted = [obj for phase in phases for obj in phase]
    record = records.begun(api, addon, wanted, records.of(api, addon))
    for phase in phases:
        for obj in phase:
            step(f"{addon}: {label(obj)}")
            ready.until(partial(put, api, obj), deadline, time.sleep)
        for ref in map(Ref.of, phase):
            if ref.kind == DEFINITION:
                ready.definition(api, ref, deadline)
            elif ref.kind in ready.WORKLOADS:
                ready.workload(api, addon, ref, step, deadline, unpulled=unpulled)
    for sign in addon.ready:
        ready.until(partial(ready.sign, api, addon, sign, step, deadline), deadline, time.sleep)
    now = [Ref.of(obj) for obj in wanted]
    _remove(api, addon, [ref for ref in record.objects if ref not in now and ref.kind not in NEVER_ANEW], step)
    records.ended(api, addon, record, wanted)


def _placed(api: Api, addon: Addon, obj: Obj) -> Obj:
    """With the namespace it is to lie in."""
    try:
        namespaced = api.namespaced(f"{obj['apiVersion']}/{obj['kind']}")
    except ApiError as error:
        if error.code != 404:
            raise
        return obj  # its definition comes with this add-on: our own manifest says where
    meta = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
    if namespaced:
        meta["namespace"] = obj["metadata"].get("namespace") or addon.namespace
    return {**obj, "metadata": meta}


def _without_others(api: Api, addon: Addon, objects: list[Obj]) -> list[Obj]:
    """What of it is ours to put there. Definitions that somebody else has installed are used as they are. Raises
    Others when anything more of it is there by another hand: to take that over might break it."""
    others = [obj for obj in objects if _is_others(api, addon, obj)]
    taken = [label(obj) for obj in others if obj["kind"] != DEFINITION]
    if taken:
        more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
        raise Others(
            f"{addon} was not installed: this cluster has it, or parts of it, by another hand.",
            f"There already, and not made by kindlab: {', '.join(taken[:3])}{more}.",
            "The labs would use it as it is, but it does not do what they need (kindlab can). Remove it in the way it "
            f"came (helm uninstall, kubectl delete -f), then: kindlab addons install {addon.name}",
        )
    return [obj for obj in objects if obj not in others]


def _is_others(api: Api, addon: Addon, obj: Obj) -> bool:
    try:
        live = api.live(obj)
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return live is not None and not _is_ours(addon, live)


def _is_ours(addon: Addon, live: Obj) -> bool:
    return bool((live["metadata"].get("labels") or {}).get(content.LABEL) == addon.name)


def _phases(objects: list[Obj]) -> list[list[Obj]]:
    """In the order of installation: each waits for the one before. What needs the add-on's own definitions comes last:
    its programs may have a say in whether it is accepted."""
    groups = {obj["spec"]["group"] for obj in objects if obj["kind"] == DEFINITION}
    phases: list[list[Obj]] = [[], [], [], [], [], []]
    for obj in objects:
        if obj["kind"] == "Namespace":
            at = 0
        elif obj["kind"] == DEFINITION:
            at = 1
        elif obj["apiVersion"].partition("/")[0] in groups:
            at = 5
        elif obj["kind"] in ready.WORKLOADS:
            at = 4
        else:
            at = 2 if obj["kind"] == "ServiceAccount" or obj["apiVersion"].startswith(RBAC) else 3
        phases[at].append(obj)
    return [phase for phase in phases if phase]


# -- removing


def remove(api: Api, addon: Addon, step: Step) -> bool:
    """Take away what kindlab has put there, the last first, definitions with all objects of their kinds; what was there
    before kindlab, or was put in its place since, stays. False when there was nothing. Raises Problem when something
    needs it."""
    try:
        record = records.of(api, addon)
        if record is None:
            return False
        if needing := [other.name for other in all_addons() if addon.name in other.requires and records.of(api, other)]:
            raise Problem(
                f"{addon} stays: {', '.join(needing)} needs it.",
                "Without it the other would not work.",
                f"Remove that first: kindlab addons remove {' '.join(needing)}",
            )
        _remove(api, addon, list(record.objects), step)
        records.gone(api, addon)
    except ApiError as error:
        raise Problem(
            f"{addon} could not be removed.", f"{error.message.rstrip('.')}.", "What is left goes with another try."
        ) from error
    forget(api)
    return True


def lost_with(api: Api, addon: Addon) -> list[str]:
    """What goes with the definitions of an add-on and is not its own: objects of these kinds, whoever made them.
    Raises ApiError."""
    record = records.of(api, addon)
    found = []
    for ref in record.objects if record else ():
        live = api.get(ref.type, ref.name) if ref.kind == DEFINITION else None
        if live is not None and _is_ours(addon, live):
            kind, served = live["spec"]["names"]["kind"], f"{live['spec']['names']['plural']}.{live['spec']['group']}"
            found += [label({"kind": kind, **obj}) for obj in api.list(served) if not _is_ours(addon, obj)]
    return found


def _remove(api: Api, addon: Addon, refs: list[Ref], step: Step) -> None:
    """What has our mark: under these names somebody else may have put his own since."""
    for ref in reversed(refs):
        try:
            live = api.get(ref.type, ref.name, ref.namespace)
            if live is None or not _is_ours(addon, live):
                continue
            step(f"removing {ref.kind} {ref.name}")
            api.delete(ref.type, ref.name, ref.namespace, wait=ref.kind in (DEFINITION, "Namespace"))
        except ApiError as error:
            if error.code != 404:  # the cluster does not serve that kind any more
                raise
