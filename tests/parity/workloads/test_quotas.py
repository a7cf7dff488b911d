"""ResourceQuotas, by what they let in. After upstream's e2e tests (test/e2e/apimachinery/resource_quota.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.parity.network.support import AGNHOST, Place, service

from kindlab.api import ApiError, Obj

NAME = "quota"
GPU = "example.com/dongle"
MERGE = "application/merge-patch+json"
Uses = Callable[..., Obj]


def quota(name: str = NAME, *scopes: str, labels: dict[str, str] | None = None, **hard: str) -> Obj:
    spec: Obj = {"hard": {field.replace("__", "/").replace("_", "."): amount for field, amount in hard.items()}}
    if scopes:
        spec["scopes"] = list(scopes)
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": spec}


def uses(here: Place, name: str = NAME, **expected: str) -> Obj:
    """Wait until these amounts, at least, are used as told."""
    wanted = {field.replace("__", "/").replace("_", "."): amount for field, amount in expected.items()}

    def counted(live: Obj) -> bool:
        status = live.get("status") or {}
        return status.get("hard") == live["spec"]["hard"] and wanted.items() <= (status.get("used") or {}).items()

    return here.wait("ResourceQuota", name, counted)


def pod(name: str, requests: Obj | None = None, limits: Obj | None = None, **spec: Any) -> Obj:
    sides = {"requests": requests, "limits": limits}
    resources = {side: amounts for side, amounts in sides.items() if amounts}
    container = {"name": "main", "image": AGNHOST, "args": ["pause"], "resources": resources}
    whole = {"terminationGracePeriodSeconds": 0, "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def refused(here: Place, obj: Obj, why: str) -> None:
    with pytest.raises(ApiError) as caught:
        here.put(obj)
    assert caught.value.code == 403
    assert why in caught.value.message


def delete(here: Place, kind: str, name: str) -> None:
    here.request("DELETE", here.path(kind, name), {"gracePeriodSeconds": 0})


def simple(kind: str, name: str = "one") -> Obj:
    """An object that needs nothing."""
    meta = {"name": name}
    if kind in ("Secret", "ConfigMap"):
        return {"apiVersion": "v1", "kind": kind, "metadata": meta}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": AGNHOST}]}}
    group, selector = ("v1", labels) if kind == "ReplicationController" else ("apps/v1", {"matchLabels": labels})
    spec = {"replicas": 0, "selector": selector, "template": template}
    return {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}


def test_its_status_is_calculated_at_once(here: Place) -> None:
    here.put(quota(resourcequotas="5", pods="5"))
    uses(here, resourcequotas="1", pods="0")


def test_services(here: Place) -> None:
    here.put(quota(services="10", services_nodeports="1", services_loadbalancers="1"))
    uses(here, services="0", services_nodeports="0", services_loadbalancers="0")
    here.put(service("plain"), service("port", type="NodePort"))
    uses(here, services="2", services_nodeports="1")
    refused(
        here,
        service("balanced", type="LoadBalancer"),
        "exceeded quota: quota, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodep",
    )
    here.put(service("portless", type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    uses(here, services="3", services_loadbalancers="1")
    for name in ("plain", "port", "portless"):
        delete(here, "Service", name)
    uses(here, services="0", services_nodeports="0", services_loadbalancers="0")


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("Secret", "secrets"),
        ("ConfigMap", "configmaps"),
        ("ReplicationController", "replicationcontrollers"),
        ("ReplicaSet", "count/replicasets.apps"),
    ],
)
def test_objects_are_counted_while_they_are_there(here: Place, kind: str, counted: str) -> None:
    if kind == "ConfigMap":
        here.until("ConfigMap", lambda found: [one for one in found if one["metadata"]["name"] == "kube-root-ca.crt"])
    before = len(here.list(kind))
    field = counted.replace("/", "__").replace(".", "_")
    here.put(quota(**{field: str(before + 1)}))
    uses(here, **{field: str(before)})
    here.put(simple(kind))
    uses(here, **{field: str(before + 1)})
    plural = counted.removeprefix("count/")
    number = f"{counted}={before + 1}"
    refused(
        here, simple(kind, "two"), f"exceeded quota: quota, requested: {counted}=1, used: {number}, limited: {number}"
    )
    with pytest.raises(ApiError, match=f'{plural} "two" is forbidden'):
        here.put(simple(kind, "two"))
    delete(here, kind, "one")
    uses(here, **{field: str(before)})


def test_pods(here: Place) -> None:
    hard = {"pods": "5", "cpu": "1", "memory": "500Mi", "ephemeral-storage": "50Gi", f"requests.{GPU}": "3"}
    made = quota()
    made["spec"]["hard"] = hard
    here.put(made)
    uses(here, pods="0", cpu="0")
    given = {GPU: "2"}
    here.put(pod("fits", {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", **given}, given))
    expected = {"pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", f"requests.{GPU}": "2"}
    here.wait("ResourceQuota", NAME, lambda live: live["status"]["used"] == expected)
    refused(here, pod("large", {"cpu": "600m", "memory": "100Mi"}), "exceeded quota: quota, requested: cpu=600m")
    refused(
        here,
        pod("dongles", {"cpu": "500m", "memory": "100Mi", **given}, given),
        f"exceeded quota: quota, requested: requests.{GPU}=2, used: requests.{GPU}=2, limited: requests.{GPU}=3",
    )
    refused(here, pod("silent"), "failed quota: quota: must specify cpu for: main; memory for: main")
    with pytest.raises(ApiError):
        here.merge(
            "Pod", "fits", {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "1m"}}}]}}
        )
    here.wait("ResourceQuota", NAME, lambda live: live["status"]["used"] == expected)
    delete(here, "Pod", "fits")
    here.wait("ResourceQuota", NAME, lambda live: set(live["status"]["used"].values()) == {"0"})


def test_pods_that_end_and_pods_that_do_not(here: Place) -> None:
    hard = {"pods": "5", "requests_cpu": "1", "limits_memory": "500Mi"}
    here.put(quota("ending", "Terminating", **hard), quota("lasting", "NotTerminating", **hard))
    none = {"pods": "0", "requests_cpu": "0", "limits_memory": "0"}
    one = {"pods": "1", "requests_cpu": "500m", "limits_memory": "400Mi"}
    resources = ({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})
    for name in ("ending", "lasting"):
        uses(here, name, **none)
    for concerned, other, deadline in (
        ("lasting", "ending", {}),
        ("ending", "lasting", {"activeDeadlineSeconds": 3600}),
    ):
        here.put(pod("p", *resources, **deadline))
        uses(here, concerned, **one)
        uses(here, other, **none)
        delete(here, "Pod", "p")
        uses(here, concerned, **none)


def test_pods_that_ask_for_nothing_and_pods_that_do(here: Place) -> None:
    here.put(quota("idle", "BestEffort", pods="5"), quota("busy", "NotBestEffort", pods="5"))
    for name in ("idle", "busy"):
        uses(here, name, pods="0")
    asking = ({"cpu": "500m", "memory": "200Mi"}, {"cpu": "1", "memory": "400Mi"})
    for concerned, other, resources in (("idle", "busy", ()), ("busy", "idle", asking)):
        here.put(pod("p", *resources))
        uses(here, concerned, pods="1")
        uses(here, other, pods="0")
        delete(here, "Pod", "p")
        uses(here, concerned, pods="0")


def test_pods_of_a_priority_class(here: Place, request: pytest.FixtureRequest) -> None:
    high, low = f"{here.namespace}-high", f"{here.namespace}-low"
    for name, value in ((high, 1000), (low, 10)):
        made = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": value,
        }
        request.addfinalizer(lambda name=name: here.request("DELETE", here.api.path("PriorityClass", None, name)))
        here.api.create(made, None)
    for operator, values in (("In", [high]), ("NotIn", [low]), ("Exists", None)):
        chosen = quota(operator.lower(), pods="1")
        expression = {"scopeName": "PriorityClass", "operator": operator, **({"values": values} if values else {})}
        chosen["spec"]["scopeSelector"] = {"matchExpressions": [expression]}
        here.put(chosen)
        uses(here, operator.lower(), pods="0")
    here.put(pod("plain"))
    uses(here, "notin", pods="1")
    uses(here, "in", pods="0")
    uses(here, "exists", pods="0")
    delete(here, "Pod", "plain")
    uses(here, "notin", pods="0")
    here.put(pod("low", priorityClassName=low))
    uses(here, "exists", pods="1")
    uses(here, "in", pods="0")
    uses(here, "notin", pods="0")
    refused(
        here,
        pod("high", priorityClassName=high),
        "exceeded quota: exists, requested: pods=1, used: pods=1, limited: pods=1",
    )


def test_claims_and_their_classes(here: Place) -> None:
    made = quota(persistentvolumeclaims="10", requests_storage="10Gi")
    gold = "gold.storageclass.storage.k8s.io/"
    made["spec"]["hard"] |= {f"{gold}persistentvolumeclaims": "10", f"{gold}requests.storage": "1Gi"}
    here.put(made)
    uses(here, persistentvolumeclaims="0")

    def claim(name: str, size: str, storage_class: str) -> Obj:
        asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        spec = {**asked, "storageClassName": storage_class}
        return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}

    here.put(claim("a", "1Gi", "gold"), claim("b", "2Gi", "none-such"))
    expected = {"persistentvolumeclaims": "2", "requests.storage": "3Gi"}
    expected |= {f"{gold}persistentvolumeclaims": "1", f"{gold}requests.storage": "1Gi"}
    here.wait("ResourceQuota", NAME, lambda live: live["status"]["used"] == expected)
    refused(here, claim("c", "1Gi", "gold"), f"requested: {gold}requests.storage=1Gi, used: {gold}requests.storage=1Gi")
    delete(here, "PersistentVolumeClaim", "a")
    delete(here, "PersistentVolumeClaim", "b")
    here.wait("ResourceQuota", NAME, lambda live: set(live["status"]["used"].values()) == {"0"})


def test_it_is_updated_and_deleted(here: Place) -> None:
    here.put(quota(cpu="1", memory="500Mi"))
    uses(here, cpu="0", memory="0")
    changed = here.update("ResourceQuota", NAME, hard={"cpu": "2", "memory": "1Gi"})
    assert changed["spec"]["hard"] == {"cpu": "2", "memory": "1Gi"}
    uses(here, cpu="0", memory="0")
    delete(here, "ResourceQuota", NAME)
    here.gone("ResourceQuota")


def test_its_life(here: Place) -> None:
    label = {"made-by": here.namespace}
    (made,) = here.put(quota(labels=label, cpu="1", memory="500Mi"))
    everywhere = here.api.path("ResourceQuota", None)
    chosen = {"labelSelector": f"made-by={here.namespace}"}
    assert len(here.request("GET", everywhere, query=chosen)["items"]) == 1
    patched = here.merge(
        "ResourceQuota", NAME, {"metadata": {"labels": {"b": "c"}}, "spec": {"hard": {"memory": "750Mi"}}}
    )
    assert patched["spec"]["hard"] == {"cpu": "1", "memory": "750Mi"}
    assert patched["metadata"]["labels"] == {**label, "b": "c"}
    assert int(patched["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    here.request("DELETE", here.path("ResourceQuota"), query=chosen)
    here.gone("ResourceQuota")


def test_its_status_can_be_written(here: Place) -> None:
    here.put(quota(cpu="500m", memory="500Mi"))
    uses(here, cpu="0", memory="0")
    path = f"{here.path('ResourceQuota', NAME)}/status"
    live = here.request("GET", path)
    live["status"] = {"hard": live["spec"]["hard"]}
    assert here.request("PUT", path, live)["status"]["hard"] == live["spec"]["hard"]
    larger = {"cpu": "1", "memory": "1Gi"}
    here.merge("ResourceQuota", NAME, {"spec": {"hard": larger}})
    uses(here, cpu="0", memory="0")
    patched = here.request("PATCH", path, {"status": {"hard": {"cpu": "2"}}}, content_type=MERGE)
    assert (patched["spec"]["hard"], patched["status"]["hard"]) == (larger, {**larger, "cpu": "2"})
