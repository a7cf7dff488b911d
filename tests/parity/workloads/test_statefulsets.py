"""StatefulSets, by what their pods and claims show. After upstream's e2e tests (test/e2e/apps/statefulset.go)."""

from __future__ import annotations

import pytest
from tests.parity.network.support import START, Place
from tests.parity.workloads.support import (
    LABELS,
    NAME,
    governing,
    has_seen,
    marked,
    marks,
    pods,
    ready_again,
    settled,
    start,
    statefulset,
    uid,
    unready,
)

from kindlab.api import STRATEGIC_PATCH, ApiError, Obj
from kindlab.checks.live import is_ready

FIRST, SECOND, THIRD = (f"{NAME}-{number}" for number in range(3))


# -- order and names


def test_pods_come_one_after_the_other(here: Place) -> None:
    here.put(statefulset(3))
    early: list[list[str]] = []

    def complete(found: list[Obj]) -> bool:
        there = sorted(found, key=lambda pod: pod["metadata"]["name"])
        if not all(map(is_ready, there[:-1])):
            early.append([pod["metadata"]["name"] for pod in there])
        return len(there) == 3 and all(map(is_ready, there))

    here.until("Pod", complete, labels=f"app={NAME}", timeout=START)
    assert not early
    assert sorted(pods(here)) == [FIRST, SECOND, THIRD]


def test_in_parallel_no_pod_waits_for_another(here: Place) -> None:
    here.put(statefulset(3, podManagementPolicy="Parallel", script="sleep 100000"))
    here.until("Pod", lambda found: len(found) == 3, labels=f"app={NAME}")
    status = here.wait("StatefulSet", NAME, lambda live: live.get("status", {}).get("replicas") == 3)["status"]
    assert not status.get("readyReplicas")


def test_pods_know_who_they_are(here: Place) -> None:
    here.put(governing())
    live = start(here, statefulset(2))
    pod = here.require("Pod", SECOND)
    assert pod["metadata"]["labels"] == pod["metadata"]["labels"] | {
        **LABELS,
        "statefulset.kubernetes.io/pod-name": SECOND,
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": live["status"]["updateRevision"],
    }
    assert here.run(SECOND, "hostname").out.strip() == SECOND
    full = f"{SECOND}.{NAME}.{here.namespace}.svc"
    assert here.run(SECOND, "hostname", "-f").out.startswith(full)
    found = here.sh_until(FIRST, f"ping -c 1 -W 1 {SECOND}.{NAME} | grep PING").out
    assert pod["status"]["podIP"] in found


def test_ordinals_may_start_elsewhere(here: Place) -> None:
    start(here, statefulset(2, ordinals={"start": 2}))
    assert sorted(pods(here)) == [f"{NAME}-2", f"{NAME}-3"]
    here.merge("StatefulSet", NAME, {"spec": {"ordinals": {"start": 3}}})
    here.until("Pod", lambda found: {p["metadata"]["name"] for p in found} == {f"{NAME}-3", f"{NAME}-4"})
    settled(here)


# -- scaling


def test_scaling_down_takes_the_highest_first(here: Place) -> None:
    start(here, statefulset(3))
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 1}})
    wrong: list[set[str]] = []

    def done(found: list[Obj]) -> bool:
        staying = {pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]}
        there = {pod["metadata"]["name"] for pod in found}
        if FIRST not in staying or (SECOND not in staying and THIRD in there):
            wrong.append(there)
        return there == {FIRST}

    here.until("Pod", done, labels=f"app={NAME}")
    assert not wrong


def test_an_unready_pod_halts_scaling_both_ways(here: Place) -> None:
    start(here, statefulset(2))
    unready(here, FIRST)
    for replicas in (3, 1):
        here.merge("StatefulSet", NAME, {"spec": {"replicas": replicas}})
        here.wait("StatefulSet", NAME, has_seen)
        assert {name: "deletionTimestamp" in pod["metadata"] for name, pod in pods(here).items()} == {
            FIRST: False,
            SECOND: False,
        }
    ready_again(here, FIRST)
    settled(here)
    assert list(pods(here)) == [FIRST]


