"""What a CronJob's Job does when it is run now: how it ends and which snapshots it makes, the next time, too, and by an
account that may do nothing; and what its own account may do."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

from kindlab.api import Api, Obj
from kindlab.conditions import condition
from kindlab.kinds import SNAPSHOT
from kindlab.managed import MANAGED
from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import OURS, Scene

ORDER = 75
LONGEST, READY = 15.0, 5.0
"""Seconds in which a run ends, in which what it has made gets ready."""
VERBS = ("get", "list", "create", "delete")
RESOURCES = (
    ("", "pods"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "persistentvolumeclaims"),
    ("snapshot.storage.k8s.io", "volumesnapshots"),
)


def look(scene: Scene) -> Iterator[Fact]:
    for space in scene.cast.spaces.values():
        crons = sorted(scene.api.list("CronJob.batch", space), key=lambda cron: str(cron["metadata"]["name"]))
        for number, cron in enumerate(crons, start=1):
            # nobody asks for a CronJob by its name, so right answers choose one of their own
            name = scene.cast.called(f"CronJob {number}", space)
            yield Fact(f"{name} is suspended", "yes" if cron["spec"].get("suspend") else "no")
            yield from _runs(scene.api, cron, name)
            yield from _rights(scene, cron, name)


def _runs(api: Api, cron: Obj, name: str) -> Iterator[Fact]:
    space, nobody = cron["metadata"]["namespace"], f"{OURS}nobody"
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": nobody, "labels": MANAGED}}, space)
    before = {one["metadata"]["uid"] for one in api.list(SNAPSHOT, space)}
    try:
        for when, account in (("a run", ""), ("the next run", ""), ("a run by nobody", nobody)):
            there = {one["metadata"]["uid"] for one in api.list(SNAPSHOT, space)}
            yield Fact(f"{when} of {name} ends", _ended(api, _job(cron, account), space))
            made = [one for one in _at_rest(api, space) if one["metadata"]["uid"] not in there]
            yield Fact(f"{when} of {name} makes", ", ".join(sorted(map(_words, made))) or "nothing")
    finally:
        for one in api.list(SNAPSHOT, space):
            if one["metadata"]["uid"] not in before:
                api.delete(SNAPSHOT, one["metadata"]["name"], space)
        api.delete("ServiceAccount", nobody, space)


def _job(cron: Obj, account: str) -> Obj:
    spec = copy.deepcopy(cron["spec"]["jobTemplate"]["spec"]) | {"backoffLimit": 0, "suspend": False}
    spec.pop("ttlSecondsAfterFinished", None)
    if account:
        spec["template"]["spec"].pop("serviceAccount", None)
        spec["template"]["spec"]["serviceAccountName"] = account
    meta = {"name": f"{OURS}run", "labels": MANAGED}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _ended(api: Api, job: Obj, space: str) -> str:
    name = job["metadata"]["name"]
    api.create(job, space)
    try:
        for found in api.follow("Job.batch", space, fields=f"metadata.name={name}", timeout=LONGEST):
            for kind, words in (("Complete", "complete"), ("Failed", "failed")):
                if any(condition(one, kind).get("status") == "True" for one in found.values()):
                    return words
        return "under way"
    finally:
        api.delete("Job.batch", name, space, wait=True)


def _at_rest(api: Api, space: str) -> list[Obj]:
    """The snapshots, when each is ready or has been given its time."""
    deadline = time.monotonic() + READY
    for found in api.follow(SNAPSHOT, space, timeout=READY):
        if all(map(_is_ready, found.values())) or time.monotonic() > deadline:
            break
    return api.list(SNAPSHOT, space)


def _is_ready(snapshot: Obj) -> bool:
    return bool((snapshot.get("status") or {}).get("readyToUse"))


def _words(snapshot: Obj) -> str:
    claim = snapshot["spec"]["source"].get("persistentVolumeClaimName", "no claim")
    return f"a snapshot of {claim}" + ("" if _is_ready(snapshot) else ", which does not get ready")


def _rights(scene: Scene, cron: Obj, name: str) -> Iterator[Fact]:
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    account = pod.get("serviceAccountName") or pod.get("serviceAccount") or "default"
    user = f"system:serviceaccount:{cron['metadata']['namespace']}:{account}"
    for short, space in scene.cast.spaces.items():
        for group, resource in RESOURCES:
            may = [verb for verb in VERBS if _may(scene.api, user, verb, group, resource, space)]
            where = f" in {short}" if short else ""
            yield Fact(f"the account of {name}, {resource}{where}", ", ".join(may) or "nothing")


def _may(api: Api, user: str, verb: str, group: str, resource: str, space: str) -> bool:
    asked = {"namespace": space, "verb": verb, "group": group, "resource": resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": asked},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(api.request("POST", path, review)["status"].get("allowed"))


LOOK = look
