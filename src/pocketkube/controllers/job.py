"""The Job controller: pods until enough of them have succeeded, or too many have failed.

Models pkg/controller/job/job_controller.go (syncJob): completions, indexes, back-off limits, the policies for failure
and success, the deadline, suspending; pods are counted by their finalizer (job_tracking.py), made and deleted in
job_pods.py. Pods whose Job is gone or has ended lose the finalizer here too.
Left out: expectations and the second upstream lets events gather in (reads here are never stale).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import finalizers, job_policies, ownership
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.controllers.job_backoff import Record
from pocketkube.controllers.job_look import TRACKING, Look
from pocketkube.controllers.job_pods import Pods, release
from pocketkube.controllers.job_tracking import Tracking, condition
from pocketkube.duration import parse_time
from pocketkube.objects import Key, Obj
from pocketkube.resources.job_spec.status import is_finished
from pocketkube.selectors import from_label_selector
from pocketkube.store import Event

ORPHAN: Final = "pod/"
"""Before the name of a pod without owner, in keys: no Job is called so."""
MANAGER: Final = "kubernetes.io/job-controller"
_SUSPENDED: Final = ("True", "JobSuspended", "Job suspended", "Suspended")
_RESUMED: Final = ("False", "JobResumed", "Job resumed", "Resumed")


class JobController(Controller):
    name = "job-controller"
    first_delay = 1.0
    longest_delay = 60.0

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._records: dict[str, Record] = {}
        """Of failures, by the Job's uid."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "jobs", own_key
        yield "pods", self._of_pod

    def _of_pod(self, event: Event) -> Iterable[Key]:
        yield from ownership.controllers_of(self.client, "jobs", "Job")(event)
        pod = event.object
        if event.type != "DELETED" and finalizers.is_held(pod, TRACKING) and objects.controller_ref(pod) is None:
            yield objects.namespace(pod), ORPHAN + objects.name(pod)

    async def reconcile(self, at: Key) -> float | None:
        if at[1].startswith(ORPHAN):
            pod = self.client.find("pods", at[0], at[1].removeprefix(ORPHAN))
            if pod is not None and objects.controller_ref(pod) is None:
                release(self.client, pod)
            return None
        job = self.client.find("jobs", *at)
        self._let_go(at, job)
        if job is None or is_finished(job):
            self._forget(job)
            return None
        if not _is_ours(job):
            return None
        return await self._sync(job)

    def _let_go(self, at: Key, job: Obj | None) -> None:
        """Take the finalizer from pods of that Job when it has ended, or is another one by now."""
        ours = "" if job is None or (is_finished(job) and _is_ours(job)) else objects.uid(job)
        for pod in self.client.list("pods", at[0]):
            ref = objects.controller_ref(pod)
            if ref is None or ref["kind"] != "Job" or ref["name"] != at[1] or ref["uid"] == ours:
                continue
            release(self.client, pod)

    def _forget(self, job: Obj | None) -> None:
        if job is not None:
            self._records.pop(objects.uid(job), None)
        elif self._records:
            there = {objects.uid(found) for found in self.client.list("jobs")}
            self._records = {uid: record for uid, record in self._records.items() if uid in there}

    async def _sync(self, stored: Obj) -> float | None:
        selector = from_label_selector(stored["spec"]["selector"])
        candidates = self.client.list("pods", objects.namespace(stored))
        owned = ownership.claim(
            self.client, "pods", stored, candidates, lambda pod: selector(objects.labels(pod)), finalizer=TRACKING
        )
        job = {**stored, "status": objects.copy(objects.status(stored))}
        look = Look(job, owned)
        record = self._records.get(objects.uid(job), Record())
        look.record = record.then(look.new_succeeded, look.new_failed)
        if not job["status"].get("startTime") and not job["spec"].get("suspend"):
            job["status"]["startTime"] = self.clock.now()
        look.finish = self._finish(look)
        pods = Pods(self.client, look)
        if look.finish is not None:
            pods.delete(look.active, counted=True)
            if pods.active:
                look.finish = None
        else:
            await self._manage(look, pods)
        status = job["status"]
        status.update(active=pods.active, ready=max(0, pods.ready), terminating=pods.terminating)
        tracking = Tracking(self.client, look)
        ended = tracking.track(pods.terminating)
        if tracking.noted and not ended:
            self._records[objects.uid(job)] = look.record
        if pods.error is not None:
            raise pods.error
        waits = (pods.wait, None if ended else self._until_deadline(job))
        return min((wait for wait in waits if wait is not None), default=None)

    # -- whether it ends

    def _finish(self, look: Look) -> Obj | None:
        """The condition that ends the Job: what was said before, then failures, then its success policy."""
        job, spec = look.job, look.job["spec"]
        said = objects.condition(job, "SuccessCriteriaMet")
        if said is not None and said["status"] == "True":
            return said
        said = objects.condition(job, "FailureTarget")
        if said is not None and said["status"] == "True":
            return self._condition("Failed", said["reason"], said["message"])
        if message := job_policies.job_failure(job, look.pods):
            return self._condition("FailureTarget", "PodFailurePolicy", message)
        if look.failed > spec["backoffLimit"] or job_policies.restarted_too_often(job, look.pods):
            why = "Job has reached the specified backoff limit"
            return self._condition("FailureTarget", "BackoffLimitExceeded", why)
        if self._until_deadline(job) == 0:
            why = "Job was active longer than specified deadline"
            return self._condition("FailureTarget", "DeadlineExceeded", why)
        if look.failed_indexes:
            most = spec.get("maxFailedIndexes")
            if most is not None and len(look.failed_indexes) > most:
                why = "Job has exceeded the specified maximal number of failed indexes"
                return self._condition("FailureTarget", "MaxFailedIndexesExceeded", why)
            if len(look.failed_indexes) + len(look.done) >= spec["completions"]:
                return self._condition("FailureTarget", "FailedIndexes", "Job has failed indexes")
        if look.is_indexed and (message := job_policies.success(job, look.done)):
            return self._condition("SuccessCriteriaMet", "SuccessPolicy", message)
        return None

    def _until_deadline(self, job: Obj) -> float | None:
        """Seconds the Job may still be active, 0 when it may no longer; None without a deadline."""
        limit, start = job["spec"].get("activeDeadlineSeconds"), job["status"].get("startTime")
        if limit is None or not start or job["spec"].get("suspend"):
            return None
        return max(0.0, parse_time(start).timestamp() + float(limit) - self.clock.time())

    def _condition(self, type_: str, reason: str, message: str) -> Obj:
        return condition(type_, "True", reason, message, self.clock.now())

    # -- what it does meanwhile

    async def _manage(self, look: Look, pods: Pods) -> None:
        job = look.job
        managed = not objects.is_terminating(job)
        if managed:
            await pods.manage()
        enough = job["spec"].get("completions")
        if not pods.active and look.succeeded >= (1 if enough is None else enough):
            why = "Reached expected number of succeeded pods"
            look.finish = self._condition("SuccessCriteriaMet", "CompletionsReached", why)
        elif managed:
            self._say_suspended(job)

    def _say_suspended(self, job: Obj) -> None:
        status, suspended = job["status"], bool(job["spec"].get("suspend"))
        value, reason, message, event = _SUSPENDED if suspended else _RESUMED
        found = objects.condition(job, "Suspended")
        if (found is None and not suspended) or (found is not None and found["status"] == value):
            return
        new = condition("Suspended", value, reason, message, self.clock.now())
        conditions = status.get("conditions") or []
        status["conditions"] = [new if c is found else c for c in conditions] if found else [*conditions, new]
        self.client.record(job, "Normal", event, message)
        if suspended:
            status.pop("startTime", None)
        else:
            status["startTime"] = self.clock.now()


def _is_ours(job: Obj) -> bool:
    return bool(job["spec"].get("managedBy", MANAGER) == MANAGER)


CONTROLLER = JobController
