"""Deployments, by what becomes of their pods. After upstream's e2e tests (test/e2e/apps/deployment.go)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.network.support import BUSYBOX, START, Place, deployment, pod

from kindlab.api import Obj
from kindlab.checks.live import is_ready, rolled_out

NAME = "web"
MERGE = "application/merge-patch+json"
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


def web(replicas: int = 2, strategy: Obj | None = None, **spec: Any) -> Obj:
    made = deployment(NAME, "pause", replicas=replicas)
    made["spec"] |= {**({"strategy": strategy} if strategy else {}), **spec}
    return made


def marked(value: str) -> Obj:
    """A change of the template."""
    return {"spec": {"template": {"metadata": {"annotations": {"mark": value}}}}}


def settled(here: Place) -> Obj:
    return here.wait("Deployment", NAME, rolled_out, timeout=START)


def sets(here: Place) -> dict[str, Obj]:
    """The Deployment's ReplicaSets, by revision."""
    found = here.list("ReplicaSet", f"app={NAME}")
    return {one["metadata"]["annotations"][REVISION]: one for one in found}


def replicaset(name: str, replicas: int = 1) -> Obj:
    labels = {"app": NAME}
    template = pod("", "pause", labels=labels)
    template = {"metadata": {"labels": labels}, "spec": template["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "labels": labels}, "spec": spec}


def test_a_rolling_update_takes_over_an_older_set(here: Place) -> None:
    """Its pods are adopted with it, then replaced by those of the Deployment's own template."""
    old = replicaset("older")
    old["metadata"]["annotations"] = {REVISION: "3546342826789"}
    here.put(old)
    here.wait("ReplicaSet", "older", lambda live: live["status"].get("readyReplicas") == 1, timeout=START)
    (before,) = here.pods(f"app={NAME}").names
    made = web(replicas=1)
    made["spec"]["template"]["metadata"]["annotations"] = {"mark": "new"}
    here.put(made)
    live = settled(here)
    assert live["metadata"]["annotations"][REVISION] == "3546342826790"
    here.gone("Pod", name=before)
    emptied = here.wait("ReplicaSet", "older", lambda found: found["status"]["replicas"] == 0)
    assert [owner["uid"] for owner in emptied["metadata"]["ownerReferences"]] == [live["metadata"]["uid"]]
    assert emptied["spec"]["selector"]["matchLabels"] == {"app": NAME}


def test_recreate_never_runs_two_templates_at_once(here: Place) -> None:
    here.start(web(strategy={"type": "Recreate"}))
    old = here.pods(f"app={NAME}")[0]["metadata"]["labels"][HASH]
    here.merge("Deployment", NAME, marked("new"))
    for live in here.api.follow("Pod", here.namespace, labels=f"app={NAME}", timeout=START):
        hashes = {found["metadata"]["labels"][HASH] for found in live.values() if found["status"]["phase"] == "Running"}
        assert len(hashes) < 2
        if hashes - {old} and len(live) == 2 and all(is_ready(found) for found in live.values()):
            return
    raise AssertionError("the new pods never were ready")


def test_sets_beyond_the_history_are_deleted(here: Place) -> None:
    here.start(web(replicas=1, revisionHistoryLimit=0))
    here.merge("Deployment", NAME, marked("new"))
    settled(here)
    here.until("ReplicaSet", lambda found: len(found) == 1, labels=f"app={NAME}")


def test_a_rollover_gives_up_an_update_that_is_not_done(here: Place) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    here.start(web(replicas=1, strategy=strategy, minReadySeconds=1))
    broken = {"containers": [{"name": "main", "image": "registry.k8s.io/e2e-test-images/none-such:1"}]}
    here.merge("Deployment", NAME, {"spec": {"template": {"spec": broken}}})
    here.until("ReplicaSet", lambda found: any(one["metadata"]["annotations"][REVISION] == "2" for one in found))
    working = {"name": "main", "image": BUSYBOX, "args": ["sleep", "100000"]}
    here.merge("Deployment", NAME, {"spec": {"template": {"spec": {"containers": [working]}}}})
    settled(here)
    for revision, found in sets(here).items():
        expected = 1 if revision == max(sets(here), key=int) else 0
        here.wait("ReplicaSet", found["metadata"]["name"], lambda live, n=expected: live["spec"]["replicas"] == n)


def test_the_scale_subresource(here: Place) -> None:
    here.start(web(replicas=1))
    path = f"{here.path('Deployment', NAME)}/scale"
    scale = here.request("GET", path)
    assert (scale["spec"]["replicas"], scale["status"]["selector"]) == (1, f"app={NAME}")
    scale["spec"]["replicas"] = 2
    del scale["metadata"]["resourceVersion"]
    assert here.request("PUT", path, scale)["spec"]["replicas"] == 2
    assert here.require("Deployment", NAME)["spec"]["replicas"] == 2
    patched = here.request("PATCH", path, {"spec": {"replicas": 4}}, content_type=MERGE)
    assert patched["spec"]["replicas"] == 4
    settled(here)


def test_scaling_in_the_middle_of_an_update_is_shared_out(here: Place) -> None:
    """Upstream's numbers: of 10 with 2 unavailable and 3 more allowed, 8 old and 5 new; of 30, 20 and 13."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    here.start(web(replicas=10, strategy=strategy))
    broken = {"containers": [{"name": "main", "image": "registry.k8s.io/e2e-test-images/none-such:1"}]}
    here.merge("Deployment", NAME, {"spec": {"template": {"spec": broken}}})

    def shared(old: int, new: int) -> None:
        def holds(found: list[Obj]) -> bool:
            sizes = {one["metadata"]["annotations"][REVISION]: one for one in found}
            wanted = {"1": old, "2": new}
            return {revision: one["spec"]["replicas"] for revision, one in sizes.items()} == wanted

        here.until("ReplicaSet", holds, labels=f"app={NAME}", timeout=START)

    shared(8, 5)
    here.wait("Deployment", NAME, lambda live: live["status"].get("availableReplicas") == 8)
    here.merge("Deployment", NAME, {"spec": {"replicas": 30}})
    shared(20, 13)


def test_its_life(here: Place) -> None:
    label = {"made-by": here.namespace}
    first = web()
    first["metadata"]["labels"] = label
    (made,) = here.put(first)
    settled(here)
    change = {"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 1, **marked("patched")["spec"]}}
    patched = here.merge("Deployment", NAME, change)
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    live = settled(here)
    assert live["status"]["updatedReplicas"] == 1
    assert "unavailableReplicas" not in live["status"]
    chosen = {"labelSelector": f"made-by={here.namespace}"}
    assert len(here.request("GET", here.api.path("Deployment", None), query=chosen)["items"]) == 1
    here.merge("Deployment", NAME, {"spec": {"replicas": 2}})
    settled(here)
    path = f"{here.path('Deployment', NAME)}/status"
    here.request("PATCH", path, {"status": {"readyReplicas": 0, "availableReplicas": 0}}, content_type=MERGE)
    settled(here)  # the controller puts it right
    here.request("DELETE", here.path("Deployment"), query=chosen)
    here.gone("Deployment")
    here.gone("Pod", labels=f"app={NAME}")


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_its_status_can_be_written(here: Place, kind: str) -> None:
    made = web(replicas=1) if kind == "Deployment" else replicaset(NAME)
    here.put(made)
    here.wait(kind, NAME, lambda live: live["status"].get("availableReplicas") == 1, timeout=START)
    path = f"{here.path(kind, NAME)}/status"
    live = here.request("GET", path)
    condition = {"type": "StatusUpdate", "status": "True", "reason": "E2E", "message": "Set from e2e test"}
    live["status"]["conditions"] = [*live["status"].get("conditions", ()), condition]
    del live["metadata"]["resourceVersion"]
    conditions = here.request("PUT", path, live)["status"]["conditions"]
    assert "StatusUpdate" in {found["type"] for found in conditions}
    change = {"status": {"conditions": [{"type": "StatusPatched", "status": "True"}]}}
    patched = here.request("PATCH", path, change, content_type=MERGE)
    assert [found["type"] for found in patched["status"]["conditions"]] == ["StatusPatched"]
