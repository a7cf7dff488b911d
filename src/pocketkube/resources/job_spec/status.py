"""What the status of a Job may say, and how it may change: the controllers of others write it too (spec.managedBy).

Models validateJobStatus, ValidateJobStatusUpdate and getStatusValidationOptions: a rule holds only where what it is
about changes, so that a status that is wrong already does not stop other changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import duration, fields, indexes, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import internal, workload
from pocketkube.resources.job_spec.policies import invalid

_COUNTS: Final = ("active", "succeeded", "failed", "ready", "terminating")
_CONDITIONS: Final = "status.conditions"


def is_true(job: Obj, type_: str) -> bool:
    return objects.condition_status(job, type_) == "True"


def is_finished(job: Obj) -> bool:
    """Complete or Failed."""
    return is_true(job, "Complete") or is_true(job, "Failed")


def validate(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed status."""
    status = objects.status(new)
    for name in _COUNTS:
        yield from workload.not_negative(f"status.{name}", status.get(name))
    yield from _uids(status.get("uncountedTerminatedPods") or {})
    yield from _times(new, old)
    yield from _ended(new, old)
    yield from _indexes(new, old)
    if _changed(new, old, "ready", "active") and status.get("ready", 0) > status.get("active", 0):
        yield fields.invalid("status.ready", status["ready"], "cannot set more ready pods than active")
    yield from _contradictions(new, old)
    yield from _taken_back(new, old)


def _changed(new: Obj, old: Obj, *names: str) -> bool:
    after, before = objects.status(new), objects.status(old)
    return any((after.get(name) or None) != (before.get(name) or None) for name in names)


def _turned(new: Obj, old: Obj, *types: str) -> bool:
    return any(is_true(new, type_) != is_true(old, type_) for type_ in types)


def _uids(uncounted: Obj) -> Iterator[Cause]:
    seen: set[str] = set()
    for field in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(field) or ()):
            at = f"status.uncountedTerminatedPods.{field}[{index}]"
            if not uid:
                yield fields.invalid(at, uid, "must not be empty")
            elif uid in seen:
                yield fields.duplicate(at, uid)
            seen.add(uid)


def _times(new: Obj, old: Obj) -> Iterator[Cause]:
    status, complete = objects.status(new), is_true(new, "Complete")
    start, end, at = status.get("startTime"), status.get("completionTime"), "status.completionTime"
    if _turned(new, old, "Complete") or _changed(new, old, "completionTime"):
        if end and not complete:
            yield fields.invalid(at, end, "cannot set completionTime when there is no Complete=True condition")
        if complete and not end:
            yield fields.required(at, "completionTime is required for Complete jobs")
    backwards = start and end and duration.parse_time(end) < duration.parse_time(start)
    if backwards and _changed(new, old, "startTime", "completionTime"):
        yield fields.invalid(at, end, "must be equal to or after `startTime`")


def _ended(new: Obj, old: Obj) -> Iterator[Cause]:
    """A Job that has ended: on the way that leads there, and with nothing left to do."""
    status = objects.status(new)
    unprepared = is_true(new, "Failed") and not is_true(new, "FailureTarget")
    if unprepared and (_turned(new, old, "Failed") or _changed(new, old, "failedIndexes")):
        yield invalid(_CONDITIONS, "cannot set Failed=True condition without the FailureTarget=true condition")
    unprepared = is_true(new, "Complete") and not is_true(new, "SuccessCriteriaMet")
    if unprepared and _turned(new, old, "Complete", "SuccessCriteriaMet"):
        why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield invalid(_CONDITIONS, why)
    if not is_finished(new):
        return
    ends = not is_finished(old)
    spec = objects.spec(new)
    uncounted = status.get("uncountedTerminatedPods") or {}
    never_started = spec.get("suspend") is True and spec.get("completions") == 0
    if (ends or _changed(new, old, "active")) and status.get("active", 0) > 0:
        yield fields.invalid("status.active", status["active"], "active>0 is invalid for finished job")
    if (ends or _changed(new, old, "startTime")) and not status.get("startTime") and not never_started:
        yield fields.required("status.startTime", "startTime is required for finished job")
    if (ends or _changed(new, old, "uncountedTerminatedPods")) and any(uncounted.values()):
        shown = internal.value_of("UncountedTerminatedPods", uncounted)
        yield fields.invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job")
    if (ends or _changed(new, old, "terminating")) and status.get("terminating", 0) > 0:
        yield fields.invalid("status.terminating", status["terminating"], "terminating>0 is invalid for finished job")


