"""Jobs: how many pods they make, when they end, and how pods are counted."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.pocketkube.controllers import world as worlds
from tests.unit.pocketkube.controllers.jobs import (
    change,
    end,
    end_all,
    has,
    index_of,
    job,
    reasons,
    running,
    running_index,
    status,
    template,
)
from tests.unit.pocketkube.controllers.world import World, pod_spec

from pocketkube import objects
from pocketkube.resources.base import DeleteOptions

TRACKING = "batch.kubernetes.io/job-tracking"


@pytest.fixture
async def fast() -> AsyncIterator[World]:
    """Forty seconds pass in one: back-offs and deadlines."""
    created = World(speed=40)
    created.node("a")
    async with worlds.running(created) as it:
        await it.until(lambda: it.find("serviceaccounts", "default") is not None)
        yield it


# -- completions


async def test_a_job_runs_its_pods_one_after_the_other(world: World) -> None:
    owner = job(world, completions=2)
    await world.until(lambda: status(world).get("ready") == 1)
    assert status(world)["active"] == 1
    [pod] = world.list("pods")
    assert pod["metadata"]["finalizers"] == [TRACKING]
    assert pod["metadata"]["ownerReferences"] == [objects.owner_reference(owner)]
    assert objects.labels(pod)["batch.kubernetes.io/job-name"] == "j"
    await end_all(world, 1)
    await end_all(world, 1)
    await world.until(lambda: has(world, "Complete"))
    found = status(world)
    assert reasons(world) == {"SuccessCriteriaMet": "CompletionsReached", "Complete": "CompletionsReached"}
    assert {k: v for k, v in found.items() if k not in ("conditions", "startTime", "completionTime")} == {
        "succeeded": 2,
        "ready": 0,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }
    assert [len(pod["metadata"].get("finalizers", ())) for pod in world.list("pods")] == [0, 0]
    made = [f"Created pod: {objects.name(pod)}" for pod in world.list("pods")]
    assert sorted(world.events("j", reason="SuccessfulCreate")) == sorted(made)
    assert world.events("j", reason="Completed") == ["Job completed"]


async def test_parallelism_is_how_many_run_at_once(world: World) -> None:
    job(world, completions=5, parallelism=2)
    await end_all(world, 2)
    await end_all(world, 2)
    await end_all(world, 1)
    await world.until(lambda: has(world, "Complete"))
    assert status(world)["succeeded"] == 5
    assert len(world.list("pods")) == 5


async def test_parallelism_may_change(world: World) -> None:
    job(world, completions=9, parallelism=1)
    await world.until(lambda: len(running(world)) == 1)
    change(world, parallelism=4)
    await world.until(lambda: len(running(world)) == 4)
    change(world, parallelism=2)
    await world.until(lambda: len(running(world)) == 2 and status(world).get("active") == 2)
    assert status(world).get("failed", 0) == 0
    assert len(world.events("j", reason="SuccessfulDelete")) == 2
    change(world, parallelism=0)
    await world.until(lambda: not running(world) and "active" not in status(world))


async def test_without_completions_one_success_is_enough(world: World) -> None:
    job(world, parallelism=2)
    await world.until(lambda: len(running(world)) == 2)
    first, second = running(world)
    end(world, first)
    await world.until(lambda: status(world).get("succeeded") == 1 and status(world).get("active") == 1)
    assert not has(world, "Complete")
    end(world, second)
    await world.until(lambda: has(world, "Complete"))


async def test_a_job_of_no_pods_is_complete(world: World) -> None:
    job(world, completions=0)
    await world.until(lambda: has(world, "Complete"))


# -- failures


async def test_too_many_failures_end_a_job(world: World) -> None:
    job(world, backoffLimit=0)
    await end_all(world, 1, code=1)
    await world.until(lambda: has(world, "Failed"))
    assert reasons(world) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    assert (status(world)["failed"], "completionTime" in status(world)) == (1, False)
    assert world.events("j", reason="BackoffLimitExceeded") == ["Job has reached the specified backoff limit"]
    await world.settle()
    assert len(world.list("pods")) == 1


async def test_a_failed_pod_is_made_anew_after_a_while(fast: World) -> None:
    job(fast)
    await end_all(fast, 1, code=1)
    await fast.until(lambda: status(fast).get("failed") == 1)
    await fast.settle()
    assert len(fast.list("pods")) == 1
    await end_all(fast, 1)  # 10 seconds later
    await fast.until(lambda: has(fast, "Complete"))
    assert (status(fast)["failed"], status(fast)["succeeded"]) == (1, 1)


async def test_the_pods_that_run_go_when_a_job_fails(world: World) -> None:
    world.stubborn = True
    job(world, completions=3, parallelism=3, backoffLimit=0)
    await world.until(lambda: len(running(world)) == 3)
    end(world, running(world)[0], 1)
    await world.until(lambda: status(world).get("terminating") == 2)
    assert (has(world, "FailureTarget"), has(world, "Failed")) == (True, False)
    for pod in world.list("pods"):
        if objects.is_terminating(pod):
            world.bury(objects.name(pod))
    await world.until(lambda: has(world, "Failed"))
    assert status(world)["failed"] == 3


async def test_restarts_count_where_pods_restart_themselves(world: World) -> None:
    job(world, backoffLimit=1, template=template(restartPolicy="OnFailure"))
    await world.until(lambda: len(running(world)) == 1)

    def restart(copy: Any) -> None:
        container = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 1}
        copy["status"]["containerStatuses"] = [container]

    world.patch("pods", running(world)[0], restart, subresource="status")
    await world.until(lambda: has(world, "Failed"))
    assert reasons(world)["Failed"] == "BackoffLimitExceeded"


async def test_a_deadline_ends_a_job(fast: World) -> None:
    job(fast, activeDeadlineSeconds=5)
    await fast.until(lambda: has(fast, "Failed"))
    assert reasons(fast) == {"FailureTarget": "DeadlineExceeded", "Failed": "DeadlineExceeded"}
    assert fast.events("j", reason="DeadlineExceeded") == ["Job was active longer than specified deadline"]


async def test_a_deleted_pod_counts_as_failed_and_is_replaced(fast: World) -> None:
    job(fast)
    await fast.until(lambda: len(running(fast)) == 1)
    first = running(fast)[0]
    fast.delete("pods", first)
    await fast.until(lambda: len(running(fast)) == 1 and running(fast)[0] != first)
    assert status(fast)["failed"] == 1
    assert fast.find("pods", first) is None


async def test_replacement_may_wait_until_a_pod_has_ended(fast: World) -> None:
    fast.stubborn = True
    job(fast, podReplacementPolicy="Failed")
    await fast.until(lambda: len(running(fast)) == 1)
    first = running(fast)[0]
    fast.delete("pods", first)
    await fast.until(lambda: status(fast).get("terminating") == 1 and "active" not in status(fast))
    await fast.settle()
    assert len(fast.list("pods")) == 1
    end(fast, first, 1)
    await fast.until(lambda: len(running(fast)) == 1)
    assert status(fast)["failed"] == 1


# -- indexes


async def test_each_index_is_done_once(world: World) -> None:
    job(world, completionMode="Indexed", completions=4, parallelism=4)
    await world.until(lambda: len(running(world)) == 4)
    pod = world.get("pods", running_index(world, 2))
    assert pod["spec"]["hostname"] == "j-2"
    assert objects.name(pod).startswith("j-2-")
    assert objects.labels(pod)["batch.kubernetes.io/job-completion-index"] == "2"
    path = "metadata.labels['batch.kubernetes.io/job-completion-index']"
    source = {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}
    assert pod["spec"]["containers"][0]["env"] == [{"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]
    for index in (0, 1, 3):
        end(world, running_index(world, index))
    await world.until(lambda: status(world).get("completedIndexes") == "0,1,3")
    assert not has(world, "Complete")
    end(world, running_index(world, 2))
    await world.until(lambda: has(world, "Complete"))
    assert (status(world)["completedIndexes"], status(world)["succeeded"]) == ("0-3", 4)


async def test_an_index_may_fail_alone(fast: World) -> None:
    job(fast, completionMode="Indexed", completions=2, parallelism=2, backoffLimitPerIndex=1)
    await fast.until(lambda: len(running(fast)) == 2)
    end(fast, running_index(fast, 1))
    first = running_index(fast, 0)
    end(fast, first, 1)
    await fast.until(lambda: running_index(fast, 0) != "")
    again = fast.get("pods", running_index(fast, 0))
    assert objects.annotations(again)["batch.kubernetes.io/job-index-failure-count"] == "1"
    assert status(fast)["failedIndexes"] == ""
    end(fast, objects.name(again), 1)
    await fast.until(lambda: has(fast, "Failed"))
    assert reasons(fast)["Failed"] == "FailedIndexes"
    found = status(fast)
    assert (found["failedIndexes"], found["completedIndexes"], found["failed"]) == ("0", "1", 2)


async def test_too_many_failed_indexes_end_a_job(world: World) -> None:
    job(
        world,
        completionMode="Indexed",
        completions=4,
        parallelism=4,
        backoffLimitPerIndex=0,
        maxFailedIndexes=1,
    )
    await world.until(lambda: len(running(world)) == 4)
    for index in (0, 1):
        end(world, running_index(world, index), 1)
    await world.until(lambda: has(world, "Failed"))
    assert reasons(world)["Failed"] == "MaxFailedIndexesExceeded"
    assert status(world)["failedIndexes"] == "0,1"


async def test_an_indexed_job_is_elastic(world: World) -> None:
    job(world, completionMode="Indexed", completions=2, parallelism=2)
    await world.until(lambda: len(running(world)) == 2)
    change(world, completions=4, parallelism=4)
    await world.until(lambda: len(running(world)) == 4)
    change(world, completions=1, parallelism=1)
    await world.until(lambda: len(running(world)) == 1)
    assert index_of(world.get("pods", running(world)[0])) == "0"
    end(world, running(world)[0])
    await world.until(lambda: has(world, "Complete"))
    assert status(world).get("failed", 0) == 0


# -- policies


def exit_rule(action: str, *codes: int) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"operator": "In", "values": list(codes)}}


async def test_an_exit_code_may_end_a_job(world: World) -> None:
    job(world, podFailurePolicy={"rules": [exit_rule("FailJob", 42)]})
    await world.until(lambda: len(running(world)) == 1)
    name = running(world)[0]
    end(world, name, 42)
    await world.until(lambda: has(world, "Failed"))
    assert world.events("j", reason="PodFailurePolicy") == [
        f"Container c for pod test/{name} failed with exit code 42 matching FailJob rule at index 0"
    ]


async def test_an_ignored_failure_does_not_count(world: World) -> None:
    job(world, backoffLimit=0, podFailurePolicy={"rules": [exit_rule("Ignore", 42)]})
    await end_all(world, 1, code=42)
    await world.until(lambda: not running(world))
    await world.settle()
    assert not has(world, "Failed")
    assert status(world).get("failed", 0) == 0


async def test_a_disruption_may_be_ignored(fast: World) -> None:
    condition = {"type": "DisruptionTarget", "status": "True"}
    job(fast, backoffLimit=0, podFailurePolicy={"rules": [{"action": "Ignore", "onPodConditions": [condition]}]})
    await fast.until(lambda: len(running(fast)) == 1)
    first = running(fast)[0]
    fast.patch("pods", first, lambda copy: copy["status"]["conditions"].append(dict(condition)), subresource="status")
    end(fast, first, 137)
    await fast.until(lambda: len(running(fast)) == 1)
    assert not has(fast, "Failed")


async def test_an_index_may_fail_at_once(world: World) -> None:
    rule = exit_rule("FailIndex", 42)
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 5}
    job(world, podFailurePolicy={"rules": [rule]}, **spec)
    await world.until(lambda: len(running(world)) == 2)
    end(world, running_index(world, 0), 42)
    await world.until(lambda: status(world).get("failedIndexes") == "0")


async def test_some_indexes_may_be_enough(world: World) -> None:
    rules = [{"succeededIndexes": "0,2-3", "succeededCount": 2}]
    job(world, completionMode="Indexed", completions=4, parallelism=4, successPolicy={"rules": rules})
    await world.until(lambda: len(running(world)) == 4)
    end(world, running_index(world, 1))
    end(world, running_index(world, 0))
    await world.until(lambda: status(world).get("succeeded") == 2)
    assert not has(world, "SuccessCriteriaMet")
    end(world, running_index(world, 3))
    await world.until(lambda: has(world, "Complete"))
    assert reasons(world) == {"SuccessCriteriaMet": "SuccessPolicy", "Complete": "SuccessPolicy"}
    assert objects.condition(world.get("jobs", "j"), "Complete")["message"] == "Matched rules at index 0"  # type: ignore[index]
    assert status(world).get("failed", 0) == 0


# -- suspending


async def test_a_job_may_rest(world: World) -> None:
    job(world, suspend=True)
    await world.until(lambda: has(world, "Suspended"))
    assert ("startTime" in status(world), world.list("pods")) == (False, [])
    assert world.events("j") == ["Job suspended"]
    change(world, suspend=False)
    await world.until(lambda: len(running(world)) == 1)
    found = objects.condition(world.get("jobs", "j"), "Suspended")
    assert found is not None
    assert (found["status"], found["reason"], found["message"]) == ("False", "JobResumed", "Job resumed")
    assert "startTime" in status(world)
    change(world, suspend=True)
    await world.until(lambda: not world.list("pods") and has(world, "Suspended"))
    assert status(world).get("failed", 0) == 0
    assert "startTime" not in status(world)
    change(world, suspend=False)
    await end_all(world, 1)
    await world.until(lambda: has(world, "Complete"))
    assert world.events("j", reason="Resumed") == ["Job resumed"]


# -- whose pods


async def test_pods_stay_when_a_job_is_orphaned_and_go_when_it_is_not(world: World) -> None:
    job(world)
    await world.until(lambda: len(running(world)) == 1)
    world.delete("jobs", "j")
    await world.until(lambda: world.find("jobs", "j") is None)
    await world.until(lambda: all(not pod["metadata"].get("finalizers") for pod in world.list("pods")))
    assert len(running(world)) == 1
    world.delete("pods", running(world)[0])
    job(world, "k")
    await world.until(lambda: len(running(world)) == 1)
    world.delete("jobs", "k", "Background")
    await world.until(lambda: not world.list("pods"))


async def test_foreground_deletion_waits_for_the_pods(world: World) -> None:
    job(world)
    await world.until(lambda: len(running(world)) == 1)
    world.delete("jobs", "j", "Foreground")
    await world.until(lambda: world.find("jobs", "j") is None)
    assert not world.list("pods")


async def test_orphans_are_adopted_and_strangers_released(world: World) -> None:
    labels = {"app": "x"}
    pod = world.pod("mine", labels, restartPolicy="Never")
    made = {"metadata": {"labels": labels}, **template()}
    owner = job(world, manualSelector=True, selector={"matchLabels": labels}, template=made)
    await world.until(lambda: objects.controller_ref(world.get("pods", "mine")) is not None)
    pod = world.get("pods", "mine")
    assert objects.controller_ref(pod) == objects.owner_reference(owner)
    assert pod["metadata"]["finalizers"] == [TRACKING]
    world.patch("pods", "mine", lambda copy: copy["metadata"].update(labels={}))
    await world.until(lambda: objects.controller_ref(world.get("pods", "mine")) is None)
    assert not world.get("pods", "mine")["metadata"].get("finalizers")
    await world.until(lambda: len(world.list("pods")) == 2)


async def test_a_job_of_another_controller_is_left_alone(world: World) -> None:
    job(world, managedBy="example.com/mine")
    await world.settle()
    assert (world.list("pods"), status(world)) == ([], {})


async def test_what_the_api_refuses_is_told(world: World) -> None:
    spec = {**pod_spec(), "restartPolicy": "Never", "serviceAccountName": "nobody"}
    job(world, template={"spec": spec})
    await world.until(lambda: bool(world.events("j", reason="FailedCreate")))
    assert "serviceaccount" in world.events("j", reason="FailedCreate")[0]


async def test_a_job_goes_some_time_after_its_end(fast: World) -> None:
    job(fast, ttlSecondsAfterFinished=10)
    await end_all(fast, 1)
    await fast.until(lambda: has(fast, "Complete"))
    await fast.until(lambda: fast.find("jobs", "j") is None and not fast.list("pods"))
    job(fast, "k", backoffLimit=0, ttlSecondsAfterFinished=0)
    await end_all(fast, 1, code=1)
    await fast.until(lambda: fast.find("jobs", "k") is None)


async def test_a_crash_between_noting_and_counting_counts_once() -> None:
    """The controller died after it had noted a pod: another one finds the note."""
    created = World()
    created.node("a")
    async with worlds.running(created, ["serviceaccount-controller"]) as world:
        await world.until(lambda: world.find("serviceaccounts", "default") is not None)
        made = job(world, completions=3, parallelism=2)
        for name, held in (("a", True), ("b", False), ("c", True)):
            labels = dict(objects.labels(made["spec"]["template"]))
            meta = {"name": name, "labels": labels, "ownerReferences": [objects.owner_reference(made)]}
            pod = {"metadata": {**meta, "finalizers": [TRACKING] if held else []}, **template()}
            world.create("pods", pod)
        await world.until(lambda: len(running(world)) == 3)
        first, second, third = (objects.uid(world.get("pods", name)) for name in ("a", "b", "c"))
        for name in ("a", "b", "c"):
            end(world, name, int(name == "c"))
        noted = {
            "startTime": world.registry.clock.now(),
            "uncountedTerminatedPods": {"succeeded": [first, second], "failed": [third]},
        }
        world.patch("jobs", "j", lambda copy: copy.update(status=noted), subresource="status")
    async with worlds.running(created) as world:
        await world.until(lambda: len(running(world)) == 1)
        assert (status(world)["succeeded"], status(world)["failed"]) == (2, 1)
        end(world, running(world)[0])
        await world.until(lambda: has(world, "Complete"))
        assert (status(world)["succeeded"], status(world)["failed"]) == (3, 1)


async def test_deleting_with_background_needs_no_grace_of_the_job(world: World) -> None:
    job(world, completions=2)
    await end_all(world, 1)
    await world.until(lambda: status(world).get("succeeded") == 1)
    world.client.delete("jobs", ("test", "j"), DeleteOptions(propagation_policy="Background"))
    await world.until(lambda: not world.list("pods"))


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_every_index_is_done_once_and_every_failure_counted_once(seed: int) -> None:
    """Pods end well and badly, are deleted, the Job is suspended, scaled, its controller dies: the counts are right."""
    chance = random.Random(seed)
    created = World(speed=2000)
    created.node("a")
    failed: set[str] = set()
    indexed = bool(seed % 2)
    mode = {"completionMode": "Indexed"} if indexed else {}
    rounds = 0
    while not rounds or not has(created, "Complete"):
        async with worlds.running(created) as world:
            await world.until(lambda: world.find("serviceaccounts", "default") is not None)
            if not rounds:
                job(world, completions=12, parallelism=3, backoffLimit=1000, **mode)
            rounds += 1
            for _ in range(chance.randint(1, 6)):
                if chance.random() < 0.8:
                    await world.until(lambda: bool(running(world)) or has(world, "Complete"))
                for name in running(world):
                    act = chance.choice(["", "end", "end", "fail", "delete"])
                    pod = world.get("pods", name)
                    if act in ("fail", "delete"):
                        failed.add(objects.uid(pod))
                    if act == "delete":
                        world.delete("pods", name)
                    elif act:
                        end(world, name, int(act == "fail"))
                if chance.random() < 0.3 and not has(world, "Complete"):
                    change(world, parallelism=chance.randint(1, 5))
    found = status(created)
    assert found["succeeded"] == 12
    assert found.get("failed", 0) == len(failed)
    assert found.get("completedIndexes", "0-11") == "0-11"
    assert found["uncountedTerminatedPods"] == {}