def test_in_parallel_no_unready_pod_halts_scaling(here: Place) -> None:
    start(here, statefulset(1, podManagementPolicy="Parallel"))
    unready(here, FIRST)
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 3}})
    here.until("Pod", lambda found: len(found) == 3, labels=f"app={NAME}")
    ready_again(here, FIRST)
    settled(here)
    for name in (FIRST, SECOND, THIRD):
        unready(here, name)
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 0}})
    here.gone("Pod", labels=f"app={NAME}")
    here.wait("StatefulSet", NAME, lambda live: live["status"]["replicas"] == 0)


def test_the_scale_subresource(here: Place) -> None:
    start(here, statefulset(1))
    path = f"{here.path('StatefulSet', NAME)}/scale"
    scale = here.request("GET", path)
    assert (scale["kind"], scale["spec"], scale["status"]) == (
        "Scale",
        {"replicas": 1},
        {"replicas": 1, "selector": f"app={NAME}"},
    )
    here.request("PUT", path, {**scale, "spec": {"replicas": 2}})
    assert settled(here)["spec"]["replicas"] == 2


# -- pods that go


def test_a_deleted_pod_comes_back_with_its_name_and_its_data(here: Place) -> None:
    start(here, statefulset(1, claims=True))
    before = uid(here, "Pod", FIRST), uid(here, "PersistentVolumeClaim", f"data-{FIRST}")
    assert here.sh(FIRST, "hostname > /data/who").ok
    here.delete_pod(FIRST)
    here.wait("Pod", FIRST, lambda pod: pod["metadata"]["uid"] != before[0] and is_ready(pod), timeout=START)
    assert here.run(FIRST, "cat", "/data/who").out == f"{FIRST}\n"
    assert uid(here, "PersistentVolumeClaim", f"data-{FIRST}") == before[1]


def test_a_failed_pod_is_made_again(here: Place) -> None:
    port = {"ports": [{"containerPort": 21017, "hostPort": 21017}]}
    node = next(node["metadata"]["name"] for node in here.api.list("Node") if not (node["spec"].get("taints") or []))
    rival = statefulset()["spec"]["template"]["spec"]
    rival["containers"][0].update(port)
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rival"}, "spec": {**rival, "nodeName": node}}
    here.start(body)
    here.put(statefulset(1, container=port, pod={"nodeName": node}))
    seen: set[str] = set()

    def again(found: list[Obj]) -> bool:
        seen.update(pod["metadata"]["uid"] for pod in found if pod["status"].get("phase") == "Failed")
        return len(seen) > 1

    here.until("Pod", again, labels=f"app={NAME}")
    here.api.delete("Pod", "rival", here.namespace)
    settled(here)


def test_orphans_are_adopted_and_strangers_released(here: Place) -> None:
    start(here, statefulset(1))
    before = uid(here, "Pod", FIRST)
    revision = here.list("ControllerRevision")[0]["metadata"]["name"]
    here.request("DELETE", here.path("StatefulSet", NAME), {"propagationPolicy": "Orphan"})
    here.gone("StatefulSet", name=NAME)
    here.wait("Pod", FIRST, lambda pod: "ownerReferences" not in pod["metadata"])
    live = start(here, statefulset(1))
    here.wait("Pod", FIRST, lambda pod: [r["uid"] for r in pod["metadata"]["ownerReferences"]] == [owner(live)])
    assert uid(here, "Pod", FIRST) == before
    assert live["status"]["updateRevision"] == revision
    here.merge("Pod", FIRST, {"metadata": {"labels": {"app": "else"}}})
    here.wait("Pod", FIRST, lambda pod: "ownerReferences" not in pod["metadata"])
    here.merge("Pod", FIRST, {"metadata": {"labels": LABELS}})
    here.wait("Pod", FIRST, lambda pod: "ownerReferences" in pod["metadata"])


def owner(live: Obj) -> str:
    return str(live["metadata"]["uid"])


# -- updates


