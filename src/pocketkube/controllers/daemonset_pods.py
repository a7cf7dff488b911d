"""What makes a pod of a DaemonSet that one: its node, its labels, what it tolerates.

Models pkg/controller/daemon/util. Nothing here reads or writes the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import pods
from pocketkube.controllers.daemonset_history import HASH
from pocketkube.objects import Obj
from pocketkube.placement import REQUIRED
from pocketkube.resources.daemonsets import TEMPLATE_GENERATION

GENERATION = "pod-template-generation"
_ALWAYS = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
_ON_HOST_NETWORK = ("network-unavailable", "NoSchedule")


def new_pod(found: Obj, node: str, hash_: str) -> Obj:
    """The set's pod for that node, as it is to be created; the scheduler binds it there."""
    pod = pods.from_template(found, found["spec"]["template"])
    pod["spec"] = tolerant(pod["spec"])
    labels = pod["metadata"].setdefault("labels", {})
    if (generation := objects.annotations(found).get(TEMPLATE_GENERATION)) is not None:
        labels[GENERATION] = generation
    labels[HASH] = hash_
    affinity = pod["spec"].get("affinity") or {}
    on_node = affinity.get("nodeAffinity") or {}
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    pod["spec"]["affinity"] = {**affinity, "nodeAffinity": {**on_node, REQUIRED: {"nodeSelectorTerms": [term]}}}
    return pod


def tolerant(spec: Obj) -> Obj:
    """A pod spec that tolerates what comes and goes with a node's health: such a pod stays on its node."""
    names = (*_ALWAYS, _ON_HOST_NETWORK) if spec.get("hostNetwork") else _ALWAYS
    added = [{"key": f"node.kubernetes.io/{name}", "operator": "Exists", "effect": effect} for name, effect in names]
    found = list(spec.get("tolerations") or ())
    for toleration in added:
        same = [index for index, held in enumerate(found) if _is_same(held, toleration)]
        for index in same:  # with a limit in time: there shall be none
            found[index] = toleration
        if not same:
            found.append(toleration)
    return {**spec, "tolerations": found}


def _is_same(held: Obj, other: Obj) -> bool:
    return all((held.get(field) or "") == other.get(field, "") for field in ("key", "operator", "effect", "value"))


def target(pod: Obj) -> str:
    """The node a pod is on or made for; "" when that cannot be told."""
    if name := objects.spec(pod).get("nodeName"):
        return str(name)
    terms = objects.dig(pod, "spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms") or ()
    for term in terms:
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field["operator"] == "In":
                values: list[str] = field.get("values") or []
                return str(values[0]) if len(values) == 1 else ""
    return ""


def by_node(members: Iterable[Obj]) -> dict[str, list[Obj]]:
    """The pods of each node that has any, but for those that have ended and only wait to be removed."""
    found: dict[str, list[Obj]] = {}
    for pod in members:
        if (node := target(pod)) and not (pods.is_terminal(pod) and objects.is_terminating(pod)):
            found.setdefault(node, []).append(pod)
    return found


def is_updated(found: Obj, pod: Obj, hash_: str) -> bool:
    """Whether a pod is of the set's present template."""
    labels, generation = objects.labels(pod), objects.annotations(found).get(TEMPLATE_GENERATION)
    return labels.get(HASH) == hash_ or (generation is not None and labels.get(GENERATION) == generation)


def oldest_first(members: Iterable[Obj]) -> list[Obj]:
    """Scheduled pods before others, then by age."""

    def rank(pod: Obj) -> tuple[bool, str, str]:
        return not objects.spec(pod).get("nodeName"), pod["metadata"]["creationTimestamp"], objects.name(pod)

    return sorted(members, key=rank)
