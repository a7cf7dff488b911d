"""The objects of `kubectl create job` and `kubectl create cronjob`, as kubectl makes them from its flags."""

from __future__ import annotations

from collections.abc import Sequence

from kindlab.api import Obj
from kindlab.kubectl.session import Refused, Session
from kindlab.kubectl.targets import parse


def job(session: Session, name: str, images: Sequence[str], source: str, command: Sequence[str]) -> Obj:
    """A Job that runs an image, or one as a CronJob would start it. Raises Refused."""
    if bool(images) == bool(source):
        raise Refused("error: either --image or --from must be specified")
    if source and command:
        raise Refused("error: cannot specify --from and command")
    if source:
        return _from(session, name, source)
    spec: Obj = {"template": _template(name, images[-1], "Never", command)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec, "status": {}}


def cron_job(name: str, images: Sequence[str], schedule: str, restart: str, command: Sequence[str]) -> Obj:
    """Raises Refused."""
    missing = [f'"{flag}"' for flag, value in (("image", images), ("schedule", schedule)) if not value]
    if missing:
        raise Refused(f"error: required flag(s) {', '.join(missing)} not set")
    template = _template(name, images[-1], restart or "OnFailure", command)
    job_template = {"metadata": {"name": name}, "spec": {"template": template}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": job_template},
        "status": {},
    }


def _template(name: str, image: str, restart: str, command: Sequence[str]) -> Obj:
    container: Obj = {"name": name, "image": image, "resources": {}}
    if command:
        container["command"] = list(command)
    return {"metadata": {}, "spec": {"containers": [container], "restartPolicy": restart}}


def _from(session: Session, name: str, source: str) -> Obj:
    found = parse(session, source.split())
    if len(found) != 1 or not found[0].name:
        raise Refused("error: from must be an existing cronjob")
    cronjob = session.get(found[0].served, found[0].name)
    if cronjob["kind"] != "CronJob":
        raise Refused(f"error: unknown object type *v1.{cronjob['kind']}")
    template = cronjob["spec"]["jobTemplate"]
    meta = template.get("metadata") or {}
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "controller": True}
    made: Obj = {
        "name": name,
        "annotations": {"cronjob.kubernetes.io/instantiate": "manual", **(meta.get("annotations") or {})},
        "ownerReferences": [{**owner, "name": cronjob["metadata"]["name"], "uid": cronjob["metadata"]["uid"]}],
    }
    if meta.get("labels"):
        made["labels"] = meta["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": template["spec"], "status": {}}
