"""Why a cluster is not ready, from what its objects say."""

from __future__ import annotations

from typing import Any

import pytest

from kindlab.clusters import kindready
from kindlab.errors import Problem


class Cluster:
    """As much of an Api as is asked: lists that do not change."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = lists

    def list(self, kind: str, namespace: str | None = None, **_: Any) -> list[dict[str, Any]]:
        return self.lists.get(kind.partition(".")[0], [])

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        return next((obj for obj in self.list(kind) if obj["metadata"]["name"] == name), None)

    def follow(self, kind: str, namespace: str | None = None, **_: Any) -> Any:
        yield {obj["metadata"]["name"]: obj for obj in self.list(kind)}


def node(name: str, status: str, message: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": status, "message": message}]},
    }


def deployment(name: str, wanted: int, ready: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": name}}},
        "status": {"observedGeneration": 1, "availableReplicas": ready},
    }


def pod(name: str, waiting: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "containerStatuses": [{"name": "c", "image": "img:1", "ready": False, "state": {"waiting": waiting}}]
        },
    }


def test_a_node_that_is_not_ready_is_named_with_what_it_says() -> None:
    steps: list[str] = []
    cluster: Any = Cluster(Node=[node("a", "True"), node("b", "False", "cni plugin not initialized")])
    with pytest.raises(Problem) as problem:
        kindready.all_nodes(cluster, 3, steps.append)
    assert problem.value.why == "Not Ready: b (cni plugin not initialized)."
    assert steps == ["waiting for nodes to be Ready: b"]


def test_nodes_that_never_registered_are_counted() -> None:
    steps: list[str] = []
    cluster: Any = Cluster(Node=[node("a", "True")])
    with pytest.raises(Problem) as problem:
        kindready.all_nodes(cluster, 3, steps.append)
    assert problem.value.why.startswith("1 of 3 nodes have registered")
    assert steps == ["waiting for 2 more nodes to register"]


def test_the_pod_that_waits_and_what_for() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
    cluster: Any = Cluster(Deployment=[deployment("coredns", 2, 1)], Pod=[pod("coredns-1", waiting)])
    with pytest.raises(Problem) as problem:
        kindready.deployment(cluster, "kube-system", "coredns", "CoreDNS", lambda text: None)
    assert "Pod coredns-1: container c: ImagePullBackOff Back-off pulling image." in problem.value.why
    assert "kindlab up --cluster kind --preload" in problem.value.then


def test_a_deployment_that_is_missing_is_no_matter_of_waiting() -> None:
    cluster: Any = Cluster()
    with pytest.raises(Problem, match="is not there"):
        kindready.deployment(cluster, "kube-system", "coredns", "CoreDNS", lambda text: None)


def test_without_a_default_class_it_is_not_ready() -> None:
    cluster: Any = Cluster(StorageClass=[{"metadata": {"name": "standard"}, "provisioner": "rancher.io/local-path"}])
    with pytest.raises(Problem, match="no default StorageClass"):
        kindready.storage(cluster, lambda text: None)


def test_ready_is_ready() -> None:
    default = {"name": "standard", "annotations": {kindready.DEFAULT_CLASS: "true"}}
    cluster: Any = Cluster(
        Node=[node("a", "True")],
        Deployment=[deployment("coredns", 2, 2), deployment("local-path-provisioner", 1, 1)],
        StorageClass=[{"metadata": default, "provisioner": "rancher.io/local-path"}],
    )
    steps: list[str] = []
    kindready.everything(cluster, 1, steps.append)
    assert steps == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"conditions": [{"type": "Ready", "status": "True"}]}, ""),
        ({"phase": "Succeeded"}, ""),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
            "it has no node: 0/3 nodes are available",
        ),
        (
            {"containerStatuses": [{"name": "c", "ready": False, "state": {"running": {}}}]},
            "container c runs and is not ready yet",
        ),
        ({"phase": "Pending"}, "it is Pending"),
    ],
)
def test_what_a_pod_waits_for(status: dict[str, Any], said: str) -> None:
    assert kindready.trouble({"status": status}) == said
