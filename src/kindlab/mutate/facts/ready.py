"""Who runs: every workload, and whoever carries a label. Numbers count only where a right answer must change them."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import Scene

ORDER = 10


def state(pod: Obj) -> str:
    """ready, or why not, without what differs from time to time."""
    status = pod["status"]
    if is_ready(pod):
        return "ready"
    if status.get("phase") in ("Succeeded", "Failed"):
        return str(status["phase"])
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        now = one.get("state") or {}
        reason = (now.get("waiting") or now.get("terminated") or {}).get("reason")
        if reason and reason not in ("ContainerCreating", "PodInitializing"):
            return "does not stay up" if reason in ("CrashLoopBackOff", "Error", "Completed") else str(reason)
    return "not ready"


def look(scene: Scene) -> Iterator[Fact]:
    for party, pods in scene.parties().items():
        yield Fact(f"{party} runs", ", ".join(sorted(set(map(state, pods)))))
        yield Fact(f"how many Pods {party} has", str(len(pods)), strong=False)
        restarted = any(c.get("restartCount") for pod in pods for c in pod["status"].get("containerStatuses") or ())
        yield Fact(f"{party}: containers were restarted", "yes" if restarted else "no")
        sides = {len(pod["status"].get("containerStatuses") or ()) for pod in pods}
        yield Fact(f"{party}: containers in a Pod", str(sorted(sides)))
    for short, key, one in scene.cast.asked_for():
        pods = scene.carrying(short, key, one)
        there = "some" if any(map(is_ready, pods)) else "none"
        where = f" in {short}" if short else ""
        yield Fact(f"Pods with {key}={one}{where} that are ready", there, strong=False)
        yield Fact(f"how many Pods have {key}={one}{where}", str(len(pods)), strong=False)
    for space in scene.cast.spaces.values():
        for job in scene.api.list("Job.batch", space):
            if any(ref["kind"] == "CronJob" for ref in job["metadata"].get("ownerReferences") or ()):
                continue
            ended = [c["type"] for c in (job.get("status") or {}).get("conditions") or () if c["status"] == "True"]
            done = {"Complete": "complete", "Failed": "failed"}
            words = sorted(done[one] for one in ended if one in done)
            yield Fact(f"Job {scene.cast.called(job['metadata']['name'], space)}", words[0] if words else "under way")


LOOK = look
