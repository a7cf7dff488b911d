"""How many pods a Job has, and what they look like.

Models manageJob of pkg/controller/job. Unlike upstream, `active` keeps counting the pods that run while a back-off
passes (upstream says 0 then, which the rules for the status refuse once one of them is ready).
Left out: Workloads and PodGroups (alpha in v1.36, off by default).
"""

from __future__ import annotations

import asyncio

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import finalizers, job_backoff, job_policies, podcontrol, pods, ranking
from pocketkube.controllers.job_look import FAILURES, IGNORED, INDEX, TRACKING, Look, all_failures, failures
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Obj

BATCH = 10
"""Pods created before the event loop gets its turn."""
BURST = 500
"""Pods created or deleted by one reconcile at most."""
_ENV = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58
"""Of a generated name: five letters follow."""


class Pods:
    """`Pods(client, look)` makes the difference to what is wanted; `active`, `ready` and `terminating` follow."""

    def __init__(self, client: Client, look: Look) -> None:
        self.client = client
        self.look = look
        self.job = look.job
        self.active, self.ready, self.terminating = len(look.active), look.ready, look.terminating
        self.error: StatusError | None = None
        """What the API has refused."""
        self.wait: float | None = None
        """Seconds until there is more to do."""

    async def manage(self) -> None:
        """Delete what is too much, or make what is missing once it is time."""
        if self.job["spec"].get("suspend"):
            self.delete(_surplus(self.look, len(self.look.active)))
            return
        wanted = self._wanted()
        surplus = _surplus(self.look, max(0, len(self.look.active) - wanted))[:BURST]
        if surplus:
            self.delete(surplus)
            return
        ending = self.look.terminating if job_policies.only_failed_replaced(self.job) else 0
        missing = wanted - ending - len(self.look.active)
        if missing > 0:
            await self._make(min(missing, BURST))

    def _wanted(self) -> int:
        spec = self.job["spec"]
        parallelism: int = spec["parallelism"]
        if spec.get("completions") is None:
            return len(self.look.active) if self.look.succeeded else parallelism
        missing: int = spec["completions"] - self.look.succeeded
        return max(0, min(parallelism, missing))

    def delete(self, found: list[Obj], *, counted: bool = False) -> None:
        """Ask pods to go. Unless they are to be `counted`, their finalizer goes first."""
        for pod in found:
            try:
                if not counted:
                    release(self.client, pod)
                podcontrol.delete(self.client, self.job, pod)
            except StatusError as error:
                self.error = error
                continue
            self.active -= 1
            self.terminating += 1
            self.ready -= pods.is_ready(pod)

    async def _make(self, count: int) -> None:
        now = self.client.clock.time()
        chosen: list[int | None] = [None] * count
        if self.look.failed_indexes is None:
            if wait := self.look.record.remaining(now):
                self.wait = wait
                return
            if self.look.is_indexed:
                chosen = [*self.look.pending_indexes(count)]
        else:
            pending = {index: self._wait_of(index, now) for index in self.look.pending_indexes(count)}
            chosen = [index for index, wait in pending.items() if not wait]
            self.wait = min((wait for wait in pending.values() if wait), default=None)
        for done, index in enumerate(chosen):
            if done and done % BATCH == 0 and not await self._is_unchanged():
                return
            try:
                if podcontrol.create(self.client, self.job, self._pod(index)) is None:
                    return
            except StatusError as error:
                self.error = error
                return
            self.active += 1

    async def _is_unchanged(self) -> bool:
        """Let others have their turn; whether the Job is as it was."""
        await asyncio.sleep(0)
        current = self.client.find("jobs", *objects.key(self.job))
        return current is not None and all(
            current["metadata"].get(name) == self.job["metadata"].get(name)
            for name in ("uid", "generation", "deletionTimestamp")
        )

    def _wait_of(self, index: int, now: float) -> float:
        last = self.look.replaced.get(index)
        if last is None:
            return 0.0
        return job_backoff.remaining(all_failures(last) + 1, job_backoff.finished_at(last), now)

    def _pod(self, index: int | None) -> Obj:
        pod = pods.from_template(self.job, self.job["spec"]["template"])
        meta = pod["metadata"]
        if not finalizers.is_held(pod, TRACKING):
            finalizers.hold(pod, TRACKING)
        if index is None:
            return pod
        meta["generateName"] = _prefix(objects.name(self.job), index)
        meta["labels"] = {**objects.labels(pod), INDEX: str(index)}
        meta["annotations"] = {**objects.annotations(pod), INDEX: str(index)}
        if self.look.failed_indexes is not None:
            counted, ignored = failures(self.job, self.look.replaced.get(index))
            meta["annotations"] |= {FAILURES: str(counted), **({IGNORED: str(ignored)} if ignored else {})}
        pod["spec"]["hostname"] = f"{objects.name(self.job)}-{index}"
        for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
            _tell(container)
        return pod


def release(client: Client, pod: Obj) -> None:
    """Let a pod go, as far as its Job is concerned. Raises StatusError; one that is gone is no error."""
    if not finalizers.is_held(pod, TRACKING):
        return
    try:
        client.patch("pods", objects.key(pod), lambda copy: finalizers.release(copy, TRACKING))
    except NotFound:
        return


def _tell(container: Obj) -> None:
    """The completion index as an environment variable, unless there is one of that name."""
    if any(found.get("name") == _ENV for found in container.get("env") or ()):
        return
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    container["env"] = [*(container.get("env") or ()), {"name": _ENV, "valueFrom": source}]


def _prefix(name: str, index: int) -> str:
    end = f"-{index}-"
    return (name if len(name + end) <= _LONGEST_PREFIX else name[: _LONGEST_PREFIX - len(end)]) + end


def _surplus(look: Look, count: int) -> list[Obj]:
    """At least that many active pods to give up; of an indexed Job all that are twice, or of no index."""
    extra: list[Obj] = []
    left = look.active
    if look.is_indexed:
        of_index: dict[int, list[Obj]] = {}
        for pod in look.active:
            index = look.index(pod)
            if index is None:
                extra.append(pod)
            else:
                of_index.setdefault(index, []).append(pod)
        left = []
        for same in of_index.values():
            *twice, last = ranking.by_progress(same)
            extra += twice
            left.append(last)
    more = max(0, count - len(extra))
    return [*extra, *ranking.by_progress(left)[:more]] if more else extra
