"""The Node object: how a kubelet registers its machine, and how it says that it is alive.

Models pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go and the node lease. A pocketkube node is imaginary:
its size is what it is told to be, and its kernel and system name say what it is. Left out: pressure conditions (never
true), runtime handlers.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.kubelet import csinode
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.images.base import Image

VERSION = "v1.36.2"
RUNTIME = "containerd://2.2.1"
CAPACITY = {"cpu": "4", "ephemeral-storage": "102625208Ki", "memory": "8388608Ki", "pods": "110"}
LEASE_SECONDS, RENEW_SECONDS = 40, 10
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_IMAGES_SHOWN = 50
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


class NodeAgent:
    """Writes one Node, its Lease and its CSINode. `drivers`: the CSI drivers that run there (see csinode)."""

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        addresses: tuple[str, ...],
        pod_cidrs: tuple[str, ...],
        zone: str | None,
        roles: tuple[str, ...],
        capacity: Mapping[str, str],
        catalogue: Mapping[str, type[Image]],
        drivers: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.name = name
        self.addresses = addresses
        self.pod_cidrs = pod_cidrs
        self.zone = zone
        self.roles = roles
        self.capacity = {**CAPACITY, **capacity}
        self._catalogue = catalogue
        self._drivers = drivers or {}
        self._uid = objects.new_uid()

    @property
    def allocatable(self) -> Mapping[str, str]:
        return self.capacity

    def register(self) -> Obj:
        """Create the Node, or bring an existing one up to date; it is Ready afterwards."""
        found = self.client.find("nodes", "", self.name)
        if found is None:
            spec: Obj = {"podCIDR": self.pod_cidrs[0], "podCIDRs": list(self.pod_cidrs)}
            if "control-plane" in self.roles:
                spec["taints"] = [{"key": _CONTROL_PLANE, "effect": "NoSchedule"}]
            node: Obj = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": self.name,
                    "labels": self._labels(),
                    "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
                },
                "spec": spec,
            }
            found = self.client.create("nodes", node)
        elif not self._labels().items() <= objects.labels(found).items():
            self.client.patch("nodes", ("", self.name), self._relabel)
        csinode.register(self.client, found, self._drivers)
        return self.post(fresh=True)

    def _relabel(self, node: Obj) -> None:
        node["metadata"]["labels"] = {**objects.labels(node), **self._labels()}

    def _labels(self) -> dict[str, str]:
        architecture = _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower())
        labels = {
            "beta.kubernetes.io/arch": architecture,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture,
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
        }
        if self.zone:
            labels["topology.kubernetes.io/zone"] = self.zone
        if "control-plane" in self.roles:
            labels["node.kubernetes.io/exclude-from-external-load-balancers"] = ""
        return labels | {f"node-role.kubernetes.io/{role}": "" for role in self.roles}

    def post(self, *, fresh: bool = False) -> Obj:
        """Write the status; `fresh` also restarts what only a start of the kubelet changes (the boot id)."""
        if fresh:
            self._uid = objects.new_uid()

        def change(node: Obj) -> None:
            node["status"] = {**objects.status(node), **self._status(node)}
            if not fresh:  # the images are looked through after the start, as upstream's image manager does
                node["status"]["images"] = self._images()

        return self.client.patch("nodes", ("", self.name), change, subresource="status")

    def _status(self, node: Obj) -> Obj:
        now = self.client.clock.now()
        return {
            "capacity": self.capacity,
            "allocatable": dict(self.allocatable),
            "conditions": [*self._foreign(node), *(self._condition(node, *row, now) for row in _CONDITIONS)],
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in self.addresses),
                {"type": "Hostname", "address": self.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": self.name,
                "systemUUID": self.name,
                "bootID": self._uid,
                "kernelVersion": "pocketkube",
                "osImage": "pocketkube (no operating system)",
                "containerRuntimeVersion": RUNTIME,
                "kubeletVersion": VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": self._labels()["kubernetes.io/arch"],
            },
        }

    def _images(self) -> list[Obj]:
        """The largest images first."""
        found = sorted(self._catalogue.items(), key=lambda item: -item[1].size)
        return [{"names": [name], "sizeBytes": image.size} for name, image in found[:_IMAGES_SHOWN]]

    def _foreign(self, node: Obj) -> Iterable[Obj]:
        own = {row[0] for row in _CONDITIONS}
        return (found for found in objects.status(node).get("conditions") or () if found["type"] not in own)

    def _condition(self, node: Obj, type_: str, status: str, reason: str, message: str, now: str) -> Obj:
        old = objects.condition(node, type_)
        since = old["lastTransitionTime"] if old is not None and old["status"] == status else now
        return {
            "type": type_,
            "status": status,
            "lastHeartbeatTime": now,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }

    def renew(self) -> None:
        """Create or renew the Lease in kube-node-lease."""
        now = self.client.clock.now_micro()
        at = ("kube-node-lease", self.name)
        if self.client.find("leases", *at) is None:
            node = self.client.get("nodes", "", self.name)
            owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": objects.uid(node)}
            lease: Obj = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.name, "namespace": at[0], "ownerReferences": [owner]},
                "spec": {"holderIdentity": self.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
            }
            self.client.create("leases", lease)
            return

        def change(lease: Obj) -> None:
            lease["spec"] = {
                **objects.spec(lease),
                "holderIdentity": self.name,
                "leaseDurationSeconds": LEASE_SECONDS,
                "renewTime": now,
            }

        self.client.patch("leases", at, change)
