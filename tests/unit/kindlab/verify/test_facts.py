"""What is said of a cluster above its table of verdicts."""

from typing import Any

import pytest

from kindlab import engines, tools
from kindlab.api import Api, ApiError, Obj
from kindlab.identity import identity
from kindlab.verify import facts

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def node(name: str, **labels: str) -> Obj:
    info = {
        "containerRuntimeVersion": "containerd://2.2.0",
        "osImage": "Debian GNU/Linux 12",
        "kernelVersion": "6.8.0",
        "architecture": "arm64",
    }
    return {"metadata": {"name": name, "labels": labels}, "status": {"nodeInfo": info}}


def workload(name: str, image: str) -> Obj:
    return {"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}


KIND: dict[str, list[Obj]] = {
    "Node": [
        node("kindlab-control-plane", **{CONTROL_PLANE: ""}),
        node("kindlab-worker", **{"topology.kubernetes.io/zone": "zone-a"}),
        node("kindlab-worker2", **{"topology.kubernetes.io/zone": "zone-b"}),
    ],
    "kube-system DaemonSet.apps": [workload("kindnet", "docker.io/kindest/kindnetd:v20260820-aa")],
    "kube-system Deployment.apps": [workload("coredns", "registry.k8s.io/coredns/coredns:v1.14.2@sha256:00")],
    "StorageClass": [{"metadata": {"name": "standard"}, "provisioner": "rancher.io/local-path"}],
    "IngressClass": [{"metadata": {"name": "traefik"}}],
}


class Cluster(Api):
    """Answers from lists; `closed`: kinds that may not be read."""

    server = "https://127.0.0.1:1"

    def __init__(self, *closed: str) -> None:
        self.closed = closed

    def request(self, method: str, path: str, *args: Any, **options: Any) -> Any:
        return {"gitVersion": "v1.36.4"}

    def list(self, kind: str, namespace: str | None = None, **options: Any) -> list[Obj]:
        if kind in self.closed:
            raise ApiError(403, "Forbidden", "no")
        return KIND.get(f"{namespace} {kind}" if namespace else kind, [])

    def get(self, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        if kind in self.closed:
            raise ApiError(403, "Forbidden", "no")
        if kind == "ConfigMap":
            return {"data": {"config.conf": 'apiVersion: x\nmode: "nftables"\n'}}
        return {"metadata": {"name": name, "uid": "1234"}} if name == "kube-system" else None


def test_a_kind_cluster_is_described() -> None:
    assert dict(facts.of(Cluster())) == {
        "Kubernetes": "v1.36.4",
        "nodes": "3 (1 control plane), 2 zones",
        "runtime and system": "containerd://2.2.0, Debian GNU/Linux 12, 6.8.0, arm64",
        "network plugin": "kindnet (kindnetd:v20260820-aa)",
        "kube-proxy": "nftables",
        "classes of storage": "standard (rancher.io/local-path)",
        "classes of ingress": "traefik",
        "runs there": "coredns (coredns:v1.14.2), kindnet (kindnetd:v20260820-aa)",
    }
    assert identity(Cluster()) == "1234"


def test_what_may_not_be_read_is_unknown() -> None:
    found = dict(facts.of(Cluster("Node", "Namespace", "ConfigMap")))
    assert found["nodes"] == found["kube-proxy"] == found["runs there"] == "unknown (may not be read)"
    assert found["Kubernetes"] == "v1.36.4"
    assert identity(Cluster("Namespace")) == identity(Cluster("Namespace")) != "1234"


def test_the_machine_counts_where_the_cluster_runs_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "chosen", lambda: None)
    monkeypatch.setattr(tools, "find", lambda name: None)
    assert [what for what, _ in facts.here("kind")] == ["kind", "container engine", "this machine"]
    assert facts.here("current") == []
