"""What a Job makes of pods that have ended: whether they have failed, what its policies say of that.

Models pod_failure_policy.go, success_policy.go and isPodFailed of pkg/controller/job.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import indexes, objects
from pocketkube.objects import Obj


def only_failed_replaced(job: Obj) -> bool:
    """Whether a pod is made anew when it has ended, not as soon as it was asked to go."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy") is not None


def has_failed(job: Obj, pod: Obj) -> bool:
    """A deleted pod counts as failed, unless the Job waits until it has ended."""
    phase = objects.status(pod).get("phase")
    if phase == "Failed" or only_failed_replaced(job):
        return bool(phase == "Failed")
    return objects.is_terminating(pod) and phase != "Succeeded"


def judge(job: Obj, pod: Obj) -> tuple[str, str]:
    """(the action of the first rule that a failed pod matches or "", the message of a FailJob or "")."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for index, rule in enumerate(policy.get("rules") or ()):
        action, codes = rule["action"], rule.get("onExitCodes")
        at = f"matching {action} rule at index {index}"
        name = f"{objects.namespace(pod)}/{objects.name(pod)}"
        if codes is not None:
            found = _exited(pod, codes)
            if found is not None:
                code = found["state"]["terminated"]["exitCode"]
                why = f"Container {found['name']} for pod {name} failed with exit code {code} {at}"
                return action, why if action == "FailJob" else ""
        else:
            condition = _condition(pod, rule.get("onPodConditions") or ())
            if condition is not None:
                why = f"Pod {name} has condition {condition['type']} {at}"
                return action, why if action == "FailJob" else ""
    return "", ""


def counts(job: Obj, pod: Obj) -> bool:
    """Whether a failed pod counts towards the back-off limit."""
    return judge(job, pod)[0] != "Ignore"


def job_failure(job: Obj, pods: Iterable[Obj]) -> str:
    """Why the pod failure policy ends the Job; "" when it does not."""
    if job["spec"].get("podFailurePolicy") is None:
        return ""
    messages = (judge(job, pod)[1] for pod in pods if has_failed(job, pod))
    return next(filter(None, messages), "")


def _exited(pod: Obj, codes: Obj) -> Obj | None:
    status = objects.status(pod)
    for found in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        code = objects.dig(found, "state", "terminated", "exitCode")
        if code and codes.get("containerName") in (None, found["name"]):
            listed = code in codes["values"]
            if listed == (codes["operator"] == "In"):
                return dict(found)
    return None


def _condition(pod: Obj, patterns: Iterable[Obj]) -> Obj | None:
    wanted = {(pattern["type"], pattern["status"]) for pattern in patterns}
    for condition in objects.status(pod).get("conditions") or ():
        if (condition["type"], condition["status"]) in wanted:
            return dict(condition)
    return None


def success(job: Obj, done: set[int]) -> str:
    """Why the success policy ends an indexed Job of which these indexes are done; "" when it does not."""
    spec = job["spec"]
    for index, rule in enumerate((spec.get("successPolicy") or {}).get("rules") or ()):
        text, count = rule.get("succeededIndexes"), rule.get("succeededCount")
        if text is None:
            met = count is not None and len(done) >= count
        else:
            have, asked = indexes.among(done, text, spec["completions"])
            met = asked > 0 and (have == asked or (count is not None and have >= count))
        if met and done:
            return f"Matched rules at index {index}"
    return ""


def restarted_too_often(job: Obj, pods: Iterable[Obj]) -> bool:
    """Whether pods that start again by themselves have done so as often as the back-off limit says."""
    if objects.spec(job["spec"]["template"]).get("restartPolicy") != "OnFailure":
        return False
    restarts = 0
    for pod in pods:
        status = objects.status(pod)
        if status.get("phase") in ("Running", "Pending"):
            for field in ("initContainerStatuses", "containerStatuses"):
                restarts += sum(found.get("restartCount", 0) for found in status.get(field) or ())
    limit: int = job["spec"]["backoffLimit"]
    return restarts > 0 if limit == 0 else restarts >= limit
