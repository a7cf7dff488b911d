"""The Node object: how a kubelet registers its machine, and how it says that it is alive.

Models pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go and the node lease. A pocketkube node is imaginary:
its size is what it is told to be, and its kernel and system name say what it is. A Node that somebody deletes stays
away until the kubelet starts again, as upstream. Left out: pressure conditions (never true), runtime handlers.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from functools import cached_property
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
LEASE_SECONDS = 40.0
"""nodeLeaseDurationSeconds; a lease is renewed four times as often. With a short --node-monitor-grace-period it is
shorter, too: healthy nodes must not miss that."""
SYNC_SECONDS, REPORT_SECONDS = 10.0, 300.0
"""nodeStatusUpdateFrequency, nodeStatusReportFrequency: how often the status is made, and written all the same."""
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_IMAGES_SHOWN = 50
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)
_EVENTS = {
    "MemoryPressure": "NodeHasSufficientMemory",
    "DiskPressure": "NodeHasNoDiskPressure",
    "PIDPressure": "NodeHasSufficientPID",
    "Ready": "NodeReady",
}
"""What is told when a condition becomes what the table above says."""


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
        self._boot = objects.new_uid()
        grace = float(client.registry.zone.get("node_monitor_grace_period", "inf"))
        self.lease_seconds = max(1.0, min(LEASE_SECONDS, grace * 0.8))
        self._synced = self._reported = 0.0
        self._unschedulable = False

    @property
    def renew_seconds(self) -> float:
        return self.lease_seconds / 4

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
        self._tell("Normal", "Starting", "Starting kubelet.")
        self._tell("Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods")
        if objects.dig(found, "status", "nodeInfo", "bootID"):
            self._tell("Warning", "Rebooted", f"Node {self.name} has been rebooted, boot id: {self._boot}")
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
        """Write the status, and tell what became of the conditions. `fresh`: for the first time since the start."""
        before = self.client.get("nodes", "", self.name)
        status = self._status(before)
        if not fresh:  # upstream's image manager looks them through after the start; here that loads all of them
            status["images"] = self._images
        else:
            self._unschedulable = bool(objects.spec(before).get("unschedulable"))
        self._synced = self._reported = self.client.clock.monotonic()

        def change(node: Obj) -> None:
            node["status"] = {**objects.status(node), **status}

        written = self.client.patch("nodes", ("", self.name), change, subresource="status")
        for type_, event in _EVENTS.items():
            old, new = objects.condition(before, type_), objects.condition(written, type_)
            if old is None or new is None or old["status"] != new["status"]:
                self._tell_status(event)
        return written

    def stay_alive(self) -> None:
        """Renew the lease; look at the status when it is time to, and write it if it is not what it should be."""
        node = self.client.find("nodes", "", self.name)
        if node is None:
            return
        self.renew()
        now = self.client.clock.monotonic()
        if now - self._synced < SYNC_SECONDS - 0.5:
            return
        self._synced = now
        closed = bool(objects.spec(node).get("unschedulable"))
        if closed != self._unschedulable:
            self._unschedulable = closed
            self._tell_status("NodeNotSchedulable" if closed else "NodeSchedulable")
        if now - self._reported >= REPORT_SECONDS or self._differs(node):
            self.post()

    def _differs(self, node: Obj) -> bool:
        """Whether the stored status says something else than this kubelet would, the heartbeat apart."""
        stored, wanted = objects.status(node), {**self._status(node), "images": self._images}
        beat = {c["type"]: c.get("lastHeartbeatTime") for c in stored.get("conditions") or ()}
        for condition in wanted["conditions"]:
            condition["lastHeartbeatTime"] = beat.get(condition["type"])
        return any(stored.get(field) != value for field, value in wanted.items())

    def _tell_status(self, reason: str) -> None:
        self._tell("Normal", reason, f"Node {self.name} status is now: {reason}")

    def _tell(self, type_: str, reason: str, message: str) -> None:
        """Upstream's kubelet tells of its node by name alone."""
        self.client.record(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}, type_, reason, message
        )

    def _status(self, node: Obj) -> Obj:
        now = self.client.clock.now()
        others = objects.status(node).get("capacity") or {}  # extended resources that somebody advertises
        return {
            "capacity": {**others, **self.capacity},
            "allocatable": {**others, **self.allocatable},
            "conditions": [*self._foreign(node), *(self._condition(node, *row, now) for row in _CONDITIONS)],
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in self.addresses),
                {"type": "Hostname", "address": self.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": self.name,
                "systemUUID": self.name,
                "bootID": self._boot,
                "kernelVersion": "pocketkube",
                "osImage": "pocketkube (no operating system)",
                "containerRuntimeVersion": RUNTIME,
                "kubeletVersion": VERSION,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": self._labels()["kubernetes.io/arch"],
            },
        }

    @cached_property
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
        at = ("kube-node-lease", self.name)
        spec = {
            "holderIdentity": self.name,
            "leaseDurationSeconds": max(1, round(self.lease_seconds)),
            "renewTime": self.client.clock.now_micro(),
        }
        if self.client.find("leases", *at) is not None:
            self.client.patch("leases", at, lambda lease: lease.update(spec={**objects.spec(lease), **spec}))
            return
        node = self.client.get("nodes", "", self.name)
        owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": objects.uid(node)}
        self.client.create(
            "leases",
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.name, "namespace": at[0], "ownerReferences": [owner]},
                "spec": spec,
            },
        )