def _indexes(new: Obj, old: Obj) -> Iterator[Cause]:
    spec, status = objects.spec(new), objects.status(new)
    completions, per_index = spec.get("completions"), spec.get("backoffLimitPerIndex")
    done, failed = status.get("completedIndexes", ""), status.get("failedIndexes")
    done_changed = _changed(new, old, "completedIndexes")
    failed_changed = failed != objects.status(old).get("failedIndexes")
    if completions is not None and done_changed:
        yield from _format("completedIndexes", done, completions)
    if completions is not None and per_index is not None and failed is not None and failed_changed:
        yield from _format("failedIndexes", failed, completions)
    if done_changed and done and spec.get("completionMode") != "Indexed":
        why = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield fields.invalid("status.completedIndexes", done, why)
    if failed_changed and failed is not None and per_index is None:
        why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield fields.invalid("status.failedIndexes", failed, why)
    if (failed_changed or done_changed) and completions is not None and failed is not None:
        both = indexes.overlap(done, failed, completions)
        if both is not None:
            why = f"failedIndexes and completedIndexes overlap at index: {both}"
            yield fields.invalid("status.failedIndexes", failed, why)


def _format(name: str, text: str, completions: int) -> Iterator[Cause]:
    try:
        indexes.checked(text, completions)
    except ValueError as error:
        yield fields.invalid(f"status.{name}", text, f"error parsing {name}: {error}")


def _contradictions(new: Obj, old: Obj) -> Iterator[Cause]:
    complete, met = is_true(new, "Complete"), is_true(new, "SuccessCriteriaMet")
    failed, target = is_true(new, "Failed"), is_true(new, "FailureTarget")
    if complete and failed and _turned(new, old, "Complete", "Failed"):
        yield invalid(_CONDITIONS, "cannot set Complete=True and Failed=true conditions")
    if complete and target and _turned(new, old, "Complete", "FailureTarget"):
        yield invalid(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions")
    if met and failed:
        yield invalid(_CONDITIONS, "cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if met and target:
        yield invalid(_CONDITIONS, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if objects.spec(new).get("successPolicy") is not None and complete and not met:
        why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        yield invalid(_CONDITIONS, why)


def _taken_back(new: Obj, old: Obj) -> Iterator[Cause]:
    """What has been said stays said."""
    spec, after, before = objects.spec(new), objects.status(new), objects.status(old)
    for type_ in ("Failed", "Complete", "FailureTarget"):
        if is_true(old, type_) and not is_true(new, type_):
            yield invalid(_CONDITIONS, f"cannot disable the terminal {type_}=True condition")
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for name, fixed in (("failed", True), ("succeeded", not elastic)):
        if fixed and after.get(name, 0) < before.get(name, 0):
            yield fields.invalid(f"status.{name}", after.get(name, 0), f"cannot decrease the {name} counter")
    end: Any = after.get("completionTime")
    if end and before.get("completionTime") and end != before["completionTime"]:
        yield fields.invalid("status.completionTime", end, "field is immutable")
    resumes = is_true(old, "Suspended") and objects.condition_status(new, "Suspended") == "False"
    if before.get("startTime") and _changed(new, old, "startTime") and not resumes and not spec.get("suspend"):
        why = "field is immutable for unsuspended job once set"
        yield fields.invalid("status.startTime", after.get("startTime"), why)
    if is_true(old, "SuccessCriteriaMet") and not is_true(new, "SuccessCriteriaMet"):
        yield invalid(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
    if is_true(old, "Complete") and not is_true(old, "SuccessCriteriaMet") and is_true(new, "SuccessCriteriaMet"):
        why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield invalid(_CONDITIONS, why)
