"""The world as the scheduler keeps it in mind: nodes, the pods on them, and the pods that wait for room on a node.

Models pkg/scheduler/backend/{cache,queue/nominator}.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.scheduler.nodes import NodeState, PodInfo


class Cache:
    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}
        self._places: dict[str, str] = {}
        """Name of the node by uid of the pod on it."""
        self._strays: dict[str, dict[str, Obj]] = {}
        """Pods on nodes that do not exist (yet), by name of the node and uid."""
        self._nominated: dict[str, dict[str, PodInfo]] = {}
        """Pods that are to get room on a node, by its name and their uid."""
        self._hopes: dict[str, str] = {}
        """Name of the node by uid of such a pod."""

    # -- nodes

    def put_node(self, node: Obj) -> None:
        name = objects.name(node)
        if name in self.nodes:
            self.nodes[name].node = node
            return
        state = self.nodes[name] = NodeState(node)
        for pod in self._strays.pop(name, {}).values():
            state.add(pod)

    def drop_node(self, name: str) -> None:
        gone = self.nodes.pop(name, None)
        if gone is not None and gone.pods:
            self._strays[name] = {uid: info.pod for uid, info in gone.pods.items()}

    # -- the pods on them

    def enter(self, node: str, pod: Obj) -> None:
        """A pod is on a node, or is taken to be."""
        uid = objects.uid(pod)
        if self._places.get(uid) not in (None, node):
            self.leave(uid)
        self._places[uid] = node
        if node in self.nodes:
            self.nodes[node].add(pod)
        else:
            self._strays.setdefault(node, {})[uid] = pod

    def leave(self, uid: str) -> bool:
        """Whether the pod had a place."""
        node = self._places.pop(uid, None)
        if node is None:
            return False
        if node in self.nodes:
            self.nodes[node].remove(uid)
        else:
            self._strays.get(node, {}).pop(uid, None)
        return True

    # -- the pods that wait for room

    def nominate(self, pod: Obj) -> bool:
        """Take note of the node in a pending pod's status; whether a node has fewer of them now."""
        uid, node = objects.uid(pod), objects.status(pod).get("nominatedNodeName", "")
        known = self._hopes.get(uid, "")
        if node and node == known and self._nominated[node][uid].renew(pod):
            return False
        fewer = self.forget(uid)
        if node:
            self._hopes[uid] = node
            self._nominated.setdefault(node, {})[uid] = PodInfo(pod)
        return fewer and node != known

    def forget(self, uid: str) -> bool:
        """The pod waits no longer; whether it did."""
        node = self._hopes.pop(uid, None)
        if node is None:
            return False
        del self._nominated[node][uid]
        if not self._nominated[node]:
            del self._nominated[node]
        return True

    def nominated(self, node: str) -> Iterable[PodInfo]:
        return tuple(self._nominated[node].values()) if node in self._nominated else ()
