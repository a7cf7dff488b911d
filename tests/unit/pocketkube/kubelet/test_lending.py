"""What of the cluster itself an image is lent, and where: nobody gets at the cluster by the image he chooses."""

from __future__ import annotations

import pytest

from pocketkube.images import catalogue
from pocketkube.kubelet.assembly import configure
from pocketkube.kubelet.cgroup import Limits

SERVICES = {"dns": object(), "ingress": object(), "storage": object(), "tokens": object()}


@pytest.mark.parametrize(
    ("image", "namespace", "lent"),
    [
        ("docker.io/library/traefik:v3.7.11", "traefik", {"ingress"}),
        ("docker.io/library/traefik:v3.7.11", "default", set()),
        ("docker.io/library/traefik:v3.7.11", "kube-system", set()),
        ("registry.k8s.io/coredns/coredns:v1.14.2", "kube-system", {"dns"}),
        ("registry.k8s.io/coredns/coredns:v1.14.2", "traefik", set()),
        ("registry.k8s.io/sig-storage/csi-provisioner:v6.3.0", "kube-system", {"storage"}),
        ("registry.k8s.io/sig-storage/csi-provisioner:v6.3.0", "default", set()),
        ("registry.k8s.io/sig-storage/csi-attacher:v4.12.0", "local-path-storage", set()),
        ("registry.k8s.io/sig-storage/snapshot-controller:v8.6.0", "traefik", set()),
        ("docker.io/kindest/local-path-provisioner:v20260521-9fb22683", "local-path-storage", {"storage"}),
        ("docker.io/kindest/local-path-provisioner:v20260521-9fb22683", "kube-system", set()),
        ("docker.io/library/busybox:1.36", "local-path-storage", set()),
        ("docker.io/library/busybox:1.36", "traefik", set()),
        ("docker.io/library/busybox:1.36", "kube-system", set()),
    ],
)
def test_services_are_lent_to_their_image_in_its_namespace_only(image: str, namespace: str, lent: set[str]) -> None:
    container = {"name": "main", "image": image, "command": ["/bin/true"]}
    pod = {"metadata": {"name": "x", "namespace": namespace, "uid": "u"}, "spec": {"containers": [container]}}
    config = configure(
        pod,
        container,
        catalogue()[image],
        limits=Limits(),
        hostname="x",
        environment=lambda _: {},
        services=SERVICES,
        volumes={},
    )
    assert set(config.services) == lent
