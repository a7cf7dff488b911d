"""Pods asked to go, and Pods replaced: by a budget's leave, by their makers, and what a set's Pods have mounted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.course.test_trace import deployment, put
from tests.course.test_trace_claim import CSI, claim

from kindlab.api import Obj
from kindlab.checks import CheckFailed, makers
from kindlab.checks.evictions import evict, evict_in_turn
from kindlab.checks.live import LiveLab
from kindlab.checks.makers import is_of_deployment, pods_of_set, replace_pods
from kindlab.checks.volumes import claim_behind

pytestmark = pytest.mark.xdist_group("pocket")
PATIENT = 120.0


def budget(**spec: Any) -> Obj:
    whole = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": whole}


def allowed(live: LiveLab, count: int) -> None:
    def holds(found: Any) -> bool:
        return any((b.get("status") or {}).get("disruptionsAllowed") == count for b in found)

    assert live.eventually("PodDisruptionBudget", holds, timeout=PATIENT)


def test_evictions_by_leave_of_a_budget(live: LiveLab) -> None:
    put(live, deployment(replicas=2), budget(maxUnavailable=1))
    before = sorted(live.pods_of("web").names)
    assert len(before) == 2
    allowed(live, 1)
    assert evict_in_turn(live.api, live.namespace, before, timeout=PATIENT) == []
    assert live.eventually("Pod", lambda found: not {p["metadata"]["name"] for p in found} & set(before))
    assert evict(live.api, live.namespace, before[0])  # it has gone


def test_a_budget_that_forbids_it_for_good(live: LiveLab) -> None:
    put(live, deployment(replicas=1), budget(minAvailable=1))
    (pod,) = live.pods_of("web").names
    allowed(live, 0)
    assert not evict(live.api, live.namespace, pod)
    assert evict_in_turn(live.api, live.namespace, [pod], timeout=0.1) == [pod]
    assert live.pods_of("web").names == {pod}


def test_new_pods_in_place_of_the_old(live: LiveLab) -> None:
    put(live, deployment(replicas=2))
    before = live.pods_of("web")
    replace_pods(live, ["web", "nobody"], timeout=PATIENT)
    after = live.pods_of("web")
    assert len(after) == 2
    assert not after.names & before.names
    assert all(is_of_deployment(p, "web") and not is_of_deployment(p, "we") for p in after)


def test_the_pods_of_a_set_in_order_and_their_claims(live: LiveLab) -> None:
    disk = claim("data", storageClassName=CSI)
    template = deployment()["spec"]["template"]
    template["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    spec = {
        "serviceName": "db",
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": template,
        "volumeClaimTemplates": [{"metadata": disk["metadata"], "spec": disk["spec"]}],
    }
    put(live, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec})
    pods = pods_of_set(live, "db", timeout=PATIENT)
    assert [p["metadata"]["name"] for p in pods] == ["db-0", "db-1"]
    assert [claim_behind(p, "/data") for p in pods] == ["data-db-0", "data-db-1"]
    assert claim_behind(pods[0], "/elsewhere") == ""
    with pytest.raises(CheckFailed, match="a StatefulSet named nobody"):
        pods_of_set(live, "nobody", timeout=1)


def test_a_set_without_a_single_pod_is_not_waited_for(live: LiveLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its controller would have made the first one at once: only that is waited for, and not that all are ready."""
    monkeypatch.setattr(makers, "NOBODY", 0.5)
    waited: list[float] = []

    def eventually(kind: str, condition: Any, *, timeout: float, **selected: Any) -> Any:
        waited.append(timeout)
        return LiveLab.eventually(live, kind, condition, timeout=timeout, **selected)

    monkeypatch.setattr(live, "eventually", eventually)
    whole = deployment()["spec"]
    spec = {"serviceName": "db", "replicas": 0, "selector": whole["selector"], "template": whole["template"]}
    put(live, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec})
    assert not pods_of_set(live, "db", timeout=PATIENT)
    assert waited == [0.5]
