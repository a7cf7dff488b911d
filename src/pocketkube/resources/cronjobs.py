"""CronJobs.

Models pkg/registry/batch/cronjob, ValidateCronJob* of pkg/apis/batch/validation and the printer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import cron, fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import workload
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, containers, described, selector_text, since
from pocketkube.resources.job_spec import defaults, validation

_POLICIES: Final = ("Allow", "Forbid", "Replace")
_LONGEST_NAME: Final = 52
"""A Job's name has a dash and ten digits more."""
_ZONE_PART: Final = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")


class RESOURCE(Resource):
    group = "batch"
    kind = "CronJob"
    plural = "cronjobs"
    short_names = ("cj",)
    categories = ("all",)
    has_status = True
    bumps_generation = True
    columns = described(
        "cronjobs",
        NAME,
        Column("Schedule"),
        Column("Timezone"),
        Column("Suspend", "boolean"),
        Column("Active", "integer"),
        Column("Last Schedule"),
        AGE,
        Column("Containers", priority=1),
        Column("Images", priority=1),
        Column("Selector", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        template = objects.dig(spec, "jobTemplate", "spec", default={})
        last = status.get("lastScheduleTime")
        return [
            objects.name(obj),
            spec.get("schedule", ""),
            spec.get("timeZone", "<none>"),
            str(spec["suspend"]) if spec.get("suspend") is not None else "<unset>",
            len(status.get("active") or ()),
            since(self.world.clock, last) if last else "<none>",
            age(self.world.clock, obj),
            *containers(objects.dig(template, "template", "spec", default={})),
            selector_text(template.get("selector")),
        ]

    def default(self, obj: Obj) -> None:
        defaults.cron_job(obj)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from _spec(objects.spec(obj), None)
        if len(objects.name(obj)) > _LONGEST_NAME:
            why = f"must be no more than {_LONGEST_NAME} characters"
            yield fields.invalid("metadata.name", objects.name(obj), why)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from _spec(objects.spec(new), objects.spec(old))

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        spec = objects.spec(new)
        if old is None:
            yield from workload.name_warned(new)
        if old is None or new["metadata"].get("generation") != old["metadata"].get("generation"):
            yield from validation.warned("spec.jobTemplate.spec", objects.dig(spec, "jobTemplate", "spec", default={}))
        if old is not None and "TZ" in spec.get("schedule", ""):
            yield (
                "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )


def _spec(spec: Obj, old: Obj | None) -> Iterator[Cause]:
    schedule, zone = spec.get("schedule", ""), spec.get("timeZone")
    if not schedule:
        yield fields.required("spec.schedule")
    else:
        yield from _schedule(schedule, zone, old is not None and "TZ" in old.get("schedule", ""))
    yield from workload.not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None and (old is None or old.get("timeZone") != zone):
        yield from _zone(zone)
    policy = spec.get("concurrencyPolicy", "")
    if policy not in _POLICIES:
        yield fields.not_supported("spec.concurrencyPolicy", policy, _POLICIES, in_order=True)
    yield from validation.template("spec.jobTemplate", spec.get("jobTemplate") or {})
    for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from workload.not_negative(f"spec.{name}", spec.get(name))


def _schedule(schedule: str, zone: str | None, had_zone: bool) -> Iterator[Cause]:
    """`had_zone`: it named a time zone itself before, which only old ones may."""
    at = "spec.schedule"
    try:
        cron.parse(schedule)
    except ValueError as error:
        yield fields.invalid(at, schedule, str(error))
    if "TZ" not in schedule:
        return
    if not had_zone:
        yield fields.invalid(at, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    elif zone is not None:
        yield fields.invalid(at, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _zone(zone: str) -> Iterator[Cause]:
    at = "spec.timeZone"
    if not zone:
        yield fields.invalid(at, zone, "timeZone must be nil or non-empty string")
        return
    if any(part in (".", "..") or part[:1] == "-" or not _ZONE_PART.fullmatch(part) for part in zone.split("/")):
        yield fields.invalid(at, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield fields.invalid(at, zone, why)
        if zone == "Local":
            return  # Go knows that one
    try:
        cron.zone(zone)
    except ValueError as error:
        yield fields.invalid(at, zone, str(error))
