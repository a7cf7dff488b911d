"""One look at a DaemonSet, the nodes and its pods: where it should run, and what its status counts.

Models NodeShouldRunDaemonPod and updateDaemonSetStatus of pkg/controller/daemon. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects, placement
from pocketkube.controllers import daemonset_pods, pods, rollout
from pocketkube.objects import Obj


class Look:
    """`members`: the set's pods; `hash_`: that of its present template; `now`: seconds since the epoch."""

    def __init__(self, found: Obj, nodes: Iterable[Obj], members: Iterable[Obj], hash_: str, now: float) -> None:
        self.found = found
        self.nodes = {objects.name(node): node for node in nodes}
        self.members = list(members)
        self.pods = daemonset_pods.by_node(self.members)
        """By the name of their node, which may be gone."""
        self.hash = hash_
        self.now = now
        self.min_ready: int = found["spec"].get("minReadySeconds", 0)
        spec = daemonset_pods.tolerant(found["spec"]["template"]["spec"])
        self._answers = {name: _answer(spec, node) for name, node in self.nodes.items()}
        self.wanted = [name for name, (runs, _) in self._answers.items() if runs]
        """The nodes that should have a pod."""

    def runs(self, node: str) -> bool:
        """Whether a node that has no pod should get one."""
        return self._answers.get(node, (False, False))[0]

    def stays(self, node: str) -> bool:
        """Whether a node that has a pod may keep it."""
        return self._answers.get(node, (False, False))[1]

    def is_available(self, pod: Obj | None) -> bool:
        return pod is not None and pods.available_in(pod, self.min_ready, self.now) == 0

    def is_updated(self, pod: Obj) -> bool:
        return daemonset_pods.is_updated(self.found, pod, self.hash)

    @property
    def surge(self) -> int:
        """Nodes that may have a new pod beside the old one."""
        return self._share("maxSurge")

    @property
    def max_unavailable(self) -> int:
        """Nodes that may be without an available pod; there is always a way forward."""
        return self._share("maxUnavailable") or (0 if self.surge else 1)

    def _share(self, field: str) -> int:
        strategy = self.found["spec"]["updateStrategy"]
        rolling = strategy.get("rollingUpdate") if strategy["type"] == "RollingUpdate" else None
        return rollout.share((rolling or {}).get(field, 0), len(self.wanted), up=True)

    @property
    def surges(self) -> bool:
        """Whether a node may ever have two pods."""
        strategy = self.found["spec"]["updateStrategy"]
        rolling = strategy.get("rollingUpdate") if strategy["type"] == "RollingUpdate" else None
        return rollout.share((rolling or {}).get("maxSurge", 0), 1, up=True) > 0

    def status(self) -> Obj:
        """The status's counts."""
        first = [daemonset_pods.oldest_first(self.pods[node])[0] for node in self.wanted if node in self.pods]
        ready = [pod for pod in first if pods.is_ready(pod)]
        available = sum(map(self.is_available, ready))
        always = {
            "currentNumberScheduled": len(first),
            "numberMisscheduled": sum(node in self.pods and not self.runs(node) for node in self.nodes),
            "desiredNumberScheduled": len(self.wanted),
            "numberReady": len(ready),
        }
        further = {
            "updatedNumberScheduled": sum(map(self.is_updated, first)),
            "numberAvailable": available,
            "numberUnavailable": len(self.wanted) - available,
        }
        return always | {field: count for field, count in further.items() if count}

    def wait(self) -> float | None:
        """Seconds until a ready pod becomes available, if one will."""
        waits = (pods.available_in(pod, self.min_ready, self.now) for pod in self.members)
        return min((wait for wait in waits if wait), default=None)


def _answer(spec: Obj, node: Obj) -> tuple[bool, bool]:
    if (spec.get("nodeName") or objects.name(node)) != objects.name(node) or not placement.node_fits(spec, node):
        return False, False
    if placement.untolerated(spec, node) is None:
        return True, True
    return False, placement.untolerated(spec, node, ("NoExecute",)) is None
