"""The node lifecycle controller: finds nodes that have fallen silent, says so in their conditions, in their taints and
in their pods, and lets go of them as fast as their zone allows.

Models pkg/controller/nodelifecycle/node_lifecycle_controller.go. A pass over all nodes comes every
--node-monitor-period; of our own: it comes at once, too, when a node appears, goes or turns. And a node nobody has said
anything about keeps the taint it was created with (upstream takes it off, and has another one put on a minute later).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.controllers.nodelifecycle_health import Health, silence
from pocketkube.controllers.nodelifecycle_zones import EXCLUDED, Zones, zone_of
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.nodes import NOT_READY, UNREACHABLE
from pocketkube.store import ADDED, DELETED, Event

PERIOD, GRACE = 5.0, 50.0
"""--node-monitor-period and --node-monitor-grace-period, in seconds."""
ALL: Key = ("", "")
"""The key of the pass over all nodes. The others are nodes, and pods that came to a node which is not ready."""
PREFIX = "node.kubernetes.io/"
BY_CONDITION = {
    ("Ready", "False"): "not-ready",
    ("Ready", "Unknown"): "unreachable",
    ("MemoryPressure", "True"): "memory-pressure",
    ("DiskPressure", "True"): "disk-pressure",
    ("PIDPressure", "True"): "pid-pressure",
    ("NetworkUnavailable", "True"): "network-unavailable",
}
UNSCHEDULABLE = f"{PREFIX}unschedulable"
MANAGED = frozenset({UNSCHEDULABLE, *(PREFIX + name for name in BY_CONDITION.values())})
EVICTING = {"False": NOT_READY, "Unknown": UNREACHABLE}
"""By the status of Ready: the taint that has a node's pods evicted."""
SAME_LABELS = {"beta.kubernetes.io/os": "kubernetes.io/os", "beta.kubernetes.io/arch": "kubernetes.io/arch"}


