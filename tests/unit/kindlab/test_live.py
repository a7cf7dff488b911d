"""The lab as a grader sees it: whose Pods a Deployment's are, where none of them runs, who can be asked to send
requests."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kindlab.api import Api, ApiError, Obj
from kindlab.checks import CheckFailed, CouldNotGrade
from kindlab.checks.live import LiveLab

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def pod(name: str, owner: str, digest: str = "5d", kind: str = "ReplicaSet") -> Obj:
    meta: Obj = {"name": name, "uid": name, "labels": {"pod-template-hash": digest} if digest else {}}
    if owner:
        meta["ownerReferences"] = [{"kind": kind, "name": owner}]
    return {"metadata": meta, "spec": {}, "status": READY}


class Cluster:
    """An API with a settled Deployment, and these Pods that have its labels."""

    def __init__(self, *pods: Obj) -> None:
        self.pods = list(pods)

    def get(self, kind: str, name: str, namespace: str) -> Obj:
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "cart"}}}
        return {"metadata": {"name": name, "uid": name}, "spec": spec, "status": dict.fromkeys(COUNTS, 1)}

    def list(self, kind: str, namespace: str, *, labels: str) -> list[Obj]:
        if kind == "Deployment":
            return [self.get(kind, "cart", namespace)]
        assert (kind, labels) in [("Pod", ""), ("Pod", "app=cart")]
        return self.pods


COUNTS = ("replicas", "updatedReplicas", "availableReplicas")


@pytest.mark.parametrize(
    "own", [pod("x", "cart-5d"), pod("x", "cart-5d-old", ""), pod("x", ""), pod("x", "cart", kind="StatefulSet")]
)
def test_the_pods_of_a_copy_under_another_name_are_not_its_own(own: Obj) -> None:
    lab = LiveLab(cast(Any, Cluster(own, pod("y", "cart-copy-5d"), pod("z", "cart-2-77", "77"))), "lab")
    assert lab.pods_of("cart").names == {"x"}


class Nodes(Cluster):
    """The same with nodes; `code`: what the API answers whoever asks which there are."""

    def __init__(self, *pods: Obj, nodes: tuple[str, ...] = (), code: int = 200) -> None:
        super().__init__(*pods)
        self.nodes, self.code = [{"metadata": {"name": name}, "status": READY} for name in nodes], code

    def list(self, kind: str, namespace: str = "", *, labels: str = "") -> list[Obj]:
        if kind != "Node":
            return super().list(kind, namespace, labels=labels)
        if self.code != 200:
            raise ApiError(self.code, "", "")
        return self.nodes


def on(node: str) -> Obj:
    return pod("x", "cart-5d") | {"spec": {"nodeName": node}}


def test_elsewhere_is_where_none_of_the_pods_runs() -> None:
    assert LiveLab(cast(Any, Nodes(on("a"), nodes=("b", "a", "c"))), "lab").elsewhere("cart") == "b"
    assert LiveLab(cast(Any, Nodes(on("a"), nodes=("a",))), "lab").elsewhere("cart") == ""


def test_elsewhere_is_anywhere_for_whoever_may_not_read_nodes() -> None:
    assert LiveLab(cast(Any, Nodes(on("a"), code=403)), "lab").elsewhere("cart") == ""
    with pytest.raises(ApiError):
        LiveLab(cast(Any, Nodes(on("a"), code=500)), "lab").elsewhere("cart")


class OnePod:
    """A cluster with one Pod `a`, in a phase."""

    def __init__(self, phase: str) -> None:
        self.pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": phase}}

    def get(self, kind: str, name: str, namespace: str) -> Obj | None:
        return self.pod if name == "a" else None

    def list(self, kind: str, namespace: str) -> list[Obj]:
        return [self.pod]


def test_who_does_not_run_cannot_be_asked_to_send_and_who_is_gone_is_no_verdict() -> None:
    assert LiveLab(cast(Api, OnePod("Running")), "lab").client("a").container == "c"
    with pytest.raises(CheckFailed, match="seen Pod a cannot send: it is Failed"):
        LiveLab(cast(Api, OnePod("Failed")), "lab").client("a")
    with pytest.raises(CouldNotGrade, match="There is no Pod b in namespace lab"):
        LiveLab(cast(Api, OnePod("Running")), "lab").client("b")
