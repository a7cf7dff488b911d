"""`kindlab why deployment/NAME` and the like: to the first thing that keeps the Pods from being there and ready."""

from __future__ import annotations

from typing import Any

import pytest
from tests.course.test_trace import AGNHOST, broken, deployment, names, put, service, why

from kindlab.api import Obj
from kindlab.checks.live import LiveLab

MERGE = "application/merge-patch+json"


def quota(live: LiveLab, **hard: str) -> None:
    spec = {"hard": {name.replace("_", "."): amount for name, amount in hard.items()}}
    live.api.create(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}, live.namespace
    )
    assert live.eventually("ResourceQuota", lambda found: all("used" in q.get("status", {}) for q in found))


def limits(live: LiveLab, **limit: Any) -> None:
    spec = {"limits": [{"type": "Container", **limit}]}
    live.api.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": spec}, live.namespace)


def patch(live: LiveLab, kind: str, name: str, change: Obj) -> None:
    live.api.patch(kind, name, live.namespace, change, how=MERGE)


def told(live: LiveLab, reason: str) -> None:
    """Wait until an event of this reason is there."""
    assert live.eventually("v1/Event", lambda found: any(e["reason"] == reason for e in found))


def made(kind: str, **spec: Any) -> Obj:
    """An object of a kind that makes Pods."""
    labels = {"app": "web"}
    container = {"name": "c", "image": AGNHOST, "args": ["pause"]}
    template: Obj = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    whole: Obj = {"template": template, **spec}
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
    else:
        whole["selector"] = labels if kind == "ReplicationController" else {"matchLabels": labels}
    if kind == "StatefulSet":
        whole["serviceName"] = "web"
    group = {"ReplicationController": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "web"}, "spec": whole}


def test_a_deployment_whose_pods_are_ready(live: LiveLab) -> None:
    put(live, deployment())
    path = why(live, "deploy/web")
    assert path.broken is None, path.hops
    assert names(path) == ["Deployment", "ReplicaSet", "Pods"]
    assert path.hops[-1].evidence == "2 of 2 are ready"


def test_one_that_is_not_there(live: LiveLab) -> None:
    put(live, deployment())
    assert broken(why(live, "deployment/wep")) == (
        "Deployment",
        f"there is no Deployment wep in namespace {live.namespace}; did you mean web?",
    )


def test_one_that_asks_for_nothing(live: LiveLab) -> None:
    put(live, deployment(replicas=0))
    assert broken(why(live, "deployment/web")) == ("Deployment", "web asks for no Pods: spec.replicas is 0")


def test_one_that_is_paused(live: LiveLab) -> None:
    put(live, deployment())
    change = {"spec": {"paused": True, "template": {"metadata": {"annotations": {"a": "b"}}}}}
    patch(live, "Deployment", "web", change)
    assert live.eventually("Deployment", lambda found: all(not d["status"].get("updatedReplicas") for d in found))
    path = why(live, "deployment/web")
    assert broken(path) == ("Deployment", "web is paused: its newest template has 0 of 2 Pods")
    assert path.broken is not None
    assert "rollout resume" in path.broken.next


def test_a_quota_without_room(live: LiveLab) -> None:
    quota(live, pods="1")
    put(live, deployment(), ready=False)
    told(live, "FailedCreate")
    assert live.eventually("Deployment", lambda found: any(d["status"].get("readyReplicas") for d in found))
    path = why(live, "deployment/web")
    name, evidence = broken(path)
    assert name == "Pods"
    assert evidence.startswith("1 of 2 are there. ResourceQuota q has no room for another Pod: ")
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in evidence
    assert path.broken is not None
    assert path.broken.next.startswith(f"kubectl describe quota q -n {live.namespace}")


def test_a_quota_that_asks_for_more_than_is_said(live: LiveLab) -> None:
    quota(live, limits_cpu="1")
    put(live, deployment(), ready=False)
    told(live, "FailedCreate")
    path = why(live, "deployment/web")
    name, evidence = broken(path)
    assert name == "Pods"
    assert "counts something that the containers do not say" in evidence
    assert "must specify limits.cpu for: server" in evidence
    assert path.broken is not None
    assert "LimitRange" in path.broken.next


def test_a_limit_range_that_forbids_it(live: LiveLab) -> None:
    limits(live, max={"cpu": "100m"})
    put(live, deployment(resources={"limits": {"cpu": "1"}}), ready=False)
    told(live, "FailedCreate")
    name, evidence = broken(why(live, "deployment/web"))
    assert name == "Pods"
    assert "a LimitRange of namespace" in evidence
    assert "maximum cpu usage per Container is 100m, but limit is 1" in evidence