class NodeLifecycleController(Controller):
    name = "node-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        zone = client.registry.zone
        self._period = float(zone.get("node_monitor_period", PERIOD))
        self._health = Health(float(zone.get("node_monitor_grace_period", GRACE)))
        self._zones = Zones()
        self._known: dict[str, Obj] = {}
        self._expected = float("inf")
        """When (cluster time) the next pass was to come."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "nodes", self._of_node
        yield "pods", self._of_pod

    def _of_node(self, event: Event) -> Iterable[Key]:
        yield from own_key(event)
        if event.type in (ADDED, DELETED) or event.old is None or _readiness(event.old) != _readiness(event.object):
            yield ALL

    def _of_pod(self, event: Event) -> Iterable[Key]:
        name = objects.spec(event.object).get("nodeName")
        if not name or event.type == DELETED:
            return
        if event.old is not None and objects.spec(event.old).get("nodeName") == name:
            return
        node = self.client.find("nodes", "", name)
        if node is not None and _readiness(node) not in (None, "True"):
            yield objects.key(event.object)

    async def reconcile(self, at: Key) -> float | None:
        if at == ALL:
            return self._look_at_all()
        if at[0]:
            pod = self.client.find("pods", *at)
            node = self.client.find("nodes", "", objects.spec(pod or {}).get("nodeName", ""))
            if pod is not None and node is not None and _readiness(node) not in (None, "True"):
                self._mark_not_ready(pod)
            return None
        node = self.client.find("nodes", *at)
        if node is not None and not objects.is_terminating(node):
            self._align(node)
        return None

    # -- one node: taints that keep new pods off, labels

    def _align(self, node: Obj) -> None:
        held, labels = objects.spec(node).get("taints") or [], objects.labels(node)
        taints = self._no_schedule(node, held)
        beta = {old: labels[new] for old, new in SAME_LABELS.items() if new in labels}
        if taints == held and beta.items() <= labels.items():
            return

        def update(copy: Obj) -> None:
            copy["metadata"]["labels"] = {**objects.labels(copy), **beta}
            _set_taints(copy, taints)

        self.client.patch("nodes", objects.key(node), update)

    def _no_schedule(self, node: Obj, held: list[Obj]) -> list[Obj]:
        wanted = {
            PREFIX + BY_CONDITION[key]
            for condition in objects.status(node).get("conditions") or ()
            if (key := (condition["type"], condition["status"])) in BY_CONDITION
        }
        if objects.condition(node, "Ready") is None:
            wanted |= {taint["key"] for taint in held if taint["key"] == NOT_READY}
        if objects.spec(node).get("unschedulable"):
            wanted.add(UNSCHEDULABLE)
        kept = [t for t in held if not _is_managed(t) or t["key"] in wanted]
        there = {taint["key"] for taint in kept if _is_managed(taint)}
        now = self.clock.now()
        return kept + [{"key": key, "effect": "NoSchedule", "timeAdded": now} for key in sorted(wanted - there)]

    # -- all nodes: who has fallen silent

    def _look_at_all(self) -> float:
        now = self.clock.time()
        if (late := now - self._expected) > 0:
            self._health.excuse(late)
        nodes = self.client.list("nodes")
        self._get_to_know(nodes)
        ready: dict[str, list[bool]] = {}
        for node in nodes:
            with suppress(NotFound):
                status = self._look_at(node, now)
                if EXCLUDED not in objects.labels(node):
                    ready.setdefault(zone_of(node), []).append(status == "True")
        change = self._zones.update(ready, now)
        if change == "entering":
            self.log.info("%s: no node is ready: nobody is evicted until one is", self.name)
            for node in nodes:
                self._zones.forget(objects.name(node))
                self._swap(node, "", set(EVICTING.values()))
        elif change == "leaving":
            self._health.hear_all(now)
        for name in list(self._zones.due(now)):
            self._evict_from(name)
        delay = min(self._period, self._zones.wait(now))
        self._expected = now + delay
        return delay

    def _get_to_know(self, nodes: list[Obj]) -> None:
        there = {objects.name(node): node for node in nodes}
        for name, node in there.items():
            self._zones.add(zone_of(node))
            if name not in self._known:
                self._tell(node, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
            self._known[name] = node
        for name in self._known.keys() - there.keys():
            node = self._known.pop(name)
            self._tell(node, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")
            self._zones.forget(name)
            self._health.forget(name)

    def _look_at(self, node: Obj, now: float) -> str:
        """Write what is known of a node by now; returns the status of its Ready condition."""
        name, before = objects.name(node), _readiness(node)
        lease = self.client.find("leases", "kube-node-lease", name)
        if self._health.look(node, lease, now) < 0 and before != "Unknown":
            stamp = self.clock.now()
            node = self.client.patch("nodes", ("", name), lambda copy: silence(copy, stamp), subresource="status")
        status = _readiness(node)
        if status is None:
            return "Unknown"
        self._follow(node, status)
        if before == "True" and status != "True":
            self._tell(node, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            for pod in self.client.list("pods"):
                if objects.spec(pod).get("nodeName") == name:
                    self._mark_not_ready(pod)
        return status

    def _follow(self, node: Obj, status: str) -> None:
        """The taint that evicts: off at once, on in its turn; one of them is replaced by the other at once."""
        name, held = objects.name(node), {t["key"] for t in _taints(node) if t["effect"] == "NoExecute"}
        wanted = EVICTING.get(status, "")
        others = held & (set(EVICTING.values()) - {wanted})
        if others:
            self._swap(node, wanted, others)
        if not wanted or wanted in held or others:
            self._zones.forget(name)
        else:
            self._zones.queue(zone_of(node), name)

    def _evict_from(self, name: str) -> None:
        node = self.client.find("nodes", "", name)
        wanted = EVICTING.get(_readiness(node) or "") if node is not None else None
        if node is not None and wanted:
            self._swap(node, wanted, set(EVICTING.values()) - {wanted})

    def _swap(self, node: Obj, wanted: str, unwanted: set[str]) -> None:
        """Put the NoExecute taint `wanted` ("" for none) on a node and take the others off."""
        node = self.client.find("nodes", *objects.key(node)) or node
        kept = [t for t in _taints(node) if t["effect"] != "NoExecute" or t["key"] not in unwanted]
        if wanted and not any((t["key"], t["effect"]) == (wanted, "NoExecute") for t in kept):
            kept.append({"key": wanted, "effect": "NoExecute", "timeAdded": self.clock.now()})
        if kept != _taints(node):
            with suppress(NotFound):
                self.client.patch("nodes", objects.key(node), lambda copy: _set_taints(copy, kept))

    # -- pods of a node that is not ready

    def _mark_not_ready(self, pod: Obj) -> None:
        if objects.condition_status(pod, "Ready") != "True":
            return
        now = self.clock.now()

        def change(copy: Obj) -> None:
            condition = objects.condition(copy, "Ready")
            if condition is not None:
                condition |= {"status": "False", "lastTransitionTime": now}

        with suppress(NotFound):
            self.client.patch("pods", objects.key(pod), change, subresource="status")
        self.client.record(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _tell(self, node: Obj, reason: str, message: str) -> None:
        self.client.record({**node, "apiVersion": "v1", "kind": "Node"}, "Normal", reason, message)


def _readiness(node: Obj) -> str | None:
    """The status of the Ready condition; None: there is none."""
    found = objects.condition(node, "Ready")
    return found["status"] if found is not None else None


def _taints(node: Obj) -> list[Obj]:
    return objects.spec(node).get("taints") or []


def _set_taints(node: Obj, taints: list[Obj]) -> None:
    node.setdefault("spec", {}).pop("taints", None)
    if taints:
        node["spec"]["taints"] = taints


def _is_managed(taint: Obj) -> bool:
    return taint["effect"] == "NoSchedule" and taint["key"] in MANAGED


CONTROLLER = NodeLifecycleController
