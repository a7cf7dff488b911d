"""DaemonSets, by where their pods are. After upstream's e2e tests (test/e2e/apps/daemon_set.go and
controller_revision.go). Nodes are told apart by a label of the test's own, which it takes away again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.parity.network.support import AGNHOST, START, Place, workers

from kindlab.api import STRATEGIC_PATCH, Api, ApiError, Obj
from kindlab.checks.live import is_ready

NAME = "agent"
LABELS = {"app": NAME}
HASH = "controller-revision-hash"
COLOUR = "kindlab.example/colour"


def daemonset(mark: str = "", **spec: Any) -> Obj:
    """A DaemonSet of agnhost; `mark`: an environment variable that makes another template of it. `pod` and `container`
    add to the template."""
    container: Obj = {"name": "main", "image": AGNHOST, "args": ["pause"], **spec.pop("container", {})}
    if mark:
        container["env"] = [{"name": "MARK", "value": mark}]
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container], **spec.pop("pod", {})}
    whole = {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}, "spec": pod}, **spec}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": NAME, "labels": LABELS}, "spec": whole}


def rolling(unavailable: int | str = 0, surge: int | str = 0) -> Obj:
    numbers = {"maxUnavailable": unavailable, "maxSurge": surge}
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": numbers}}


def has_seen(live: Obj) -> bool:
    return bool(live["status"].get("observedGeneration", 0) >= live["metadata"]["generation"])


def covers(count: int) -> Callable[[Obj], bool]:
    """Whether so many nodes should have, and do have, an available pod of the newest template."""
    fields = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    return lambda live: has_seen(live) and all(live["status"].get(field, 0) == count for field in fields)


def covered(here: Place, count: int) -> Obj:
    return here.wait("DaemonSet", NAME, covers(count), timeout=START)


def names(api: Api) -> list[str]:
    return sorted(node["metadata"]["name"] for node in workers(api))


def pods(here: Place) -> dict[str, Obj]:
    """By node, without those that go."""
    found = here.list("Pod", f"app={NAME}")
    return {p["spec"].get("nodeName", ""): p for p in found if "deletionTimestamp" not in p["metadata"]}


def on(here: Place, *nodes: str) -> None:
    """Wait until these nodes have a pod and no others."""
    here.until("Pod", lambda found: sorted(p["spec"].get("nodeName", "") for p in found) == sorted(nodes))


def start(here: Place, live: Obj) -> Obj:
    here.put(live)
    return covered(here, len(names(here.api)))


def mark(here: Place, value: str) -> None:
    container = {"name": "main", "env": [{"name": "MARK", "value": value}]}
    here.merge("DaemonSet", NAME, {"spec": {"template": {"spec": {"containers": [container]}}}})


def marks(here: Place) -> list[str]:
    return sorted(mark_of(pod) for pod in pods(here).values())


def mark_of(pod: Obj) -> str:
    return str((pod["spec"]["containers"][0].get("env") or [{"value": ""}])[0]["value"])


def uid(obj: Obj) -> str:
    return str(obj["metadata"]["uid"])


@pytest.fixture
def paint(api: Api) -> Iterator[Callable[[str, str | None], None]]:
    """Labels a node with a colour, or takes it away."""
    painted = set()

    def paint(node: str, colour: str | None) -> None:
        painted.add(node)
        api.patch("Node", node, None, {"metadata": {"labels": {COLOUR: colour}}})

    yield paint
    for node in painted:
        api.patch("Node", node, None, {"metadata": {"labels": {COLOUR: None}}})


# -- where pods are


def test_every_node_that_takes_pods_has_one(here: Place) -> None:
    live = start(here, daemonset())
    nodes = names(here.api)
    on(here, *nodes)
    assert live["status"]["numberMisscheduled"] == 0
    pod = pods(here)[nodes[0]]
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [nodes[0]]}]}
    required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required == {"nodeSelectorTerms": [term]}
    assert {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"} in (
        pod["spec"]["tolerations"]
    )
    (revision,) = here.list("ControllerRevision", f"app={NAME}")
    labels = {**LABELS, HASH: revision["metadata"]["labels"][HASH], "pod-template-generation": "1"}
    assert labels.items() <= pod["metadata"]["labels"].items()
    assert [ref["uid"] for ref in pod["metadata"]["ownerReferences"]] == [uid(live)]


def test_a_deleted_pod_is_revived(here: Place) -> None:
    start(here, daemonset())
    node, pod = next(iter(pods(here).items()))
    here.delete_pod(pod["metadata"]["name"])
    here.until("Pod", lambda found: any(p["spec"].get("nodeName") == node and uid(p) != uid(pod) for p in found))
    covered(here, len(names(here.api)))


@pytest.mark.parametrize("by", ["nodeSelector", "affinity"])
def test_labels_decide_which_nodes_have_one(here: Place, paint: Callable[[str, str | None], None], by: str) -> None:
    wanted: Obj = {"nodeSelector": {COLOUR: "blue"}}
    if by == "affinity":
        terms = [{"matchExpressions": [{"key": COLOUR, "operator": "In", "values": ["blue"]}]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        wanted = {"affinity": {"nodeAffinity": required}}
    here.put(daemonset(pod=wanted))
    here.wait("DaemonSet", NAME, has_seen)
    assert not pods(here)
    node = names(here.api)[0]
    paint(node, "blue")
    covered(here, 1)
    on(here, node)
    paint(node, "green")
    on(here)
    covered(here, 0)
    if by == "nodeSelector":
        change = {"spec": {"template": {"spec": {"nodeSelector": {COLOUR: "green"}}}}, **rolling(1)}
        here.merge("DaemonSet", NAME, change)
        covered(here, 1)
        on(here, node)


def test_a_taint_keeps_new_pods_away_and_lets_old_ones_stay(here: Place) -> None:
    start(here, daemonset())
    nodes = names(here.api)
    before = pods(here)[nodes[0]]
    try:
        taint = {"key": COLOUR, "value": here.namespace, "effect": "NoSchedule"}
        here.api.patch("Node", nodes[0], None, {"spec": {"taints": [taint]}})
        here.wait("DaemonSet", NAME, lambda live: live["status"]["numberMisscheduled"] == 1)
        assert uid(pods(here)[nodes[0]]) == uid(before)
        tolerations = [{"key": COLOUR, "operator": "Exists"}]
        here.merge("DaemonSet", NAME, {"spec": {"template": {"spec": {"tolerations": tolerations}}}})
        covered(here, len(nodes))
    finally:
        here.api.patch("Node", nodes[0], None, {"spec": {"taints": None}})


# -- pods that fail


def test_a_failed_pod_is_made_again(here: Place) -> None:
    start(here, daemonset())
    node, pod = next(iter(pods(here).items()))
    pod["metadata"].pop("resourceVersion")
    pod["status"]["phase"] = "Failed"
    here.request("PUT", f"{here.path('Pod', pod['metadata']['name'])}/status", pod)
    here.until("Pod", lambda found: uid(pod) not in map(uid, found), labels=f"app={NAME}")
    covered(here, len(names(here.api)))
    text = f"Found failed daemon pod {here.namespace}/{pod['metadata']['name']} on node {node}, will try to kill it"
    here.until("Event", lambda found: text in [e["message"] for e in found if e["reason"] == "FailedDaemonPod"])


# -- updates


def test_a_rolling_update_replaces_the_pods_one_by_one(here: Place) -> None:
    start(here, daemonset("old", **rolling(1)))
    mark(here, "new")
    count = len(names(here.api))
    covered(here, count)
    assert marks(here) == ["new"] * count
    revisions = here.list("ControllerRevision", f"app={NAME}")
    assert sorted(revision["revision"] for revision in revisions) == [1, 2]
    newest = max(revisions, key=lambda revision: int(revision["revision"]))["metadata"]["labels"][HASH]
    assert {pod["metadata"]["labels"][HASH] for pod in pods(here).values()} == {newest}


def test_nothing_is_updated_until_somebody_deletes_it(here: Place) -> None:
    start(here, daemonset("old", updateStrategy={"type": "OnDelete"}))
    mark(here, "new")
    here.wait("DaemonSet", NAME, has_seen)
    count = len(names(here.api))
    assert marks(here) == ["old"] * count
    here.delete_pod(next(iter(pods(here).values()))["metadata"]["name"])
    here.wait("DaemonSet", NAME, lambda live: live["status"].get("updatedNumberScheduled") == 1)
    here.wait("DaemonSet", NAME, lambda live: live["status"].get("numberAvailable") == count)
    assert marks(here) == ["new"] + ["old"] * (count - 1)


def test_an_update_that_went_wrong_is_taken_back_without_restarts(here: Place) -> None:
    start(here, daemonset())
    count = len(names(here.api))
    if count < 2:
        pytest.skip("it takes two nodes")
    bad = {"name": "main", "image": "foo:non-existent"}
    here.merge("DaemonSet", NAME, {"spec": {"template": {"spec": {"containers": [bad]}}}})
    here.until("Pod", lambda found: any(p["spec"]["containers"][0]["image"] == bad["image"] for p in found))
    kept = {uid(p) for p in pods(here).values() if p["spec"]["containers"][0]["image"] == AGNHOST}
    assert len(kept) == count - 1
    first = min(here.list("ControllerRevision", f"app={NAME}"), key=lambda revision: int(revision["revision"]))
    # as `kubectl rollout undo` does
    here.request("PATCH", here.path("DaemonSet", NAME), first["data"], content_type=STRATEGIC_PATCH)
    covered(here, count)
    assert kept < {uid(pod) for pod in pods(here).values()}
    assert here.require("ControllerRevision", first["metadata"]["name"])["revision"] == 3


def test_a_surging_update_is_never_without_a_pod(here: Place) -> None:
    start(here, daemonset("old", **rolling(surge=1), minReadySeconds=1))
    mark(here, "new")
    count = len(names(here.api))
    wrong: list[tuple[int, int]] = []

    def updated(found: list[Obj]) -> bool:
        staying = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        ready = sum(map(is_ready, staying))
        if ready < count or len(staying) > count + 1:
            wrong.append((ready, len(staying)))
        return [mark_of(pod) for pod in found] == ["new"] * count

    here.until("Pod", updated, labels=f"app={NAME}", timeout=START)
    assert not wrong
    covered(here, count)


def test_a_pod_is_available_after_min_ready_seconds(here: Place) -> None:
    here.put(daemonset(minReadySeconds=5))
    count = len(names(here.api))
    status = here.wait("DaemonSet", NAME, lambda live: live["status"].get("numberReady") == count, timeout=START)[
        "status"
    ]
    assert status["numberUnavailable"] == count
    covered(here, count)


# -- revisions


def test_a_revision_can_be_patched_replaced_and_deleted(here: Place) -> None:
    live = start(here, daemonset())
    (first,) = here.list("ControllerRevision", f"app={NAME}")
    assert first["metadata"]["ownerReferences"][0]["uid"] == uid(live)
    here.merge("ControllerRevision", first["metadata"]["name"], {"metadata": {"labels": {"state": "patched"}}})
    meta = {
        "name": f"{NAME}-other",
        "labels": {**LABELS, HASH: "other"},
        "ownerReferences": first["metadata"]["ownerReferences"],
    }
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": meta}
    here.put({**body, "data": first["data"], "revision": 2})
    assert len(here.list("ControllerRevision", f"app={NAME}")) == 2
    here.api.delete("ControllerRevision", first["metadata"]["name"], here.namespace)
    here.until("ControllerRevision", lambda found: len(found) == 1, labels=f"app={NAME}")
    here.merge("ControllerRevision", meta["name"], {"metadata": {"labels": {"state": "updated"}}})
    here.merge("DaemonSet", NAME, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 2}}}})
    here.until("ControllerRevision", lambda found: len(found) == 2, labels=f"app={NAME}")
    here.request("DELETE", here.path("ControllerRevision"), query={"labelSelector": "state=updated"})
    (last,) = here.until(
        "ControllerRevision", lambda found: found if len(found) == 1 else None, labels=f"app={NAME}"
    ) or [{}]
    assert last["revision"] == 3


def test_a_revision_keeps_its_data(here: Place) -> None:
    start(here, daemonset())
    (first,) = here.list("ControllerRevision", f"app={NAME}")
    with pytest.raises(ApiError) as refused:
        here.request("PUT", here.path("ControllerRevision", first["metadata"]["name"]), {**first, "data": {"a": 1}})
    assert refused.value.code == 422
    assert "data: Invalid value: " in refused.value.message
    assert refused.value.message.endswith(": field is immutable")


# -- the API


def test_its_status_can_be_written(here: Place) -> None:
    start(here, daemonset())
    path = f"{here.path('DaemonSet', NAME)}/status"
    assert here.request("GET", path)["status"]["numberReady"] == len(names(here.api))
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    patch = {"status": {"conditions": [condition]}}
    live = here.request("PATCH", path, patch, content_type="application/merge-patch+json")
    assert [c["reason"] for c in live["status"]["conditions"]] == ["E2E"]
    here.merge("DaemonSet", NAME, {"spec": {"minReadySeconds": 1}})
    live = here.wait("DaemonSet", NAME, has_seen)
    assert [c["reason"] for c in live["status"]["conditions"]] == ["E2E"]


def test_its_selector_stays(here: Place) -> None:
    here.put(daemonset(pod={"nodeSelector": {COLOUR: "none"}}))
    labels = {"spec": {"selector": {"matchLabels": {"tier": "x"}}, "template": {"metadata": {"labels": {"tier": "x"}}}}}
    with pytest.raises(ApiError) as refused:
        here.merge("DaemonSet", NAME, labels)
    assert refused.value.message == (
        f'DaemonSet.apps "{NAME}" is invalid: spec.selector: Invalid value: '
        '{"matchLabels":{"app":"agent","tier":"x"}}: field is immutable'
    )


def test_sets_are_deleted_together(here: Place) -> None:
    start(here, daemonset())
    here.request("DELETE", here.path("DaemonSet"), query={"labelSelector": f"app={NAME}"})
    here.gone("DaemonSet")
    here.gone("Pod")
    here.gone("ControllerRevision")