@pytest.mark.parametrize("kind", ["ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job"])
def test_every_kind_tells_of_a_quota(live: LiveLab, kind: str) -> None:
    quota(live, pods="0")
    live.api.create(made(kind), live.namespace)
    told(live, "FailedCreate")
    name, evidence = broken(why(live, f"{kind.lower()}/web"))
    assert name == "Pods"
    assert "ResourceQuota q has no room for another Pod" in evidence


def test_a_pod_that_is_not_ready_is_followed(live: LiveLab) -> None:
    image = "registry.k8s.io/e2e-test-images/none-such:1"
    put(live, deployment(image=image), ready=False)

    def failing(pods: Any) -> bool:
        states = [s.get("state", {}) for p in pods for s in p["status"].get("containerStatuses") or ()]
        return len(states) == 2 and all(
            s.get("waiting", {}).get("reason") in ("ErrImagePull", "ImagePullBackOff") for s in states
        )

    assert live.eventually("v1/Pod", failing)
    path = why(live, "deployment/web")
    assert names(path)[:4] == ["Deployment", "ReplicaSet", "Pods", "Pod"]
    assert path.hops[2].evidence == "2 of 2 are there, 0 ready"
    _, evidence = broken(path)
    assert image in evidence or "pull" in evidence.lower()


def test_jobs(live: LiveLab) -> None:
    suspended, failing = made("Job", suspend=True), made("Job", backoffLimit=0)
    failing["metadata"]["name"] = "fails"
    failing["spec"]["template"]["spec"]["containers"][0] |= {"command": ["sh", "-c", "exit 3"], "image": "busybox:1.36"}
    done = made("Job")
    done["metadata"]["name"] = "done"
    done["spec"]["template"]["spec"]["containers"][0] |= {"command": ["true"], "image": "busybox:1.36"}
    for each in (suspended, failing, done):
        live.api.create(each, live.namespace)

    def ended(jobs: Any) -> bool:
        types = {c["type"] for j in jobs for c in j["status"].get("conditions") or () if c["status"] == "True"}
        return {"Complete", "Failed", "Suspended"} <= types

    assert live.eventually("Job", ended)
    assert broken(why(live, "job/web")) == ("Job", "web is suspended")
    assert broken(why(live, "job/fails")) == (
        "Job",
        "fails has failed (BackoffLimitExceeded): Job has reached the specified backoff limit",
    )
    assert why(live, "job/done").broken is None


def test_a_daemon_set_that_no_node_takes(live: LiveLab) -> None:
    one = made("DaemonSet")
    one["spec"]["template"]["spec"]["nodeSelector"] = {"no": "where"}
    live.api.create(one, live.namespace)
    assert live.eventually("DaemonSet", lambda found: all(d["status"].get("observedGeneration") for d in found))
    name, evidence = broken(why(live, "ds/web"))
    assert name == "DaemonSet"
    assert "{'no': 'where'}" in evidence


def test_a_service_without_pods_names_who_should_make_them(live: LiveLab) -> None:
    quota(live, pods="0")
    put(live, service(), deployment(), ready=False)
    told(live, "FailedCreate")
    path = why(live, "svc/web")
    assert broken(path) == (
        "Selector",
        "selector app=web matches no Pod: Deployment web should make such Pods, and there are none",
    )
    assert path.broken is not None
    assert path.broken.next == f"kindlab why deployment/web -n {live.namespace}"


def cron_job(name: str = "web", **spec: Any) -> Obj:
    template = made("Job")["spec"]["template"]
    whole = {"schedule": "0 0 29 2 *", "jobTemplate": {"spec": {"template": template}}, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name}, "spec": whole}


def test_cron_jobs(live: LiveLab) -> None:
    for each in (cron_job(), cron_job("rests", suspend=True)):
        live.api.create(each, live.namespace)
    assert broken(why(live, "cj/rests")) == ("CronJob", "rests is suspended: it starts no Jobs")
    path = why(live, "cronjob/web")
    assert broken(path) == ("Schedule", "'0 0 29 2 *' has not come since it was made")
    assert path.broken is not None
    assert "create job web-now --from=cronjob/web" in path.broken.next
    quota(live, pods="0")
    owner = live.require("CronJob", "web")
    reference = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": "web",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    now = made("Job")
    now["metadata"] = {"name": "web-now", "ownerReferences": [reference]}
    live.api.create(now, live.namespace)
    told(live, "FailedCreate")
    path = why(live, "cronjob/web")
    assert names(path) == ["CronJob", "Schedule", "Job", "Pods"]
    assert "ResourceQuota q has no room" in broken(path)[1]
