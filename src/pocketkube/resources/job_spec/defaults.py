"""What Jobs and CronJobs are filled up with.

Models pkg/apis/batch/v1/defaults.go, and generateSelector of pkg/registry/batch/job: labels that make the selector
of a Job its own.
"""

from __future__ import annotations

from typing import Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec import defaults

CONTROLLER_UID: Final = "batch.kubernetes.io/controller-uid"
JOB_NAME: Final = "batch.kubernetes.io/job-name"
LEGACY_CONTROLLER_UID: Final = "controller-uid"
LEGACY_JOB_NAME: Final = "job-name"
_MAX_INT32: Final = 2**31 - 1


def job(obj: Obj) -> None:
    """A whole Job."""
    spec = obj.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _fill(spec, "parallelism", 1)
    _fill(spec, "backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _MAX_INT32)
    _fill(spec, "completionMode", "NonIndexed")
    _fill(spec, "suspend", False)
    _fill(spec, "podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed")
    _fill(spec, "manualSelector", False)
    job_spec(spec)
    labels = objects.labels(spec["template"])
    if labels and not objects.labels(obj):
        obj["metadata"]["labels"] = labels  # one and the same, so that what is generated is in both


def job_spec(spec: Obj) -> None:
    """What Jobs and job templates have in common."""
    defaults.template(spec.setdefault("template", {}))
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern["status"] = pattern.get("status") or "True"


def cron_job(obj: Obj) -> None:
    """A whole CronJob."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("schedule", "")
    spec["concurrencyPolicy"] = spec.get("concurrencyPolicy") or "Allow"
    _fill(spec, "suspend", False)
    _fill(spec, "successfulJobsHistoryLimit", 3)
    _fill(spec, "failedJobsHistoryLimit", 1)
    template = spec.setdefault("jobTemplate", {})
    template.setdefault("metadata", {})
    job_spec(template.setdefault("spec", {}))


def generated_labels(obj: Obj) -> dict[str, str]:
    """The labels a Job's pods carry, in the order upstream checks them."""
    uid, name = objects.uid(obj), objects.name(obj)
    return {LEGACY_CONTROLLER_UID: uid, LEGACY_JOB_NAME: name, CONTROLLER_UID: uid, JOB_NAME: name}


def generate_selector(obj: Obj) -> None:
    """Labels and selector of a new Job; what is there already stays, and is judged later."""
    spec = obj["spec"]
    held = objects.meta(spec["template"])
    own, found = obj["metadata"].get("labels"), held.get("labels")
    held["labels"] = {**generated_labels(obj), **(found or {})}
    if not own or own is found:
        obj["metadata"]["labels"] = dict(held["labels"])
    selector = spec["selector"] = spec.get("selector") or {}
    selector["matchLabels"] = {CONTROLLER_UID: objects.uid(obj), **(selector.get("matchLabels") or {})}


def _fill(spec: Obj, name: str, value: object) -> None:
    if spec.get(name) is None:
        spec[name] = value
