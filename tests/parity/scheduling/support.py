"""What the tests of scheduling are written with: pods that pause, resources that nodes only seem to have, classes.

As upstream's, most of them use a resource of their own invention, so that nothing else on the cluster matters.
"""

from __future__ import annotations

from contextlib import suppress
from secrets import token_hex
from typing import Any

from tests.parity.network.support import START, Place, workers
from tests.parity.network.support import pod as running_pod

from kindlab.api import STRATEGIC_PATCH, Api, ApiError, Obj

FAKE = "example.com/fake"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
PAUSE = "registry.k8s.io/pause:3.10"


class Nodes:
    """The nodes that take any pod, and what was changed about them."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.names = sorted(node["metadata"]["name"] for node in workers(api))
        self._labels: list[tuple[str, str]] = []
        self._resources: list[tuple[str, str]] = []
        self._taints: list[tuple[str, Obj]] = []

    def label(self, name: str, key: str, value: str) -> None:
        self._labels.append((name, key))
        self.api.patch("Node", name, None, {"metadata": {"labels": {key: value}}})

    def advertise(self, name: str, amount: int, resource: str = FAKE) -> None:
        """As for a plug-in: the node has that many of a resource."""
        self._resources.append((name, resource))
        self._status(name, resource, str(amount))

    def taint(self, name: str, key: str, effect: str, value: str = "") -> Obj:
        taint = {"key": key, "effect": effect, **({"value": value} if value else {})}
        self._taints.append((name, taint))
        self._set_taints(name, [*self._others(name, taint), taint])
        return taint

    def untaint(self, name: str, taint: Obj) -> None:
        self._set_taints(name, self._others(name, taint))

    def restore(self) -> None:
        for name, taint in self._taints:
            self.untaint(name, taint)
        for name, key in self._labels:
            self.api.patch("Node", name, None, {"metadata": {"labels": {key: None}}})
        for name, resource in self._resources:
            self._status(name, resource, None)

    def _others(self, name: str, taint: Obj) -> list[Obj]:
        node = self.api.get("Node", name)
        assert node is not None
        of = (taint["key"], taint["effect"])
        return [held for held in node["spec"].get("taints") or () if (held["key"], held["effect"]) != of]

    def _set_taints(self, name: str, taints: list[Obj]) -> None:
        self.api.patch("Node", name, None, {"spec": {"taints": taints}})

    def _status(self, name: str, resource: str, amount: str | None) -> None:
        change = {"status": {"capacity": {resource: amount}, "allocatable": {resource: amount}}}
        path = f"{self.api.path('Node', None, name)}/status"
        self.api.request("PATCH", path, change, content_type=STRATEGIC_PATCH)


class Priorities:
    """PriorityClasses that last as long as the test."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._mark = token_hex(3)
        self._made: list[str] = []

    def add(self, word: str, value: int, **fields: Any) -> str:
        """The name of a new class."""
        name = f"{word}-{self._mark}"
        meta = {"name": name, "labels": {"e2e": self._mark}}
        self.api.create(
            {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta, "value": value, **fields}
        )
        self._made.append(name)
        return name

    def restore(self) -> None:
        for name in self._made:
            self.api.delete("PriorityClass", name)


def pausing(name: str, *, labels: dict[str, str] | None = None, asks: dict[str, str] | None = None, **spec: Any) -> Obj:
    """A pod that does nothing; `asks`: requests and limits."""
    container: Obj = {"name": "main", "image": PAUSE}
    if asks:
        container["resources"] = {"requests": asks, "limits": asks}
    if "ports" in spec:
        container["ports"] = spec.pop("ports")
    return running_pod(name, labels=labels, containers=[container], **spec)


def on(*names: str) -> Obj:
    """Affinity to nodes by name, as DaemonSets have it."""
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]} for name in names]
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


def expression(key: str, operator: str, *values: str) -> Obj:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def among(*expressions: Obj) -> Obj:
    """Affinity to nodes by their labels."""
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}}}


def replicaset(name: str, replicas: int, **spec: Any) -> Obj:
    template = pausing("", labels={"name": name}, **spec)
    del template["metadata"]["name"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"name": name}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        },
    }


def is_running(pod: Obj) -> bool:
    return bool(pod["status"].get("phase") == "Running")


def run(here: Place, *pods: Obj) -> list[Obj]:
    """Create pods and wait until they run."""
    made = here.put(*pods)
    return [here.wait("Pod", pod["metadata"]["name"], is_running, timeout=START) for pod in made]


def why_pending(here: Place, name: str) -> str:
    """Wait until the scheduler has said why a pod has no node; what it says."""

    def told(pod: Obj) -> str:
        conditions = pod["status"].get("conditions") or ()
        return next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")

    live = here.wait("Pod", name, told)
    assert not live["spec"].get("nodeName")
    return told(live)


def node_of(here: Place, name: str) -> str:
    return str(here.require("Pod", name)["spec"].get("nodeName", ""))


def is_going(here: Place, name: str) -> bool:
    with suppress(ApiError):
        live = here.api.get("Pod", name, here.namespace)
        return live is None or "deletionTimestamp" in live["metadata"]
    return True