def test_an_update_goes_from_the_highest_down_and_back(here: Place) -> None:
    live = start(here, statefulset(3, container={"env": [{"name": "MARK", "value": "old"}]}))
    first = live["status"]["currentRevision"]
    here.merge("StatefulSet", NAME, marked("new"))
    wrong: list[dict[str, str]] = []

    def updated(found: list[Obj]) -> bool:
        held = {p["metadata"]["name"]: p["spec"]["containers"][0]["env"][0]["value"] for p in found}
        if "old" in [held.get(name) for name in held if held.get(FIRST) == "new"]:
            wrong.append(held)
        return list(held.values()) == ["new"] * 3

    here.until("Pod", updated, labels=f"app={NAME}", timeout=START)
    assert not wrong
    live = here.wait(
        "StatefulSet", NAME, lambda found: found["status"]["currentRevision"] == found["status"]["updateRevision"]
    )
    assert live["status"]["currentRevision"] != first
    old = here.require("ControllerRevision", first)
    # as `kubectl rollout undo` does
    here.request("PATCH", here.path("StatefulSet", NAME), old["data"], content_type=STRATEGIC_PATCH)
    live = settled(here)
    assert live["status"]["updateRevision"] == first
    assert set(marks(here).values()) == {"old"}
    assert here.require("ControllerRevision", first)["revision"] == 3


def test_a_partition_is_a_canary(here: Place) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    start(here, statefulset(3, updateStrategy=rolling, container={"env": [{"name": "MARK", "value": "old"}]}))
    here.merge("StatefulSet", NAME, marked("new"))
    here.wait(
        "StatefulSet",
        NAME,
        lambda live: live["status"].get("updatedReplicas") == 1 and live["status"].get("readyReplicas") == 3,
        timeout=START,
    )
    assert marks(here) == {FIRST: "old", SECOND: "old", THIRD: "new"}
    before = uid(here, "Pod", FIRST)
    here.delete_pod(FIRST)
    here.wait("Pod", FIRST, lambda pod: pod["metadata"]["uid"] != before and is_ready(pod), timeout=START)
    assert marks(here)[FIRST] == "old"
    here.merge("StatefulSet", NAME, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    settled(here)
    assert set(marks(here).values()) == {"new"}


def test_on_delete_waits_for_somebody_to_delete(here: Place) -> None:
    start(here, statefulset(2, updateStrategy={"type": "OnDelete"}))
    here.merge("StatefulSet", NAME, marked("new"))
    here.wait("StatefulSet", NAME, has_seen)
    before = uid(here, "Pod", SECOND)
    here.delete_pod(SECOND)
    here.wait("Pod", SECOND, lambda pod: pod["metadata"]["uid"] != before and is_ready(pod), timeout=START)
    assert marks(here) == {FIRST: "", SECOND: "new"}


def test_a_pod_is_available_after_min_ready_seconds(here: Place) -> None:
    here.put(statefulset(1, minReadySeconds=5))
    status = here.wait("StatefulSet", NAME, lambda live: live["status"].get("readyReplicas"), timeout=START)["status"]
    assert status["availableReplicas"] == 0
    here.wait("StatefulSet", NAME, lambda live: live["status"]["availableReplicas"] == 1)


# -- claims


def test_claims_outlive_pods_and_the_set(here: Place) -> None:
    start(here, statefulset(2, claims=True))
    assert here.sh(SECOND, "echo kept > /data/f").ok
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 1}})
    settled(here)
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 2}})
    settled(here)
    assert here.run(SECOND, "cat", "/data/f").out == "kept\n"
    here.api.delete("StatefulSet", NAME, here.namespace)
    here.gone("Pod", labels=f"app={NAME}")
    claims = {claim["metadata"]["name"]: claim for claim in here.list("PersistentVolumeClaim", f"app={NAME}")}
    assert sorted(claims) == [f"data-{FIRST}", f"data-{SECOND}"]
    assert not any("ownerReferences" in claim["metadata"] for claim in claims.values())
    start(here, statefulset(2, claims=True))
    assert here.run(SECOND, "cat", "/data/f").out == "kept\n"


