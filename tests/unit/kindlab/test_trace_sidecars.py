"""Who serves a driver, by the conventions of drivers' own manifests."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kindlab.api import Api, ApiError, Obj
from kindlab.trace.sidecars import stopped


class Cluster:
    """Answers lists only."""

    def __init__(self, *workloads: Obj, refuses: bool = False) -> None:
        self.workloads, self.refuses = workloads, refuses

    def list(self, kind: str) -> list[Obj]:
        if self.refuses:
            raise ApiError(403, "Forbidden", "deployments.apps is forbidden")
        return [workload for workload in self.workloads if workload["kind"] == kind]


def workload(kind: str, image: str, *, labels: Obj | None = None, ready: int = 0, **container: Any) -> Obj:
    template = {"metadata": {"labels": labels or {}}, "spec": {"containers": [{"image": image, **container}]}}
    return {
        "kind": kind,
        "metadata": {"name": "it", "namespace": "there"},
        "spec": {"replicas": 1, "template": template},
        "status": {"readyReplicas": ready} if ready else {},
    }


CSI = "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0@sha256:00"
INSTANCE = {"app.kubernetes.io/instance": "hostpath.csi.k8s.io"}


@pytest.mark.parametrize(
    ("driver", "found"),
    [
        ("hostpath.csi.k8s.io", workload("StatefulSet", CSI, labels=INSTANCE)),
        ("rancher.io/local-path", workload("Deployment", "docker.io/kindest/local-path-provisioner:v1")),
        (
            "example.com/nfs",
            workload(
                "Deployment", "nfs-subdir-external-provisioner", env=[{"name": "NAME", "value": "example.com/nfs"}]
            ),
        ),
        ("ebs.csi.aws.com", workload("Deployment", CSI, args=["--csi-address=/var/lib/ebs.csi.aws.com/csi.sock"])),
    ],
)
def test_a_provisioner_without_ready_pods_is_found(driver: str, found: Obj) -> None:
    said = stopped(cast(Api, Cluster(found)), "provisioner", driver)
    assert said is not None
    assert said.text == f"{found['kind']} it in namespace there has no ready Pod"
    assert said.next.startswith(f"kubectl describe {found['kind'].lower()} it -n there")


@pytest.mark.parametrize(
    "cluster",
    [
        Cluster(),
        Cluster(workload("StatefulSet", CSI, labels=INSTANCE, ready=1)),
        Cluster(workload("Deployment", CSI, labels=INSTANCE), workload("StatefulSet", CSI, labels=INSTANCE, ready=1)),
        Cluster(workload("Deployment", CSI, labels={"app.kubernetes.io/instance": "other.csi.k8s.io"})),
        Cluster(workload("Deployment", CSI.replace("provisioner", "attacher"), labels=INSTANCE)),
        Cluster(workload("StatefulSet", CSI, labels=INSTANCE), refuses=True),
    ],
    ids=["nothing", "ready", "one-of-two-ready", "another-driver", "another-role", "forbidden"],
)
def test_nothing_is_said_where_it_runs_or_nobody_can_know(cluster: Cluster) -> None:
    assert stopped(cast(Api, cluster), "provisioner", "hostpath.csi.k8s.io") is None
