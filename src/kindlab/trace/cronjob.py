"""The path from a CronJob to its last Job, which is followed as `job/NAME` is: CronJob -> schedule -> Job -> Pods."""

from __future__ import annotations

from kindlab.api import Api, Obj
from kindlab.trace import events, workload
from kindlab.trace.hops import Trace

WORDS = ("cj", "cronjob", "cronjobs")
_TROUBLE = (
    "FailedCreate",
    "FailedNeedsStart",
    "InvalidSchedule",
    "MissSchedule",
    "TooManyMissedTimes",
    "UnknownTimeZone",
    "UnparseableSchedule",
)


def trace(api: Api, namespace: str, name: str) -> Trace:
    """Trace CronJob `name` to the first thing that keeps its work from being done."""
    path = Trace(f"cronjob/{name}", namespace)
    live = api.get("CronJob", name, namespace)
    if live is None:
        path.missing(
            "CronJob", name, namespace, [o["metadata"]["name"] for o in api.list("CronJob", namespace)], "cronjobs"
        )
        return path
    spec = live["spec"]
    if spec.get("suspend"):
        change = f'kubectl patch cronjob {name} -n {namespace} --type=merge -p \'{{"spec":{{"suspend":false}}}}\''
        path.fail("CronJob", f"{name} is suspended: it starts no Jobs", change)
        return path
    zone = f" ({spec['timeZone']})" if spec.get("timeZone") else " (in its controller's time zone)"
    path.ok("CronJob", f"{name} starts a Job at {spec['schedule']!r}{zone}, {spec['concurrencyPolicy']}")
    job = _last_job(api, live)
    said = events.last(api, live, (*_TROUBLE, "SuccessfulCreate"))
    if said and not said.startswith("SuccessfulCreate"):
        path.fail(
            "Schedule", f"its last Job was not started. {said}", f"kubectl describe cronjob {name} -n {namespace}"
        )
    elif job is None:
        last = (live.get("status") or {}).get("lastScheduleTime")
        why = (
            f"its last Job, of {last}, is not kept" if last else f"{spec['schedule']!r} has not come since it was made"
        )
        then = f"to see it work now: kubectl create job {name}-now --from=cronjob/{name} -n {namespace}"
        path.fail("Schedule", why, then)
    else:
        path.ok("Schedule", f"its last Job is {job['metadata']['name']}")
        path.hops += workload.trace(api, namespace, "Job", job["metadata"]["name"]).hops
    return path


def _last_job(api: Api, live: Obj) -> Obj | None:
    """The newest Job of a CronJob, whoever asked for it."""
    owned = [
        job
        for job in api.list("Job", live["metadata"]["namespace"])
        if any(ref["uid"] == live["metadata"]["uid"] for ref in job["metadata"].get("ownerReferences") or ())
    ]
    return max(owned, key=lambda job: (job["metadata"]["creationTimestamp"], job["metadata"]["name"]), default=None)
