"""ReplicaSets and ReplicationControllers. After upstream's e2e tests (test/e2e/apps/replica_set.go and rc.go)."""

from __future__ import annotations

import pytest
from tests.parity.network.support import AGNHOST, START, Place, pod

from kindlab.api import ApiError, Obj
from kindlab.checks.live import is_ready

NAME = "set"
LABELS = {"app": NAME}
MERGE = "application/merge-patch+json"
KINDS = pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController"])


def made(kind: str, replicas: int = 1, *args: str) -> Obj:
    spec = pod("", *(args or ("pause",)))["spec"]
    core = kind == "ReplicationController"
    return {
        "apiVersion": "v1" if core else "apps/v1",
        "kind": kind,
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "replicas": replicas,
            "selector": LABELS if core else {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": spec},
        },
    }


def settled(here: Place, kind: str) -> Obj:
    """Once as many pods as asked for are available, and no more are there."""

    def holds(live: Obj) -> bool:
        status, wanted = live["status"], live["spec"]["replicas"]
        return bool(
            status.get("observedGeneration") == live["metadata"]["generation"]
            and all(status.get(field, 0) == wanted for field in ("replicas", "readyReplicas", "availableReplicas"))
        )

    return here.wait(kind, NAME, holds, timeout=START)


@KINDS
def test_every_replica_answers(here: Place, kind: str) -> None:
    here.put(made(kind, 2, "serve-hostname"))
    settled(here, kind)
    here.start(pod("asks", "pause"))
    for found in here.pods(f"app={NAME}"):
        name, address = found["metadata"]["name"], found["status"]["podIP"]
        assert here.sh_until("asks", f"curl -s --max-time 2 http://{address}:9376").out.strip() == name


@KINDS
def test_a_refusal_shows_in_its_status(here: Place, kind: str) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}}
    here.put(quota)
    here.wait("ResourceQuota", "q", lambda live: live.get("status", {}).get("used") == {"pods": "0"})
    here.put(made(kind, 3))

    def failure(live: Obj) -> Obj | None:
        found = live["status"].get("conditions") or ()
        return next((condition for condition in found if condition["type"] == "ReplicaFailure"), None)

    live = here.wait(kind, NAME, failure, timeout=START)
    condition = failure(live)
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2" in condition["message"]
    here.merge(kind, NAME, {"spec": {"replicas": 2}})
    here.wait(kind, NAME, lambda found: failure(found) is None)


@KINDS
def test_a_pod_that_fits_is_adopted_and_one_that_does_not_any_more_released(here: Place, kind: str) -> None:
    here.start(pod("mine", "pause", labels=LABELS))
    here.put(made(kind, 1))
    owner = settled(here, kind)["metadata"]["uid"]
    adopted = here.require("Pod", "mine")
    assert [ref["uid"] for ref in adopted["metadata"]["ownerReferences"] if ref["controller"]] == [owner]
    here.merge("Pod", "mine", {"metadata": {"labels": {"app": "other"}}})
    here.wait("Pod", "mine", lambda live: not live["metadata"].get("ownerReferences"))
    here.until("Pod", lambda found: any(is_ready(one) for one in found), labels=f"app={NAME}", timeout=START)


@KINDS
def test_the_scale_subresource(here: Place, kind: str) -> None:
    here.put(made(kind, 1))
    settled(here, kind)
    path = f"{here.path(kind, NAME)}/scale"
    scale = here.request("GET", path)
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"]["replicas"], scale["status"]["selector"]) == (1, f"app={NAME}")
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]
    assert here.request("PUT", path, scale)["spec"]["replicas"] == 2
    assert settled(here, kind)["spec"]["replicas"] == 2
    assert here.request("PATCH", path, {"spec": {"replicas": 3}}, content_type=MERGE)["spec"]["replicas"] == 3
    settled(here, kind)


@KINDS
def test_it_is_replaced_and_patched(here: Place, kind: str) -> None:
    here.put(made(kind, 1))
    settled(here, kind)
    here.merge(kind, NAME, {"spec": {"replicas": 2}})
    settled(here, kind)
    container = {"name": "main", "image": AGNHOST, "args": ["serve-hostname"]}
    template = {"spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    change = {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 3, "template": template}}
    live = here.merge(kind, NAME, change)
    assert (live["metadata"]["labels"]["a"], live["spec"]["replicas"]) == ("b", 3)
    live = settled(here, kind)
    assert live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    args = [found["spec"]["containers"][0]["args"] for found in here.pods(f"app={NAME}")]
    assert sorted(args) == [["pause"], ["pause"], ["serve-hostname"]]  # what is there stays as it is


@KINDS
def test_its_status_is_put_right(here: Place, kind: str) -> None:
    here.put(made(kind, 1))
    settled(here, kind)
    path = f"{here.path(kind, NAME)}/status"
    patched = here.request("PATCH", path, {"status": {"readyReplicas": 0, "availableReplicas": 0}}, content_type=MERGE)
    assert patched["status"].get("readyReplicas", 0) == 0
    settled(here, kind)
    with pytest.raises(
        ApiError, match=r"status\.readyReplicas: Invalid value: 5: cannot be greater than status\.replicas"
    ):
        here.request("PATCH", path, {"status": {"readyReplicas": 5}}, content_type=MERGE)


@KINDS
def test_sets_are_deleted_together(here: Place, kind: str) -> None:
    for number in range(3):
        one = made(kind, 1)
        one["metadata"] = {"name": f"{NAME}-{number}", "labels": {"e2e": "yes"}}
        one["spec"]["template"]["metadata"]["labels"] = {**LABELS, "number": str(number)}
        selected = one["spec"]["selector"]
        (selected if kind == "ReplicationController" else selected["matchLabels"]).update(number=str(number))
        one["spec"]["selector"] = dict(selected)
        here.put(one)
    assert len(here.list(kind, "e2e=yes")) == 3
    options = {"propagationPolicy": "Background"}
    here.request("DELETE", here.path(kind), options, query={"labelSelector": "e2e=yes"})
    here.gone(kind, labels="e2e=yes")
    here.gone("Pod", labels=f"app={NAME}")


def test_pods_of_a_replication_controller_stay_when_it_goes(here: Place) -> None:
    """By default, unlike those of every newer kind."""
    here.put(made("ReplicationController", 1))
    settled(here, "ReplicationController")
    here.request("DELETE", here.path("ReplicationController", NAME))
    here.gone("ReplicationController")
    (left,) = here.until("Pod", lambda found: [one for one in found if not one["metadata"].get("ownerReferences")])
    assert is_ready(left)
