"""The CronJob controller: a Job whenever the schedule says so.

Models pkg/controller/cronjob/cronjob_controllerv2.go (syncCronJob, cleanupFinishedJobs): missed times, the starting
deadline, concurrency policies, the list of active Jobs, the history limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from pocketkube import cron, fields, objects
from pocketkube.controllers import cronjob_schedule as scheduling
from pocketkube.controllers import ownership
from pocketkube.controllers.base import BACKGROUND, Controller, Mapping, namespace_is_terminating
from pocketkube.duration import format_time, parse_time
from pocketkube.errors import AlreadyExists, NotFound, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.resources.job_spec.status import is_finished, is_true
from pocketkube.store import Event

SCHEDULED_AT: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_HELP: Final = "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"


class CronJobController(Controller):
    name = "cronjob-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "cronjobs", self._of_cronjob
        yield "jobs", _owner

    def _of_cronjob(self, event: Event) -> Iterable[Key]:
        """A schedule that has changed counts from now on: what it would have missed is not made up for."""
        new, old = event.object, event.old
        if old is None or event.type == "DELETED" or _when(new) == _when(old):
            yield objects.key(new)
            return
        now = datetime.fromtimestamp(self.clock.time(), UTC)
        with suppress(ValueError):
            wait = scheduling.until_next(new, scheduling.schedule(new), now)
            if wait is not None:
                self.enqueue_after(objects.key(new), wait)

    async def reconcile(self, at: Key) -> float | None:
        stored = self.client.find("cronjobs", *at)
        if stored is None:
            return None
        cronjob = {**stored, "status": objects.copy(objects.status(stored))}
        jobs = [job for job in self.client.list("jobs", at[0]) if ownership.is_controlled_by(job, stored)]
        self._clean_up(cronjob, jobs)
        try:
            return self._sync(cronjob, jobs)
        finally:
            if cronjob["status"] != objects.status(stored):
                self.client.update_status("cronjobs", {**cronjob, "metadata": {**cronjob["metadata"]}})

    def _say(self, cronjob: Obj, type_: str, reason: str, message: str) -> None:
        self.client.record(cronjob, type_, reason, message)

    # -- what has become of its Jobs

    def _look_after(self, cronjob: Obj, jobs: list[Obj]) -> None:
        status = cronjob["status"]
        for job in jobs:
            known = any(ref["uid"] == objects.uid(job) for ref in status.get("active") or ())
            name = objects.name(job)
            if not is_finished(job):
                if not known:
                    why = f"Saw a job that the controller did not create or forgot: {name}"
                    self._say(cronjob, "Warning", "UnexpectedJob", why)
                continue
            if known:
                ended = "Complete" if is_true(job, "Complete") else "Failed"
                _forget(cronjob, objects.uid(job))
                self._say(cronjob, "Normal", "SawCompletedJob", f"Saw completed job: {name}, condition: {ended}")
            end = objects.status(job).get("completionTime")
            if end and is_true(job, "Complete") and end > status.get("lastSuccessfulTime", ""):
                status["lastSuccessfulTime"] = end
        there = {objects.uid(job) for job in jobs}
        for ref in list(status.get("active") or ()):
            if ref["uid"] not in there and self.client.find("jobs", ref["namespace"], ref["name"]) is None:
                self._say(cronjob, "Normal", "MissingJob", f"Active job went missing: {ref['name']}")
                _forget(cronjob, ref["uid"])

    def _clean_up(self, cronjob: Obj, jobs: list[Obj]) -> None:
        """Delete the oldest Jobs that have ended beyond the limits."""
        for type_, field in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
            limit = cronjob["spec"].get(field)
            if limit is None:
                continue
            ended = sorted((job for job in jobs if is_true(job, type_) and not objects.is_terminating(job)), key=_start)
            for job in ended[: max(0, len(ended) - limit)]:
                self._delete(cronjob, job)

    def _delete(self, cronjob: Obj, job: Obj) -> None:
        try:
            self.client.delete("jobs", objects.key(job), BACKGROUND)
        except NotFound:
            pass
        except StatusError as error:
            self._say(cronjob, "Warning", "FailedDelete", f"Deleted job: {error.message}")
            raise
        _forget(cronjob, objects.uid(job))
        self._say(cronjob, "Normal", "SuccessfulDelete", f"Deleted job {objects.name(job)}")

    # -- whether another one is due

    def _sync(self, cronjob: Obj, jobs: list[Obj]) -> float | None:
        self._look_after(cronjob, jobs)
        schedule = self._schedule(cronjob)
        if schedule is None:
            return None
        now = datetime.fromtimestamp(self.clock.time(), UTC)
        try:
            due = scheduling.due(cronjob, schedule, now, deadline=True)
        except ValueError as error:
            why = f"invalid schedule: {cronjob['spec']['schedule']} : {error}"
            self._say(cronjob, "Warning", "InvalidSchedule", why)
            return None
        if due.time is not None:
            if due.missed > scheduling.MANY:
                why = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
                self._say(cronjob, "Warning", "TooManyMissedTimes", why)
            if self._may_start(cronjob, due.time, now):
                self._start(cronjob, due.time)
        return scheduling.until_next(cronjob, schedule, now)

    def _schedule(self, cronjob: Obj) -> cron.Schedule | None:
        """None when there is nothing to do, which has been said where it is wrong."""
        spec = cronjob["spec"]
        if objects.is_terminating(cronjob):
            return None
        zone, text = spec.get("timeZone"), spec["schedule"]
        try:
            cron.zone(zone or "")
        except ValueError as error:
            self._say(cronjob, "Warning", "UnknownTimeZone", f"invalid timeZone: {fields.show(zone)}: {error}")
            return None
        if spec.get("suspend"):
            return None
        if "TZ" in text:
            why = f"CRON_TZ or TZ used in schedule {fields.show(text)} is not officially supported, {_HELP}"
            self._say(cronjob, "Warning", "UnsupportedSchedule", why)
        try:
            return scheduling.schedule(cronjob)
        except ValueError as error:
            why = f"unparseable schedule: {fields.show(text)} : {error}"
            self._say(cronjob, "Warning", "UnparseableSchedule", why)
            return None

    def _may_start(self, cronjob: Obj, time: datetime, now: datetime) -> bool:
        spec, status = cronjob["spec"], cronjob["status"]
        deadline = spec.get("startingDeadlineSeconds")
        if deadline is not None and (now - time).total_seconds() > deadline:
            moment = time.strftime("%a, %d %b %Y %H:%M:%S +0000")
            self._say(cronjob, "Warning", "MissSchedule", f"Missed scheduled time to start a job: {moment}")
            return False
        active = status.get("active") or []
        name = _name(cronjob, time)
        if any(ref["name"] == name for ref in active) or status.get("lastScheduleTime") == format_time(time):
            return False
        if spec["concurrencyPolicy"] == "Forbid" and active:
            why = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._say(cronjob, "Normal", "JobAlreadyActive", why)
            return False
        return True

    def _start(self, cronjob: Obj, time: datetime) -> None:
        status = cronjob["status"]
        if cronjob["spec"]["concurrencyPolicy"] == "Replace":
            for ref in list(status.get("active") or ()):
                job = self.client.find("jobs", ref["namespace"], ref["name"])
                if job is not None:
                    self._delete(cronjob, job)
        try:
            job = self.client.create("jobs", _job(cronjob, time))
        except AlreadyExists:
            job = self.client.get("jobs", objects.namespace(cronjob), _name(cronjob, time))
            if not ownership.is_controlled_by(job, cronjob):
                return
        except StatusError as error:
            if not namespace_is_terminating(error):
                self._say(cronjob, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        else:
            self._say(cronjob, "Normal", "SuccessfulCreate", f"Created job {objects.name(job)}")
        reference = {
            "apiVersion": job["apiVersion"],
            "kind": job["kind"],
            "name": objects.name(job),
            "namespace": objects.namespace(job),
            "resourceVersion": job["metadata"]["resourceVersion"],
            "uid": objects.uid(job),
        }
        status["active"] = [*(status.get("active") or ()), reference]
        status["lastScheduleTime"] = format_time(time)


def _when(cronjob: Obj) -> tuple[str, str]:
    return cronjob["spec"]["schedule"], cronjob["spec"].get("timeZone", "")


def _owner(event: Event) -> Iterable[Key]:
    for job in (event.object, event.old):
        ref = objects.controller_ref(job) if job is not None else None
        if job is not None and ref is not None and ref["kind"] == "CronJob":
            yield objects.namespace(job), ref["name"]


def _forget(cronjob: Obj, uid: str) -> None:
    """Take a Job from the list of active ones."""
    status = cronjob["status"]
    left = [ref for ref in status.pop("active", None) or () if ref["uid"] != uid]
    if left:
        status["active"] = left


def _start(job: Obj) -> tuple[bool, float, str]:
    """Orders Jobs by when they began, those that have not last."""
    time = objects.status(job).get("startTime")
    return not time, parse_time(time).timestamp() if time else 0.0, objects.name(job)


def _name(cronjob: Obj, time: datetime) -> str:
    return f"{objects.name(cronjob)}-{scheduling.minutes(time)}"


def _job(cronjob: Obj, time: datetime) -> Obj:
    template = objects.copy(cronjob["spec"]["jobTemplate"])
    local = time.astimezone(cron.zone(cronjob["spec"].get("timeZone", ""))).isoformat(timespec="seconds")
    annotations = {**objects.annotations(template), SCHEDULED_AT: local.replace("+00:00", "Z")}
    meta = {
        "name": _name(cronjob, time),
        "namespace": objects.namespace(cronjob),
        "annotations": annotations,
        "ownerReferences": [objects.owner_reference(cronjob)],
    }
    if labels := objects.labels(template):
        meta["labels"] = labels
    return {"metadata": meta, "spec": template["spec"]}


CONTROLLER = CronJobController
