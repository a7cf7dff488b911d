"""Why a Pod has no node: the scheduler's sentence counts reasons; here every node is asked for its own.

Only what is easily told from the objects is looked at (cordons, taints, selectors and affinity, resources, how many
Pods a node takes, volumes); for the rest the scheduler's words stand, with where to look.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from kindlab import quantities
from kindlab.api import Api, Obj
from kindlab.conditions import is_over
from kindlab.quantities import number
from kindlab.trace.hops import Trace
from kindlab.trace.nodeterms import matches
from kindlab.trace.storing import FULL, HELD, Storage

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
DEFAULT = "default-scheduler"
_IN_ALL = "in all"
_RESERVED = "node-role.kubernetes.io/control-plane"


def scheduled(api: Api, pod: Obj, path: Trace) -> bool:
    """Add the hops Gates and Scheduling; False when the Pod has no node."""
    meta, spec = pod["metadata"], pod["spec"]
    at = f"-n {meta['namespace']}"
    if gates := [gate["name"] for gate in spec.get("schedulingGates") or ()]:
        patch = '\'[{"op": "remove", "path": "/spec/schedulingGates"}]\''
        why = f"the Pod is held back by {_list('scheduling gate', gates)}: whoever put them there has to take them away"
        path.fail("Gates", why, f"to do so yourself: kubectl patch pod {meta['name']} {at} --type=json -p {patch}")
        return False
    if node := spec.get("nodeName"):
        path.ok("Scheduling", f"on {node}")
        return True
    conditions = pod.get("status", {}).get("conditions") or ()
    said = next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")
    storage = Storage(api, pod)
    culprit = storage.culprit() if spec.get("schedulerName", DEFAULT) == DEFAULT else None
    if not said and culprit:
        path.fail("Scheduling", f"the Pod waits: {culprit[0]}", culprit[1])
        return False
    if not said:
        who = spec.get("schedulerName", DEFAULT)
        why = "the scheduler has not looked at it yet"
        if who != DEFAULT:
            why = f"it waits for a scheduler called {who}; the cluster's own is {DEFAULT}, and lets it alone"
        path.fail("Scheduling", why, f"kubectl describe pod {meta['name']} {at}")
        return False
    if nominated := pod["status"].get("nominatedNodeName"):
        said += f" Less important Pods on {nominated} are being ended to make room for it; it waits until they are gone"
        path.fail("Scheduling", said, f"kubectl get pods -A --field-selector spec.nodeName={nominated}; ask again soon")
        return False
    nodes, pods = api.list("Node"), api.list("Pod")
    found = [(node, [*_objections(pod, node, pods), *storage.objections(node)]) for node in nodes]
    told = [f"{node['metadata']['name']}: {'; '.join(why)}" for node, why in found if why]
    evidence = f"no node takes the Pod. {said.rstrip('.')}."
    if culprit:
        evidence += f" What keeps it from all of them: {culprit[0]}"
    elif told:
        evidence += f" Node by node: {'. '.join(told)}"
    path.fail("Scheduling", evidence, culprit[1] if culprit else _way_out(pod, found))
    return False


def _objections(pod: Obj, node: Obj, pods: Iterable[Obj]) -> Iterator[str]:
    """What speaks against a node, in words."""
    spec, state = pod["spec"], node["spec"]
    if state.get("unschedulable"):
        yield "it is cordoned"
    taints = [t for t in state.get("taints") or () if t["effect"] != "PreferNoSchedule"]
    for taint in taints:
        cordon = taint["key"] == "node.kubernetes.io/unschedulable"
        if not cordon and not any(_tolerates(toleration, taint) for toleration in spec.get("tolerations") or ()):
            yield f"its taint {_shown(taint)} is not tolerated"
    labels = node["metadata"].get("labels") or {}
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            has = f"it has {key}={labels[key]}" if key in labels else "it has no such label"
            yield f"nodeSelector wants {key}={value}, {has}"
    terms = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED, {}).get("nodeSelectorTerms")
    if terms and not any(matches(term, node) for term in terms):
        yield "its labels do not match the Pod's node affinity"
    yield from _lacking(pod, node, [p for p in pods if p["spec"].get("nodeName") == node["metadata"]["name"]])


def _lacking(pod: Obj, node: Obj, there: list[Obj]) -> Iterator[str]:
    alive = [p for p in there if not is_over(p)]
    given = node["status"].get("allocatable") or {}
    if len(alive) >= int(given.get("pods", 110)):
        yield f"it takes {given['pods']} Pods and has them"
    taken = quantities.total(quantities.amounts(other["spec"], "requests") for other in alive)
    for name, text in quantities.amounts(pod["spec"], "requests").items():
        amount, total, used = number(text), number(given.get(name, "0")), number(taken.get(name, "0"))
        if amount and amount > total - used:
            if amount > total:
                yield f"it has {_amount(name, total)} {name} {_IN_ALL}, the Pod asks for {_amount(name, amount)}"
            else:
                free = f"{_amount(name, max(total - used, Decimal(0)))} of {_amount(name, total)}"
                yield f"{free} {name} is free, the Pod asks for {_amount(name, amount)}"


def _amount(name: str, amount: Decimal) -> str:
    """For people: `500m` of a CPU, `1.5Gi` of memory."""
    if name == "cpu":
        return f"{amount * 1000:.0f}m"
    if name in ("memory", "ephemeral-storage"):
        for unit, size in (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
            if amount >= size:
                return f"{amount / size:.1f}".removesuffix(".0") + unit
    return f"{amount:f}".partition(".")[0]


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("key") not in (None, "", taint["key"]):
        return False
    return bool(toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", ""))


def _way_out(pod: Obj, found: list[tuple[Obj, list[str]]]) -> str:
    """The next command, for what stands in the way where least does."""
    meta = pod["metadata"]
    describe = f"kubectl describe pod {meta['name']} -n {meta['namespace']}"
    if full := [node["metadata"]["name"] for node, why in found if why and all(f" {FULL} " in told for told in why)]:
        return f"kubectl get volumeattachments shows what {full[0]} has; a volume that no Pod there uses makes room"
    if held := [why[0].split()[1] for _, why in found if why and all(told.startswith(HELD) for told in why)]:
        return f"kubectl describe pv {held[0]} shows where it can be used (Node Affinity): the Pod has to go there"
    if not any(why for _, why in found):
        return describe
    node, why = min(((node, why) for node, why in found if why), key=_hopeless)
    name, first = node["metadata"]["name"], why[0]
    if first == "it is cordoned":
        return f"kubectl uncordon {name}"
    if first.startswith("its taint"):
        key = first.split()[2].partition("=")[0].partition(":")[0]
        return f"give the Pod a toleration, or take the taint away: kubectl taint node {name} {key}-"
    if first.startswith(("nodeSelector", "its labels")):
        return "kubectl get nodes --show-labels, then change what the Pod asks for, or kubectl label node one of them"
    if all(_too_small(told) for _, told in found):
        return f"ask for less: no node is that large (kubectl describe node {name}, Allocatable)"
    return f"ask for less, or make room: kubectl describe node {name} shows who has it (Allocated resources)"


def _hopeless(each: tuple[Obj, list[str]]) -> tuple[bool, bool, int]:
    """How little can be done about a node: the control plane's taint stays, and no node grows."""
    node, why = each
    reserved = any(taint["key"] == _RESERVED for taint in node["spec"].get("taints") or ())
    return reserved, _too_small(why), len(why)


def _too_small(why: list[str]) -> bool:
    return any(f" {_IN_ALL}, " in objection for objection in why)


def _shown(taint: Obj) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def _list(noun: str, names: list[str]) -> str:
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(names)}"