@pytest.mark.parametrize("when", ["whenDeleted", "whenScaled"])
def test_claims_go_when_asked_to(here: Place, when: str) -> None:
    policy = {"whenDeleted": "Retain", "whenScaled": "Retain", when: "Delete"}
    start(here, statefulset(2, claims=True, persistentVolumeClaimRetentionPolicy=policy))
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 1}})
    settled(here)
    second = f"data-{SECOND}"
    if when == "whenScaled":
        here.gone("PersistentVolumeClaim", name=second)
    else:
        assert here.get("PersistentVolumeClaim", second)
    here.api.delete("StatefulSet", NAME, here.namespace)
    if when == "whenDeleted":
        here.gone("PersistentVolumeClaim", labels=f"app={NAME}")
    else:
        here.gone("Pod", labels=f"app={NAME}")
        assert here.get("PersistentVolumeClaim", f"data-{FIRST}")


def test_a_changed_retention_policy_reaches_the_claims(here: Place) -> None:
    live = start(here, statefulset(1, claims=True))
    change = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}
    here.merge("StatefulSet", NAME, {"spec": change})
    claim = here.wait("PersistentVolumeClaim", f"data-{FIRST}", lambda found: found["metadata"].get("ownerReferences"))
    assert [(ref["kind"], ref["uid"]) for ref in claim["metadata"]["ownerReferences"]] == [("StatefulSet", owner(live))]


# -- the API


def test_most_of_a_set_stays_as_it_was_made(here: Place) -> None:
    here.put(statefulset(0, claims=True))
    with pytest.raises(ApiError) as refused:
        here.merge("StatefulSet", NAME, {"spec": {"serviceName": "other"}})
    assert refused.value.code == 422
    assert refused.value.message == (
        f'StatefulSet.apps "{NAME}" is invalid: spec: Forbidden: updates to statefulset spec for fields other than '
        "'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    )


def test_its_status_can_be_written(here: Place) -> None:
    start(here, statefulset(1))
    path = f"{here.path('StatefulSet', NAME)}/status"
    live = here.request("GET", path)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    live["status"]["conditions"] = [condition]
    live["metadata"].pop("resourceVersion")
    assert here.request("PUT", path, live)["status"]["conditions"][0]["type"] == "StatusUpdate"
    change = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    patched = here.request("PATCH", path, change, content_type="application/merge-patch+json")
    assert [found["type"] for found in patched["status"]["conditions"]] == ["StatusPatched"]
    here.wait("StatefulSet", NAME, lambda found: found["status"]["conditions"][0]["type"] == "StatusPatched")


def test_events_tell_what_is_done(here: Place) -> None:
    start(here, statefulset(1, claims=True))
    here.merge("StatefulSet", NAME, {"spec": {"replicas": 0}})
    settled(here)

    def told(found: list[Obj]) -> bool:
        about = [e for e in found if e["involvedObject"]["kind"] == "StatefulSet"]
        return {(e["reason"], e["message"]) for e in about} == {
            ("SuccessfulCreate", f"Create Claim data-{FIRST} Pod {FIRST} in StatefulSet {NAME} success"),
            ("SuccessfulCreate", f"Create Pod {FIRST} in StatefulSet {NAME} successful"),
            ("SuccessfulDelete", f"Delete Pod {FIRST} in StatefulSet {NAME} successful"),
        }

    here.until("Event", told)


def test_sets_are_deleted_together(here: Place) -> None:
    one, other = statefulset(1), statefulset(1)
    for live, name in ((one, "one"), (other, "other")):
        live["metadata"] = {"name": name, "labels": {"kind": "cattle"}}
        live["spec"]["selector"] = {"matchLabels": {"app": name}}
        live["spec"]["template"]["metadata"] = {"labels": {"app": name}}
    here.put(one, other)
    here.until("Pod", lambda found: len(found) == 2)
    here.request("DELETE", here.path("StatefulSet"), query={"labelSelector": "kind=cattle"})
    here.gone("StatefulSet")
    here.gone("Pod")
    here.gone("ControllerRevision")
