"""What Pods get: images, metrics, a network that keeps to its policies."""

from __future__ import annotations

import secrets

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.enforcement import enforces_policies
from kindlab.checks.images import not_pulled
from kindlab.checks.probe import IMAGE
from kindlab.checks.room import room
from kindlab.managed import MANAGED
from kindlab.needs.need import Found, Need, no, yes

METRICS = "/apis/metrics.k8s.io/v1beta1"
IMAGES = {
    "agnhost": IMAGE,
    "http-echo": "hashicorp/http-echo:1.0",
    "nginx": "nginx:1.27",
    "busybox": "busybox:1.36",
    "hpa-example": "registry.k8s.io/hpa-example",
}
"""The images of the labs."""
PULLED = 180.0


def _metrics(api: Api, space: str) -> Found:
    """The resource metrics API answers; who may not read metrics of nodes is told that somebody serves them."""
    for path in (f"{METRICS}/nodes", METRICS):
        try:
            api.request("GET", path)
            return yes("metrics.k8s.io answers")
        except ApiError as error:
            if error.code == 404:
                return no("nobody serves metrics.k8s.io")
            if error.code == 503:
                return no("metrics.k8s.io is there and does not answer", sure=False)
            if error.code != 403 or path == METRICS:
                raise
    raise AssertionError("one of the two answers was final")


def _network_policy(api: Api, space: str) -> Found:
    if enforces_policies(api, space):
        return yes("a connection that a policy forbids got no answer")
    return no("a connection that a policy forbids went through")


def _images(api: Api, space: str) -> Found:
    """Each image of the labs is pulled by a Pod of ours."""
    name = f"kindlab-images-{secrets.token_hex(4)}"
    containers = [{"name": key, "image": image} for key, image in IMAGES.items()]
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": containers}
    with room(api, space) as here:
        meta = {"name": name, "labels": MANAGED}
        api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, here)
        try:
            missing = list(IMAGES)
            for pods in api.follow("Pod", here, fields=f"metadata.name={name}", timeout=PULLED):
                found = [s for pod in pods.values() for s in pod["status"].get("containerStatuses") or ()]
                if refused := [said for pod in pods.values() if (said := not_pulled(pod))]:
                    return no(refused[0])
                missing = [key for key in IMAGES if key not in {s["name"] for s in found if _waiting(s) == {}}]
                if not missing:
                    return yes(f"all {len(IMAGES)} images of the labs were pulled")
            which = ", ".join(IMAGES[key] for key in missing)
            return no(f"{which} had not been pulled after {PULLED:.0f} s", sure=False)
        finally:
            api.delete("Pod", name, here, grace=0)


def _waiting(status: Obj) -> Obj:
    """What a container waits for; empty when it has begun, and so has its image."""
    return (status.get("state") or {}).get("waiting") or {}


WORDS = (
    Need(
        "metrics",
        "metrics of Pods",
        _metrics,
        "kindlab addons install metrics-server brings them.",
    ),
    Need(
        "network-policy",
        "a network plugin that enforces NetworkPolicies",
        _network_policy,
        "kindnet, Calico and Cilium do, flannel does not. Whoever makes a cluster chooses its plugin; kindlab up makes "
        "one that does.",
        tried=True,
    ),
    Need(
        "images",
        "the images of the labs",
        _images,
        "The nodes must reach registry.k8s.io and docker.io, or have the images already.",
        tried=True,
    ),
)
