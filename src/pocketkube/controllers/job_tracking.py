"""How a Job counts its pods, each once, whatever happens in between.

Models trackJobStatusAndRemoveFinalizers and enactJobFinished of pkg/controller/job: pods that have ended are noted in
status.uncountedTerminatedPods, then lose their finalizer, then are counted. The Job has ended when all are counted and
none is terminating.
"""

from __future__ import annotations

from typing import Any

from pocketkube import indexes, objects
from pocketkube.client import Client
from pocketkube.controllers import finalizers, job_policies
from pocketkube.controllers.job_look import TRACKING, Look
from pocketkube.controllers.job_pods import release
from pocketkube.objects import Obj

MOST_UNCOUNTED = 500
"""Pods that one reconcile counts at most."""
_OMITTED = ("active", "succeeded", "failed", "completedIndexes")
"""Fields that are left out when there is nothing to tell."""


def condition(type_: str, value: str, reason: str, message: str, now: str) -> Obj:
    return {
        "type": type_,
        "status": value,
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


class Tracking:
    """`Tracking(client, look).track(terminating)` after the pods have been managed; `look.finish` may be set."""

    def __init__(self, client: Client, look: Look) -> None:
        self.client = client
        self.look = look
        self.job = look.job
        self.status: Obj = look.job["status"]
        self.noted = False
        """Whether what the pods' end says has been written."""

    def track(self, terminating: int) -> bool:
        """Count, and write what has changed. `terminating`: pods that are going. Returns whether the Job has ended."""
        holders = {objects.uid(pod): pod for pod in self.look.pods if finalizers.is_held(pod, TRACKING)}
        self._count(set(holders))
        chosen, all_chosen = self._note(list(holders.values()))
        self._announce()
        self._write()
        for pod in chosen:
            release(self.client, pod)
        self._count(set(holders) - {objects.uid(pod) for pod in chosen})
        ended = all_chosen and self._end(terminating)
        self._write()
        if ended:
            self._tell()
        return ended

    def _count(self, held: set[str]) -> None:
        """Of the pods that are noted, those that no longer wait."""
        for field, noted in self.look.uncounted.items():
            waiting = [uid for uid in noted if uid in held]
            counted = len(noted) - len(waiting)
            if counted:
                self.status[field] = self.status.get(field, 0) + counted
            self.look.uncounted[field] = waiting

    def _note(self, pods: list[Obj]) -> tuple[list[Obj], bool]:
        """(pods that may go once they are noted, whether those are all)."""
        look, chosen, succeeded = self.look, [], set[int]()
        complete = True
        if look.is_indexed:
            pods.sort(key=lambda pod: -1 if (index := look.index(pod)) is None else index)
        for pod in pods:
            failed = job_policies.has_failed(self.job, pod)
            if not self._may_go(pod, failed):
                continue
            chosen.append(pod)
            uid, index = objects.uid(pod), look.index(pod) if look.is_indexed else None
            known = uid in look.uncounted["failed"] or (look.is_indexed and index is None)
            if objects.status(pod).get("phase") == "Succeeded" and uid not in look.uncounted["failed"]:
                if index is not None:
                    succeeded.add(index)
                elif not look.is_indexed and uid not in look.uncounted["succeeded"]:
                    look.uncounted["succeeded"].append(uid)
            elif (failed or self._is_lost()) and not known and job_policies.counts(self.job, pod):
                look.uncounted["failed"].append(uid)
            if len(succeeded) + sum(map(len, look.uncounted.values())) >= MOST_UNCOUNTED:
                complete = False
                break
        if look.is_indexed:
            look.done |= succeeded
            self.status["succeeded"] = len(look.done)
            self.status["completedIndexes"] = indexes.show(look.done)
            if look.failed_indexes is not None:
                self.status["failedIndexes"] = indexes.show(look.failed_indexes)
        return chosen, complete

    def _is_lost(self) -> bool:
        """Whether the Job ends, and not well: then all pods that are left have failed."""
        return self.look.finish is not None and self.look.finish["type"] != "SuccessCriteriaMet"

    def _may_go(self, pod: Obj, failed: bool) -> bool:
        look = self.look
        if objects.is_terminating(self.job) or look.finish is not None:
            return True
        if objects.status(pod).get("phase") == "Succeeded":
            return True
        index = look.index(pod) if look.is_indexed else None
        stays = index is not None and index in look.replaced and look.replaced[index] is pod
        return failed and not stays

    def _announce(self) -> None:
        """Say that the Job is about to end before the pods it is seen by may vanish."""
        finish = self.look.finish
        if finish is None or finish["type"] not in ("FailureTarget", "SuccessCriteriaMet"):
            return
        if objects.condition_status(self.job, finish["type"]) != "True":
            self.status["conditions"] = [*(self.status.get("conditions") or ()), finish]
        final = "Failed" if finish["type"] == "FailureTarget" else "Complete"
        self.look.finish = condition(final, "True", finish["reason"], finish["message"], self.client.clock.now())

    def _end(self, terminating: int) -> bool:
        finish = self.look.finish
        if finish is None or terminating or any(self.look.uncounted.values()):
            return False
        self.status["conditions"] = [*(self.status.get("conditions") or ()), finish]
        if finish["type"] == "Complete":
            self.status["completionTime"] = finish["lastTransitionTime"]
        return True

    def _write(self) -> None:
        self.status["uncountedTerminatedPods"] = {name: uids for name, uids in self.look.uncounted.items() if uids}
        new: dict[str, Any] = {k: v for k, v in self.status.items() if v or k not in _OMITTED}
        stored = self.client.find("jobs", *objects.key(self.job))
        if stored is not None and objects.status(stored) == new:
            return
        written = self.client.update_status(
            "jobs", {**self.job, "metadata": {**self.job["metadata"]}, "status": objects.copy(new)}
        )
        self.job["metadata"] = written["metadata"]
        self.noted = True

    def _tell(self) -> None:
        finish, completions = self.look.finish or {}, self.job["spec"].get("completions")
        if finish["type"] != "Complete":
            self.client.record(self.job, "Warning", finish["reason"], finish["message"])
            return
        if completions is not None and self.status.get("succeeded", 0) > completions:
            why = "Too many succeeded pods running after completion count reached"
            self.client.record(self.job, "Warning", "TooManySucceededPods", why)
        self.client.record(self.job, "Normal", "Completed", "Job completed")
