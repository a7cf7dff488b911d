"""Jobs and CronJobs, by what their pods do and what they say of themselves.

After upstream's e2e tests (test/e2e/apps/job.go, cronjob.go)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tests.parity.network.support import BUSYBOX, START, Place

from kindlab.api import ApiError, Obj
from kindlab.checks.live import is_ready

NAME = "work"
PODS = f"batch.kubernetes.io/job-name={NAME}"
INDEX = "batch.kubernetes.io/job-completion-index"
FOREVER = "trap 'exit 0' TERM; sleep 100000 & wait"
FAIL_ONCE = 'if [ -e "/data/$JOB_COMPLETION_INDEX" ]; then exit 0; fi; touch "/data/$JOB_COMPLETION_INDEX"; exit 1'
INDEXED: Obj = {"completionMode": "Indexed", "completions": 4, "parallelism": 4}
MERGE = "application/merge-patch+json"
MINUTE = 90
"""Seconds in which a minute begins and a pod runs."""


def template(script: str = "true", *, restart: str = "Never", **pod: Any) -> Obj:
    container = {"name": "c", "image": BUSYBOX, "command": ["sh", "-c", script]}
    return {"spec": {"restartPolicy": restart, "terminationGracePeriodSeconds": 1, "containers": [container], **pod}}


def job(script: str = "true", *, restart: str = "Never", pod: Obj | None = None, **spec: Any) -> Obj:
    made = template(script, restart=restart, **(pod or {}))
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": NAME}, "spec": {"template": made, **spec}}


def cron_job(name: str, script: str = "true", schedule: str = "*/1 * * * ?", **spec: Any) -> Obj:
    body = {"schedule": schedule, "jobTemplate": {"spec": {"template": template(script)}}, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": body}


def reasons(live: Obj) -> dict[str, str]:
    """Conditions that are true, with their reasons."""
    found = live.get("status", {}).get("conditions") or ()
    return {condition["type"]: condition.get("reason", "") for condition in found if condition["status"] == "True"}


def has(type_: str) -> Callable[[Obj], bool]:
    return lambda live: type_ in reasons(live)


def ended(here: Place, type_: str = "Complete") -> Obj:
    live = here.wait("Job", NAME, has(type_), timeout=START)
    status = live["status"]
    assert (status.get("active", 0), status["ready"], status["terminating"]) == (0, 0, 0)
    return live


def running(here: Place, count: int) -> list[Obj]:
    def there(found: list[Obj]) -> list[Obj]:
        ready = [pod for pod in found if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
        return ready if len(ready) == count else []

    return here.until("Pod", there, labels=PODS, timeout=START)


def pods(here: Place) -> list[Obj]:
    return list(here.list("Pod", PODS))


# -- success


def test_tasks_that_succeed(here: Place) -> None:
    here.put(job(completions=4, parallelism=2))
    live = ended(here)
    assert reasons(live) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert live["status"]["succeeded"] == 4
    assert live["status"]["completionTime"] >= live["status"]["startTime"]
    assert [pod["status"]["phase"] for pod in pods(here)] == ["Succeeded"] * 4
    assert not any(pod["metadata"].get("finalizers") for pod in pods(here))


def test_tasks_that_fail_and_are_restarted_where_they_are(here: Place) -> None:
    volume = {"volumes": [{"name": "data", "emptyDir": {}}]}
    made = job(FAIL_ONCE, restart="OnFailure", pod=volume, completions=2, parallelism=2)
    made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    here.put(made)
    assert ended(here)["status"].get("failed", 0) == 0


def test_each_index_has_its_own_pod(here: Place) -> None:
    here.put(job("echo $JOB_COMPLETION_INDEX; hostname", **INDEXED))
    assert ended(here)["status"]["completedIndexes"] == "0-3"
    for pod in pods(here):
        index = pod["metadata"]["annotations"][INDEX]
        assert pod["metadata"]["labels"][INDEX] == index
        assert pod["metadata"]["name"].startswith(f"{NAME}-{index}-")
        assert pod["spec"]["hostname"] == f"{NAME}-{index}"
        log = here.request("GET", f"{here.path('Pod', pod['metadata']['name'])}/log", accept="*/*", stream=True)
        assert log.data.decode().split() == [index, f"{NAME}-{index}"]


# -- failure


def test_more_failures_than_the_limit(here: Place) -> None:
    here.put(job("exit 1", backoffLimit=1))
    live = ended(here, "Failed")
    assert reasons(live) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert [pod["status"]["phase"] for pod in pods(here)] == ["Failed"] * 2


def test_a_deadline(here: Place) -> None:
    here.put(job(FOREVER, activeDeadlineSeconds=1))
    assert reasons(ended(here, "Failed"))["Failed"] == "DeadlineExceeded"


def test_all_indexes_run_though_some_fail(here: Place) -> None:
    here.put(job("exit $((JOB_COMPLETION_INDEX % 2))", **INDEXED, backoffLimitPerIndex=0))
    live = ended(here, "Failed")
    assert reasons(live)["Failed"] == "FailedIndexes"
    status = live["status"]
    assert (status["completedIndexes"], status["failedIndexes"], status["failed"]) == ("0,2", "1,3", 2)


def test_more_failed_indexes_than_the_limit(here: Place) -> None:
    here.put(job("exit 1", **{**INDEXED, "parallelism": 1}, backoffLimitPerIndex=0, maxFailedIndexes=0))
    live = ended(here, "Failed")
    assert reasons(live)["Failed"] == "MaxFailedIndexesExceeded"
    assert live["status"]["failedIndexes"] == "0"


# -- policies


def rule(action: str, code: int = 42) -> Obj:
    return {"action": action, "onExitCodes": {"operator": "In", "values": [code]}}


def test_an_exit_code_fails_the_job(here: Place) -> None:
    here.put(job("exit 42", backoffLimit=3, podFailurePolicy={"rules": [rule("FailJob")]}))
    live = ended(here, "Failed")
    [condition] = [c for c in live["status"]["conditions"] if c["type"] == "Failed"]
    [pod] = pods(here)
    assert condition["reason"] == "PodFailurePolicy"
    assert condition["message"] == (
        f"Container c for pod {here.namespace}/{pod['metadata']['name']} failed with exit code 42 "
        "matching FailJob rule at index 0"
    )


def test_an_exit_code_fails_an_index(here: Place) -> None:
    script = 'if [ "$JOB_COMPLETION_INDEX" = 1 ]; then exit 42; fi'
    here.put(job(script, **INDEXED, backoffLimitPerIndex=3, podFailurePolicy={"rules": [rule("FailIndex")]}))
    status = ended(here, "Failed")["status"]
    assert (status["failedIndexes"], status["completedIndexes"]) == ("1", "0,2,3")


def test_an_evicted_pod_does_not_count(here: Place) -> None:
    condition = {"type": "DisruptionTarget", "status": "True"}
    policy = {"rules": [{"action": "Ignore", "onPodConditions": [condition]}]}
    here.put(job(FOREVER.replace("exit 0", "exit 1"), backoffLimit=0, podFailurePolicy=policy))
    [pod] = running(here, 1)
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": here.namespace}}
    here.request("POST", f"{here.path('Pod', name)}/eviction", eviction)
    here.gone("Pod", name=name, timeout=START)
    [again] = running(here, 1)
    assert again["metadata"]["name"] != name
    live = here.require("Job", NAME)
    assert (live["status"].get("failed", 0), reasons(live)) == (0, {})


@pytest.mark.parametrize(
    ("rules", "pending"), [({"succeededIndexes": "0"}, 3), ({"succeededCount": 1}, 3), ({"succeededIndexes": "0-3"}, 0)]
)
def test_a_success_policy(here: Place, rules: Obj, pending: int) -> None:
    wait = f'if [ "$JOB_COMPLETION_INDEX" != 0 ]; then {FOREVER}; fi' if pending else "true"
    here.put(job(wait, **INDEXED, successPolicy={"rules": [rules]}))
    live = ended(here)
    # with the last index done, its policy and its completions say the same, and either may be seen first
    expected = {"SuccessPolicy"} if pending else {"SuccessPolicy", "CompletionsReached"}
    assert set(reasons(live).values()) <= expected
    assert live["status"].get("failed", 0) == 0
    assert 4 - live["status"]["succeeded"] == pending


# -- while it runs


def test_a_job_is_suspended_and_resumed(here: Place) -> None:
    here.put(job(FOREVER, suspend=True, parallelism=2, completions=4))
    here.wait("Job", NAME, has("Suspended"))
    assert not pods(here)
    here.update("Job", NAME, suspend=False)
    running(here, 2)
    here.wait("Job", NAME, lambda live: live["status"].get("ready") == 2)
    here.update("Job", NAME, suspend=True)
    here.gone("Pod", labels=PODS, timeout=START)
    live = here.wait("Job", NAME, lambda live: has("Suspended")(live) and not live["status"].get("active"))
    assert (live["status"]["ready"], live["status"].get("failed", 0)) == (0, 0)


def test_a_pod_that_goes_is_replaced_once_it_has_failed(here: Place) -> None:
    script = "trap 'sleep 2; exit 143' TERM; while true; do sleep 1; done"
    here.put(job(script, podReplacementPolicy="Failed", pod={"terminationGracePeriodSeconds": 30}))
    [pod] = running(here, 1)
    here.request("DELETE", here.path("Pod", pod["metadata"]["name"]))

    def counts(active: int, failed: int, terminating: int) -> Callable[[Obj], bool]:
        return lambda live: (
            (live["status"].get("active", 0), live["status"].get("failed", 0), live["status"].get("terminating"))
            == (active, failed, terminating)
        )

    here.wait("Job", NAME, counts(0, 0, 1))
    here.wait("Job", NAME, counts(1, 1, 0), timeout=START)


def test_orphans_are_adopted_and_strangers_released(here: Place) -> None:
    here.put(job(FOREVER, parallelism=2, completions=4))
    uid = here.require("Job", NAME)["metadata"]["uid"]
    name = running(here, 2)[0]["metadata"]["name"]
    path = here.path("Pod", name)
    merge = "application/merge-patch+json"
    here.request("PATCH", path, {"metadata": {"ownerReferences": None}}, content_type=merge)
    here.wait("Pod", name, lambda pod: [ref["uid"] for ref in pod["metadata"].get("ownerReferences", ())] == [uid])
    here.request("PATCH", path, {"metadata": {"labels": None}}, content_type=merge)
    here.wait("Pod", name, lambda pod: "ownerReferences" not in pod["metadata"])


def test_pods_go_with_their_job(here: Place) -> None:
    here.put(job(FOREVER, parallelism=2, completions=4))
    running(here, 2)
    here.request("DELETE", here.path("Job", NAME), {"propagationPolicy": "Foreground"})
    here.gone("Job", name=NAME, timeout=START)
    assert not pods(here)


def test_a_job_goes_after_its_time(here: Place) -> None:
    here.put(job(ttlSecondsAfterFinished=0))
    here.gone("Job", name=NAME, timeout=START)
    here.gone("Pod", labels=PODS)


def test_a_job_of_another_controller_is_left_alone(here: Place) -> None:
    here.put(job(managedBy="example.com/custom-job-controller"))
    other = job()
    other["metadata"]["name"] = "other"
    here.put(other)
    here.wait("Job", "other", has("Complete"), timeout=START)
    assert here.require("Job", NAME)["status"] == {}


def test_a_status_may_be_written(here: Place) -> None:
    here.put(job(FOREVER))
    running(here, 1)
    moment = "2026-01-02T03:04:05Z"
    condition = {"type": "CustomConditionType", "status": "True", "lastTransitionTime": moment}
    change = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [condition]}}
    path = f"{here.path('Job', NAME)}/status"
    made = here.request("PATCH", path, change, content_type="application/merge-patch+json")
    assert made["metadata"]["annotations"]["patchedstatus"] == "true"
    assert [c["lastTransitionTime"] for c in here.request("GET", path)["status"]["conditions"]] == [moment]


def test_its_life(here: Place) -> None:
    label = {"made-by": here.namespace}
    first = job(suspend=True)
    first["metadata"]["labels"] = label
    (made,) = here.put(first)
    path = here.path("Job", NAME)
    change = {"metadata": {"labels": {"a": "b"}}}
    patched = here.request("PATCH", path, change, content_type=MERGE)
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert patched["metadata"]["labels"] == {**label, "a": "b"}
    change = {"metadata": {"annotations": {"updated": "true"}}, "spec": {"suspend": False}}
    here.request("PATCH", path, change, content_type=MERGE)
    ended(here)
    chosen = {"labelSelector": f"made-by={here.namespace}"}
    assert len(here.request("GET", here.api.path("Job", None), query=chosen)["items"]) == 1
    here.request("DELETE", here.path("Job"), {"propagationPolicy": "Background"}, query=chosen)
    here.gone("Job")
    here.gone("Pod", labels=PODS)


# -- CronJobs


def jobs(here: Place, of: str) -> list[Obj]:
    return [
        found
        for found in here.list("Job")
        if any(ref["name"] == of for ref in found["metadata"].get("ownerReferences", ()))
    ]


def test_cron_jobs_start_with_the_minute(here: Place) -> None:
    here.put(
        cron_job("plain"),
        cron_job("zoned", timeZone="Asia/Kolkata", suspend=False),
        cron_job("rests", suspend=True),
        cron_job("never", schedule="0 0 31 2 *"),
        cron_job("stays", FOREVER, concurrencyPolicy="Forbid"),
    )
    for name, zone in (("plain", "Z"), ("zoned", "+05:30")):
        live = here.wait("CronJob", name, lambda live: "lastSuccessfulTime" in live["status"], timeout=MINUTE)
        [first] = jobs(here, name)[:1]
        stamp = first["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
        assert stamp.endswith(zone)
        when = datetime.fromisoformat(stamp)
        assert first["metadata"]["name"] == f"{name}-{int(when.timestamp()) // 60}"
        assert datetime.fromisoformat(live["status"]["lastScheduleTime"]) >= when
    live = here.wait("CronJob", "stays", lambda live: live["status"].get("active"), timeout=MINUTE)
    [reference] = live["status"]["active"]
    assert reference["name"] == jobs(here, "stays")[0]["metadata"]["name"]
    assert (jobs(here, "rests"), jobs(here, "never")) == ([], [])
    here.request("DELETE", here.path("Job", reference["name"]), {"propagationPolicy": "Background"})
    here.wait("CronJob", "stays", lambda live: reference["uid"] not in str(live["status"].get("active")))


def test_the_api_of_cron_jobs(here: Place) -> None:
    label = {"made-by": here.namespace}
    never = cron_job("never", schedule="0 0 31 2 *")
    never["metadata"]["labels"] = label
    (made,) = here.put(never)
    chosen = {"labelSelector": f"made-by={here.namespace}"}
    for path in (here.path("CronJob"), here.api.path("CronJob", None)):
        (found,) = here.request("GET", path, query=chosen)["items"]
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
    path = here.path("CronJob", "never")
    patched = here.request("PATCH", path, {"metadata": {"annotations": {"patched": "true"}}}, content_type=MERGE)
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    live = here.request("GET", path)
    live["metadata"]["annotations"]["updated"] = "true"
    updated = here.request("PUT", path, live)
    assert updated["metadata"]["annotations"] == {"patched": "true", "updated": "true"}
    moment = "2026-01-02T03:04:05Z"
    change = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"lastScheduleTime": moment}}
    status = here.request("PATCH", f"{path}/status", change, content_type=MERGE)
    assert (status["status"]["lastScheduleTime"], status["metadata"]["annotations"]["patchedstatus"]) == (
        moment,
        "true",
    )
    status["status"]["lastScheduleTime"] = "2026-01-02T03:05:05Z"
    status["metadata"].pop("resourceVersion")
    assert here.request("PUT", f"{path}/status", status)["status"]["lastScheduleTime"] == "2026-01-02T03:05:05Z"
    here.request("DELETE", here.path("CronJob"), query=chosen)
    here.gone("CronJob")


def test_a_time_zone_must_be_one(here: Place) -> None:
    with pytest.raises(ApiError, match="unknown time zone bad-time-zone") as caught:
        here.put(cron_job("c", timeZone="bad-time-zone"))
    assert caught.value.code == 422
