"""PodDisruptionBudgets, by the evictions they refuse. After upstream's e2e tests (test/e2e/apps/disruption.go)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.network.support import Place, deployment

from kindlab.api import ApiError, Obj

NAME = "web"
BUDGET = "keep"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
MERGE = "application/merge-patch+json"


def budget(name: str = BUDGET, *, labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    whole = {"selector": {"matchLabels": {"app": NAME}}, **spec}
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": whole}


def allows(here: Place, count: int, *, of: int | None = None) -> Obj:
    """Wait until the budget has been counted as it is (with `of` healthy Pods), and allows that many."""

    def counted(live: Obj) -> bool:
        status = live["status"]
        return bool(
            status.get("observedGeneration") == live["metadata"]["generation"]
            and status["disruptionsAllowed"] == count
            and (of is None or status["currentHealthy"] == of)
            and status.get("conditions")
        )

    return here.wait("PodDisruptionBudget", BUDGET, counted)


def evict(here: Place, name: str) -> Obj:
    meta = {"name": name, "namespace": here.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    answer: Obj = here.request("POST", f"{here.path('Pod', name)}/eviction", body)
    return answer


def refused(here: Place, name: str) -> None:
    with pytest.raises(ApiError) as caught:
        evict(here, name)
    assert (caught.value.code, caught.value.message) == (429, REFUSED)
    assert [cause["reason"] for cause in caught.value.details["causes"]] == ["DisruptionBudget"]


def a_pod(here: Place) -> str:
    return str(here.pods(f"app={NAME}")[0]["metadata"]["name"])


def set_status(here: Place, change: Obj) -> Obj:
    live: Obj = here.request(
        "PATCH", f"{here.path('PodDisruptionBudget', BUDGET)}/status", {"status": change}, content_type=MERGE
    )
    return live


@pytest.mark.parametrize(
    ("spec", "desired", "allowed"),
    [
        ({"minAvailable": 1}, 1, 1),
        ({"minAvailable": "100%"}, 2, 0),
        ({"maxUnavailable": "50%"}, 1, 1),
        ({"maxUnavailable": 0}, 2, 0),
        ({}, 0, 0),
    ],
)
def test_what_a_budget_allows(here: Place, spec: Obj, desired: int, allowed: int) -> None:
    here.start(deployment(NAME), budget(**spec))
    status = allows(here, allowed, of=2)["status"]
    assert (status["currentHealthy"], status["desiredHealthy"]) == (2, desired)
    (condition,) = status["conditions"]
    assert condition["type"] == "DisruptionAllowed"
    assert condition["reason"] == ("SufficientPods" if allowed else "InsufficientPods")
    if allowed:
        assert evict(here, a_pod(here))["status"] == "Success"
    else:
        refused(here, a_pod(here))


def test_an_eviction_is_refused_until_the_budget_is_changed(here: Place) -> None:
    here.start(deployment(NAME), budget(minAvailable=2))
    allows(here, 0)
    name = a_pod(here)
    refused(here, name)
    here.request("PATCH", here.path("PodDisruptionBudget", BUDGET), {"spec": {"minAvailable": 1}}, content_type=MERGE)
    allows(here, 1)
    assert evict(here, name)["status"] == "Success"
    here.gone("Pod", name=name)
    allows(here, 1)  # another pod has taken its place
    here.request("PATCH", here.path("PodDisruptionBudget", BUDGET), {"spec": {"minAvailable": 2}}, content_type=MERGE)
    allows(here, 0)
    refused(here, a_pod(here))
    here.request("DELETE", here.path("PodDisruptionBudget", BUDGET))
    assert evict(here, a_pod(here))["status"] == "Success"


def test_one_eviction_at_a_time(here: Place) -> None:
    slow = {"preStop": {"exec": {"command": ["/agnhost", "pause"]}}}
    here.start(deployment(NAME, lifecycle=slow, terminationGracePeriodSeconds=3), budget(maxUnavailable=1))
    allows(here, 1)
    first, second = (pod["metadata"]["name"] for pod in here.pods(f"app={NAME}"))
    evict(here, first)
    refused(here, second)
    conditions = {c["type"]: c for c in here.require("Pod", first)["status"]["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "EvictionByEvictionAPI"


def test_its_status_can_be_written(here: Place) -> None:
    here.start(deployment(NAME), budget(minAvailable=1))
    allows(here, 1)
    name = a_pod(here)
    live = set_status(here, {"disruptedPods": {name: "2099-01-01T00:00:00Z"}})
    assert list(live["status"]["disruptedPods"]) == [name]
    live = here.wait("PodDisruptionBudget", BUDGET, lambda found: found["status"]["currentHealthy"] == 1)
    assert live["status"]["disruptionsAllowed"] == 0


def test_a_namespace_may_have_many_which_are_deleted_together(here: Place) -> None:
    labels = {"kind": "cattle"}
    for name in ("one", "two", "three"):
        here.request(
            "POST",
            here.path("PodDisruptionBudget"),
            budget(name, labels=labels if name != "three" else None, minAvailable="1%"),
        )
    found = here.request("GET", "/apis/policy/v1/poddisruptionbudgets", query={"labelSelector": "kind=cattle"})
    names = [item["metadata"]["name"] for item in found["items"] if item["metadata"]["namespace"] == here.namespace]
    assert names == ["one", "two"]
    here.request("DELETE", here.path("PodDisruptionBudget"), query={"labelSelector": "kind=cattle"})
    left = here.request("GET", here.path("PodDisruptionBudget"))["items"]
    assert [item["metadata"]["name"] for item in left] == ["three"]


def test_two_budgets_for_one_pod(here: Place) -> None:
    here.start(deployment(NAME), budget(maxUnavailable=1), budget("other", maxUnavailable=1))
    allows(here, 1)
    with pytest.raises(ApiError) as caught:
        evict(here, a_pod(here))
    assert caught.value.code == 500
    assert caught.value.message == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )
