"""The text of `kubectl describe` for Jobs and CronJobs. Lines with tabs, as `printers.tabbed` lays them out."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.kubectl import ages
from kindlab.kubectl.describing_containers import containers
from kindlab.kubectl.describing_fields import column, labels, notes
from kindlab.kubectl.describing_pods import placing, spreading
from kindlab.kubectl.describing_policy import selector
from kindlab.kubectl.describing_volumes import volumes

_LONGEST_INDEXES = 50


def job(obj: Obj) -> Iterator[str]:
    """A Job as it is, without its events."""
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    yield f"Name:\t{meta['name']}"
    yield f"Namespace:\t{meta.get('namespace', '')}"
    yield f"Selector:\t{selector(spec['selector'])}"
    yield from labels(obj)
    yield from notes(obj)
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            yield f"Controlled By:\t{owner['kind']}/{owner['name']}"
    yield f"Parallelism:\t{spec['parallelism']}"
    yield f"Completions:\t{spec.get('completions', '<unset>')}"
    yield f"Completion Mode:\t{spec['completionMode']}"
    yield f"Suspend:\t{str(spec['suspend']).lower()}"
    yield f"Backoff Limit:\t{spec['backoffLimit']}"
    if spec.get("ttlSecondsAfterFinished") is not None:
        yield f"TTL Seconds After Finished:\t{spec['ttlSecondsAfterFinished']}"
    start, end = status.get("startTime"), status.get("completionTime")
    for title, time in (("Start Time", start), ("Completed At", end)):
        if time:
            yield f"{title}:\t{ages.moment(time)}"
    if start and end:
        yield f"Duration:\t{ages.between(start, end)}"
    if spec.get("activeDeadlineSeconds") is not None:
        yield f"Active Deadline Seconds:\t{spec['activeDeadlineSeconds']}s"
    active, succeeded, failed = (status.get(name, 0) for name in ("active", "succeeded", "failed"))
    ready = f" ({status['ready']} Ready)" if "ready" in status else ""
    yield f"Pods Statuses:\t{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"
    if spec["completionMode"] == "Indexed":
        yield f"Completed Indexes:\t{_capped(status.get('completedIndexes', ''))}"
    yield from template(spec["template"])


def cron_job(obj: Obj) -> Iterator[str]:
    """A CronJob as it is, without its events."""
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    yield f"Name:\t{meta['name']}"
    yield f"Namespace:\t{meta.get('namespace', '')}"
    yield from labels(obj)
    yield from notes(obj)
    yield f"Schedule:\t{spec['schedule']}"
    yield f"Concurrency Policy:\t{spec['concurrencyPolicy']}"
    yield f"Suspend:\t{spec['suspend']}"
    yield f"Time Zone:\t{spec.get('timeZone', '<unset>')}"
    yield f"Successful Job History Limit:\t{spec.get('successfulJobsHistoryLimit', '<unset>')}"
    yield f"Failed Job History Limit:\t{spec.get('failedJobsHistoryLimit', '<unset>')}"
    deadline = spec.get("startingDeadlineSeconds")
    yield f"Starting Deadline Seconds:\t{'<unset>' if deadline is None else f'{deadline}s'}"
    of_job = spec["jobTemplate"]["spec"]
    yield "Selector:\t<unset>"
    for title, name in (("Parallelism", "parallelism"), ("Completions", "completions")):
        yield f"{title}:\t{of_job.get(name, '<unset>')}"
    if of_job.get("activeDeadlineSeconds") is not None:
        yield f"Active Deadline Seconds:\t{of_job['activeDeadlineSeconds']}s"
    yield from template(of_job["template"])
    last = status.get("lastScheduleTime")
    yield f"Last Schedule Time:\t{ages.moment(last) if last else '<unset>'}"
    names = ", ".join(found["name"] for found in status.get("active") or ())
    yield f"Active Jobs:\t{names or '<none>'}"


def template(obj: Obj) -> Iterator[str]:
    """A section on a pod template."""
    meta, spec = obj.get("metadata") or {}, obj["spec"]
    yield "Pod Template:"
    yield from _indented(column("Labels", [f"{k}={v}" for k, v in sorted((meta.get("labels") or {}).items())]))
    if meta.get("annotations"):
        yield from _indented(notes(obj))
    if spec.get("serviceAccountName"):
        yield f"  Service Account:\t{spec['serviceAccountName']}"
    for title, key in (("Init Containers", "initContainers"), ("Containers", "containers")):
        if spec.get(key):
            yield from _indented(containers(title, spec[key], (), lambda path: ""))
    yield from _indented(volumes(spec.get("volumes") or ()))
    yield from _indented(spreading(spec))
    if spec.get("priorityClassName"):
        yield f"  Priority Class Name:\t{spec['priorityClassName']}"
    yield from _indented(placing(spec))


def _indented(lines: Iterator[str]) -> Iterator[str]:
    """Further lines of a column stay where they are."""
    return (line if line.startswith("\t") else f"  {line}" for line in lines)


def _capped(indexes: str) -> str:
    comma = indexes.find(",", _LONGEST_INDEXES)
    return (indexes if comma < 0 else f"{indexes[: comma + 1]}...") or "<none>"
