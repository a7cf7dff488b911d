"""What the Job controller sees when it looks at a Job: its pods, sorted and counted.

Models syncJobCtx and indexed_job_utils.go of pkg/controller/job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pocketkube import indexes, objects
from pocketkube.controllers import finalizers, job_backoff, job_policies, pods
from pocketkube.objects import Obj

TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer of pods that are not counted yet."""
INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"


@dataclass
class Look:
    job: Obj
    """A copy of its own; the status is what will be written."""
    pods: list[Obj]
    """All of the Job's pods, as they were found."""
    record: job_backoff.Record = field(default_factory=job_backoff.Record)
    finish: Obj | None = None
    """The condition that ends the Job, when something does."""

    def __post_init__(self) -> None:
        status = self.job["status"]
        uncounted = status.setdefault("uncountedTerminatedPods", {})
        self.uncounted: dict[str, list[str]] = {
            name: list(uncounted.get(name) or ()) for name in ("succeeded", "failed")
        }
        self.active = [pod for pod in self.pods if pods.is_active(pod)]
        self.terminating = sum(objects.is_terminating(pod) and not pods.is_terminal(pod) for pod in self.pods)
        self.ready = sum(map(pods.is_ready, self.active))
        self.new_succeeded = self._new("succeeded", lambda pod: objects.status(pod).get("phase") == "Succeeded")
        self.new_failed = self._new("failed", lambda pod: job_policies.has_failed(self.job, pod))
        self.succeeded = status.get("succeeded", 0) + len(self.new_succeeded) + len(self.uncounted["succeeded"])
        counted = sum(job_policies.counts(self.job, pod) for pod in self.new_failed)
        self.failed = status.get("failed", 0) + counted + len(self.uncounted["failed"])
        self.done_before: set[int] = set()
        self.done: set[int] = set()
        self.failed_indexes: set[int] | None = None
        self.replaced: dict[int, Obj] = {}
        """Failed pods by index that stay until there is another: it takes over their count of failures."""
        if self.is_indexed:
            self._look_at_indexes()

    @property
    def is_indexed(self) -> bool:
        return is_indexed(self.job)

    def _new(self, field_: str, fits: Callable[[Obj], bool]) -> list[Obj]:
        known = self.uncounted[field_]
        return [pod for pod in self.pods if self.is_counted(pod) and objects.uid(pod) not in known and fits(pod)]

    def is_counted(self, pod: Obj) -> bool:
        """Whether the pod is still to be counted, and is one of the Job's indexes."""
        return finalizers.is_held(pod, TRACKING) and (not self.is_indexed or self.index(pod) is not None)

    def index(self, pod: Obj) -> int | None:
        """The completion index of a pod; None when it has none, or one that the Job has not."""
        found = completion_index(pod)
        return found if found is not None and found < self.job["spec"]["completions"] else None

    def _look_at_indexes(self) -> None:
        status, spec = self.job["status"], self.job["spec"]
        self.done_before = indexes.parse(status.get("completedIndexes", ""), spec["completions"])
        tracked = {objects.uid(pod): pod for pod in self.pods if self.is_counted(pod)}.values()
        ended = {self.index(pod) for pod in tracked if objects.status(pod).get("phase") == "Succeeded"}
        self.done = self.done_before | {index for index in ended if index is not None}
        self.succeeded = len(self.done)
        if spec.get("backoffLimitPerIndex") is None:
            return
        self.failed_indexes = indexes.parse(status.get("failedIndexes") or "", spec["completions"])
        for pod in tracked:
            index = self.index(pod)
            if index is not None and _index_failed(self.job, pod):
                self.failed_indexes.add(index)
        self._look_at_replaced(tracked)

    def _look_at_replaced(self, tracked: Iterable[Obj]) -> None:
        settled = self.done | (self.failed_indexes or set()) | {completion_index(pod) for pod in self.active}
        for pod in tracked:
            index = self.index(pod)
            if index is None or index in settled or not job_policies.has_failed(self.job, pod):
                continue
            other = self.replaced.get(index)
            if other is None or (
                all_failures(other) <= all_failures(pod)
                and job_backoff.finished_at(pod) >= job_backoff.finished_at(other)
            ):
                self.replaced[index] = pod

    def pending_indexes(self, count: int) -> list[int]:
        """The first indexes nobody works at, has done or has given up."""
        busy = {completion_index(pod) for pod in self.active} | self.done | (self.failed_indexes or set())
        if job_policies.only_failed_replaced(self.job):
            busy |= {completion_index(p) for p in self.pods if objects.is_terminating(p) and not pods.is_terminal(p)}
        found: list[int] = []
        for index in range(self.job["spec"]["completions"]):
            if len(found) == count:
                break
            if index not in busy:
                found.append(index)
        return found


def is_indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def completion_index(pod: Obj) -> int | None:
    return _number(pod, INDEX)


def failures(job: Obj, replaced: Obj | None) -> tuple[int, int]:
    """(counted, ignored) failures of an index, for the pod that is made in place of `replaced`."""
    if replaced is None:
        return 0, 0
    counted, ignored = _number(replaced, FAILURES) or 0, _number(replaced, IGNORED) or 0
    return (counted + 1, ignored) if job_policies.counts(job, replaced) else (counted, ignored + 1)


def all_failures(pod: Obj) -> int:
    """Failures of the pod's index before it."""
    return (_number(pod, FAILURES) or 0) + (_number(pod, IGNORED) or 0)


def _index_failed(job: Obj, pod: Obj) -> bool:
    if not job_policies.has_failed(job, pod):
        return False
    action = job_policies.judge(job, pod)[0]
    if action == "FailIndex":
        return True
    return action != "Ignore" and (_number(pod, FAILURES) or 0) >= job["spec"]["backoffLimitPerIndex"]


def _number(pod: Obj, annotation: str) -> int | None:
    text = objects.annotations(pod).get(annotation, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
