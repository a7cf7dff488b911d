"""What objects use, and which quotas are about them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube import amounts
from pocketkube.objects import Obj
from pocketkube.quota.base import in_values
from pocketkube.quota.usage import counted, evaluator, is_about

NOW = 1_000_000_000.0
REGISTRY = direct.registry()


def usage(kind: str, obj: Obj) -> dict[str, str]:
    counted_by = evaluator(REGISTRY.resources[kind])
    assert counted_by is not None
    return amounts.texts(counted_by.usage({"metadata": {}, **obj}, NOW))


def asks(requests: Obj | None = None, limits: Obj | None = None, **fields: Any) -> Obj:
    sides = {"requests": requests, "limits": limits}
    return {"name": "c", "resources": {name: given for name, given in sides.items() if given}, **fields}


def of_pod(*containers: Obj, **spec: Any) -> dict[str, str]:
    return usage("pods", {"spec": {"containers": list(containers), **spec}})


def test_a_pod_uses_the_sum_of_its_containers() -> None:
    one = asks({"cpu": "100m", "memory": "1Gi"}, {"cpu": "1", "example.com/gpu": "1"})
    other = asks({"cpu": "150m", "example.com/gpu": "1", "ephemeral-storage": "1Gi", "hugepages-2Mi": "4Mi"})
    assert of_pod(one, other) == {
        "count/pods": "1",
        "pods": "1",
        "cpu": "250m",
        "requests.cpu": "250m",
        "limits.cpu": "1",
        "memory": "1Gi",
        "requests.memory": "1Gi",
        "requests.example.com/gpu": "1",
        "ephemeral-storage": "1Gi",
        "requests.ephemeral-storage": "1Gi",
        "hugepages-2Mi": "4Mi",
        "requests.hugepages-2Mi": "4Mi",
    }


def test_a_pod_uses_what_its_largest_step_needs() -> None:
    init = [asks({"cpu": "300m"}), asks({"cpu": "50m"}, restartPolicy="Always"), asks({"cpu": "400m"})]
    assert of_pod(asks({"cpu": "100m"}), initContainers=init)["cpu"] == "450m"  # beside the sidecar
    assert of_pod(asks({"cpu": "1"}), initContainers=init)["cpu"] == "1050m"


def test_overhead_and_the_pods_own_requests() -> None:
    overhead = {"cpu": "10m", "memory": "1Mi"}
    found = of_pod(asks({"cpu": "100m"}, {"cpu": "200m"}), overhead=overhead)
    assert (found["cpu"], found["memory"], found["limits.cpu"]) == ("110m", "1Mi", "210m")
    assert "limits.memory" not in found
    whole = {"requests": {"cpu": "2"}, "limits": {"memory": "1Gi"}}
    found = of_pod(asks({"cpu": "100m"}), resources=whole)
    assert (found["cpu"], found["limits.memory"]) == ("2", "1Gi")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_is_over_is_an_object_only(phase: str) -> None:
    pod = {"spec": {"containers": [asks({"cpu": "1"})]}, "status": {"phase": phase}}
    assert usage("pods", pod) == {"count/pods": "1"}


def test_a_pod_that_does_not_go_in_time_is_an_object_only() -> None:
    pod: Obj = {"spec": {"containers": []}}
    meta = {"deletionTimestamp": "2001-09-09T01:46:20Z", "deletionGracePeriodSeconds": 10}
    assert "pods" in usage("pods", {**pod, "metadata": {**meta, "deletionGracePeriodSeconds": 20}})
    assert "pods" not in usage("pods", {**pod, "metadata": meta})


@pytest.mark.parametrize(
    ("spec", "node_ports", "balancers"),
    [
        ({"type": "ClusterIP", "ports": [{}, {}]}, "0", "0"),
        ({"type": "NodePort", "ports": [{}, {}]}, "2", "0"),
        ({"type": "LoadBalancer", "ports": [{}, {}]}, "2", "1"),
        ({"type": "LoadBalancer", "ports": [{}, {"nodePort": 1}], "allocateLoadBalancerNodePorts": False}, "1", "1"),
    ],
)
def test_services(spec: Obj, node_ports: str, balancers: str) -> None:
    assert usage("services", {"spec": spec}) == {
        "count/services": "1",
        "services": "1",
        "services.nodeports": node_ports,
        "services.loadbalancers": balancers,
    }


def test_claims_count_for_their_class_too() -> None:
    claim = {"spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1500m"}}}}
    assert usage("persistentvolumeclaims", claim) == {
        "count/persistentvolumeclaims": "1",
        "persistentvolumeclaims": "1",
        "requests.storage": "2",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "2",
    }
    grown = {**claim, "status": {"allocatedResources": {"storage": "1Gi"}}}
    assert usage("persistentvolumeclaims", grown)["requests.storage"] == "1Gi"


def test_other_kinds_are_counted_some_by_two_names() -> None:
    assert usage("configmaps", {}) == {"configmaps": "1", "count/configmaps": "1"}
    assert usage("deployments", {}) == {"count/deployments.apps": "1"}
    assert evaluator(REGISTRY.resources["events"]) is None
    assert evaluator(REGISTRY.resources["nodes"]) is None


def test_which_names_pods_use() -> None:
    counted_by = evaluator(REGISTRY.resources["pods"])
    assert counted_by is not None
    names = [
        "requests.example.com/gpu",
        "example.com/gpu",
        "requests.storage",
        "hugepages-1Gi",
        "count/pods",
        "limits.cpu",
    ]
    assert counted(names, counted_by) == ["requests.example.com/gpu", "hugepages-1Gi", "count/pods", "limits.cpu"]


def about(spec: Obj, *scopes: str, **expression: Any) -> bool:
    counted_by = evaluator(REGISTRY.resources["pods"])
    assert counted_by is not None
    quota: Obj = {"spec": {"scopes": list(scopes)}}
    if expression:
        quota["spec"]["scopeSelector"] = {"matchExpressions": [expression]}
    return is_about(quota, counted_by, {"metadata": {}, "spec": spec})


def test_scopes_of_pods() -> None:
    idle, ends, busy = {"containers": [asks()]}, {"activeDeadlineSeconds": 5}, {"containers": [asks({"cpu": "1"})]}
    assert about(idle)
    assert about(idle, "BestEffort", "NotTerminating")
    assert not about(idle, "BestEffort", "Terminating")
    assert about(ends, "Terminating")
    assert about(busy, "NotBestEffort")
    term = {"topologyKey": "a", "namespaces": ["other"]}
    weighted = [{"weight": 1, "podAffinityTerm": {"topologyKey": "a", "namespaceSelector": {}}}]
    required, preferred = (f"{how}DuringSchedulingIgnoredDuringExecution" for how in ("required", "preferred"))
    assert about({"affinity": {"podAffinity": {required: [term]}}}, "CrossNamespacePodAffinity")
    assert about({"affinity": {"podAntiAffinity": {preferred: weighted}}}, "CrossNamespacePodAffinity")
    assert not about({"affinity": {"podAffinity": {required: [{"topologyKey": "a"}]}}}, "CrossNamespacePodAffinity")


@pytest.mark.parametrize(
    ("operator", "values", "named", "found"),
    [
        ("Exists", None, ["a"], True),
        ("Exists", None, [], False),
        ("DoesNotExist", None, [], True),
        ("In", ["a"], ["a"], True),
        ("In", ["a"], [], False),
        ("NotIn", ["a"], ["a"], False),
        ("NotIn", ["a"], [], True),
        ("NotIn", ["a"], ["a", "b"], True),
    ],
)
def test_operators_of_scope_selectors(operator: str, values: list[str] | None, named: list[str], found: bool) -> None:
    assert in_values({"operator": operator, "values": values}, named) is found


def test_a_priority_class_is_in_scope() -> None:
    high: dict[str, Any] = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    assert about({"priorityClassName": "high"}, **high)
    assert not about({"priorityClassName": "low"}, **high)
    assert not about({}, **high)
