"""What may change in a Job once it exists.

Models ValidateJobSpecUpdate, validatePodTemplateUpdate and validationOptionsForJob, with the feature gates
MutablePodResourcesForSuspendedJobs and MutableSchedulingDirectivesForSuspendedJobs on, as by default in v1.36.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import internal, metadata
from pocketkube.resources.job_spec import defaults, validation

_SCHEDULING: Final = ("nodeSelector", "tolerations", "schedulingGates")
_POLICIES: Final = {"podFailurePolicy": "PodFailurePolicy", "successPolicy": "SuccessPolicy"}


def validate(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed Job; upstream looks at its spec twice."""
    held = objects.labels(old["spec"]["template"])
    prefixed = defaults.JOB_NAME in held and defaults.CONTROLLER_UID in held
    yield from validation.job(new, prefixed=prefixed)
    after, before = objects.spec(new), objects.spec(old)
    yield from validation.job_spec(after)
    yield from _completions(after, before)
    if after.get("selector") != before.get("selector"):
        yield fields.invalid("spec.selector", internal.selector(after.get("selector")), metadata.IMMUTABLE)
    yield from _template(new, old)
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        if after.get(name) != before.get(name):
            shown = after.get(name)
            if name in _POLICIES:
                shown = internal.value_of(_POLICIES[name], shown)
            yield fields.invalid(f"spec.{name}", shown, metadata.IMMUTABLE)


def _completions(after: Obj, before: Obj) -> Iterator[Cause]:
    new, old = after.get("completions"), before.get("completions")
    if after.get("completionMode") != "Indexed":
        yield from metadata.immutable("spec.completions", new, old)
    elif new is not None and new not in (old, after.get("parallelism")):
        yield fields.invalid("spec.completions", new, "can only be modified in tandem with spec.parallelism")


def _may_change(old: Obj) -> bool:
    """Whether the template is open: the Job is suspended and none of its pods is left."""
    spec, status = objects.spec(old), objects.status(old)
    started = bool(status.get("startTime")) and objects.condition_status(old, "Suspended") != "True"
    return bool(spec.get("suspend")) and not started and not status.get("active")


def _template(new: Obj, old: Obj) -> Iterator[Cause]:
    after, before = new["spec"]["template"], objects.copy(old["spec"]["template"])
    if _may_change(old):
        _follow(before, after)
        for kind in ("containers", "initContainers"):
            _follow_resources(after["spec"].get(kind) or [], before["spec"].get(kind) or [])
        if not _same(after["spec"], before["spec"]):
            yield fields.invalid("spec.template.spec", internal.pod_spec(after["spec"]), metadata.IMMUTABLE)
    elif not _same(after["spec"], before["spec"]) or _meta(after) != _meta(before):
        yield fields.invalid("spec.template", internal.pod_template(after), metadata.IMMUTABLE)


def _follow(before: Obj, after: Obj) -> None:
    """Take over what decides where pods go, and labels and annotations."""
    for name in _SCHEDULING:
        _take(before["spec"], after["spec"], name)
    for name in ("labels", "annotations"):
        _take(objects.meta(before), objects.meta(after), name)
    theirs = (after["spec"].get("affinity") or {}).get("nodeAffinity")
    affinity: Obj = {k: v for k, v in (before["spec"].get("affinity") or {}).items() if k != "nodeAffinity"}
    if theirs is not None:
        affinity["nodeAffinity"] = theirs
    if affinity or after["spec"].get("affinity") is not None:
        before["spec"]["affinity"] = affinity
    else:
        before["spec"].pop("affinity", None)


def _take(before: Obj, after: Obj, name: str) -> None:
    before.pop(name, None)
    if name in after:
        before[name] = after[name]


def _follow_resources(after: list[Obj], before: list[Obj]) -> None:
    if len(after) == len(before):
        for new, old in zip(after, before, strict=True):
            if new.get("name") == old.get("name"):
                _take(old, new, "resources")


def _same(after: Obj, before: Obj) -> bool:
    return after == before or internal.equal_pod_specs(after, before)


def _meta(template: Obj) -> dict[str, Any]:
    return {name: value for name, value in (template.get("metadata") or {}).items() if value}
