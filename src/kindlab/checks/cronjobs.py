"""Runs of a CronJob now, as `kubectl create job --from=cronjob/...` makes them; with an account of one's own, if need
be one that may do nothing. What is made here is removed when the block ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from kindlab import clock
from kindlab.api import ApiError, Obj
from kindlab.checks.live import LiveLab
from kindlab.checks.makers import owners
from kindlab.clock import token_hex
from kindlab.conditions import condition
from kindlab.managed import MANAGED

JUST_NOW = timedelta(minutes=3)


class CronRuns:
    """`made`: (kind, name) of what is removed at the end; add to it what a run has made."""

    def __init__(self, lab: LiveLab, cron: Obj) -> None:
        self.lab, self.cron = lab, cron
        self.made: list[tuple[str, str]] = []

    def begin(self, account: str = "") -> str:
        """A Job of the CronJob's template, which tries once; its name."""
        template = self.cron["spec"]["jobTemplate"]
        name = f"kindlab-{self.cron['metadata']['name'][:30]}-{token_hex(3)}"
        meta = {**(template.get("metadata") or {}), "name": name}
        meta["labels"] = {**(meta.get("labels") or {}), **MANAGED}
        spec = {**template["spec"], "backoffLimit": 0, "suspend": False}
        spec.pop("ttlSecondsAfterFinished", None)  # how it ended is asked for later
        pod = {**spec["template"], "spec": dict(spec["template"]["spec"])}
        if account:
            pod["spec"].pop("serviceAccount", None)
            pod["spec"]["serviceAccountName"] = account
        self.made.append(("Job", name))
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {**spec, "template": pod}}
        self.lab.api.create(job, self.lab.namespace)
        return name

    def nobody(self) -> str:
        """A new ServiceAccount that may do nothing; its name."""
        name = f"kindlab-nobody-{token_hex(3)}"
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "labels": MANAGED}}
        self.made.append(("ServiceAccount", name))
        self.lab.api.create(account, self.lab.namespace)
        return name

    def outcome(self, job: str, *, timeout: float) -> str:
        """Complete, Failed, or "" when it does not end in time."""

        def ended(live: Iterable[Obj]) -> str:
            mine = next((j for j in live if j["metadata"]["name"] == job), {})
            return next((k for k in ("Complete", "Failed") if condition(mine, k).get("status") == "True"), "")

        return self.lab.eventually("Job", ended, timeout=timeout) or ""

    def is_due(self) -> bool:
        """Whether a run that the schedule began is under way, or was a moment ago."""
        by_cron = [j for j in self.lab.list("Job") if any(o["kind"] == "CronJob" for o in owners(j))]
        ages = [clock.now() - datetime.fromisoformat(j["metadata"]["creationTimestamp"]) for j in by_cron]
        return any(age < JUST_NOW for age in ages)


@contextmanager
def cron_runs(lab: LiveLab, cron: Obj) -> Iterator[CronRuns]:
    """Runs of a CronJob, for the block."""
    runs = CronRuns(lab, cron)
    try:
        yield runs
    finally:
        for kind, name in reversed(runs.made):
            with suppress(ApiError):
                lab.api.delete(kind, name, lab.namespace)
