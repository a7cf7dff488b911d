"""Whether a node takes a pod that was put on it, perhaps without asking the scheduler.

Models pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl: resources, node affinity, host ports, NoExecute taints,
operating system, sysctls; a pod the node cannot take fails and stays failed. Left out: evicting others for a critical
pod, supplemental groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pocketkube import objects, sysctls
from pocketkube.client import Client
from pocketkube.errors import NotFound
from pocketkube.objects import Obj
from pocketkube.placement import node_fits, untolerated
from pocketkube.podphase import is_terminal
from pocketkube.podresources import allocatable, host_ports, ports_conflict, requests

_NATIVE = ("cpu", "memory", "ephemeral-storage")
_OS_LABEL = "kubernetes.io/os"
_OS = "linux"
Refusal = tuple[str, str]
"""(reason, message)."""


def admit(client: Client, pod: Obj, others: Iterable[Obj]) -> bool:
    """Whether its node can take the pod beside these; one it cannot take is written down as failed."""
    node = client.find("nodes", "", objects.spec(pod).get("nodeName", ""))
    there = [other for other in others if _is_there(client, other)]
    refused = next(_refusals(pod, node, there), None) if node is not None else None
    if refused is None:
        return True
    reason, message = refused
    client.record(pod, "Warning", reason, message)
    change = {"phase": "Failed", "reason": reason, "message": f"Pod was rejected: {message}"}
    with suppress(NotFound):
        client.patch("pods", objects.key(pod), lambda copy: copy["status"].update(change), subresource="status")
    return False


def lacks_room(client: Client, pod: Obj, others: Iterable[Obj]) -> str:
    """Why its node cannot give a pod what it asks for beside these (itself left out); "" when it can."""
    node = client.find("nodes", "", objects.spec(pod).get("nodeName", ""))
    there = [o for o in others if objects.uid(o) != objects.uid(pod) and _is_there(client, o)]
    refused = next(_lacking(objects.spec(pod), node, there), None) if node is not None else None
    return refused[1] if refused is not None else ""


def _is_there(client: Client, pod: Obj) -> bool:
    """Whether a pod counts: it is neither over nor deleted, though something of it may still be ending."""
    found = client.find("pods", *objects.key(pod))
    return found is not None and objects.uid(found) == objects.uid(pod) and not is_terminal(found)


def _refusals(pod: Obj, node: Obj, others: list[Obj]) -> Iterator[Refusal]:
    """What speaks against the pod, the first being what is said."""
    spec = objects.spec(pod)
    if objects.labels(pod).get(_OS_LABEL, _OS) != _OS:
        text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        yield "PodOSSelectorNodeLabelDoesNotMatch", text
    if objects.dig(spec, "os", "name", default=_OS) != _OS:
        yield "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    for sysctl in objects.dig(spec, "securityContext", "sysctls", default=None) or ():
        shared = {"host_network": bool(spec.get("hostNetwork")), "host_ipc": bool(spec.get("hostIPC"))}
        if why := sysctls.forbidden(sysctl["name"], **shared):
            yield "SysctlForbidden", f"forbidden sysctl: {why}"
    yield from _lacking(spec, node, others)
    if not node_fits(spec, node):
        yield _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    wanted = host_ports(spec)
    if wanted and ports_conflict(wanted, (port for other in others for port in host_ports(objects.spec(other)))):
        yield _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    if untolerated(spec, node, ("NoExecute",)) is not None:
        yield _predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate")


def _predicate(name: str, text: str) -> Refusal:
    return name, f"Predicate {name} failed: {text}"


def _lacking(spec: Obj, node: Obj, others: list[Obj]) -> Iterator[Refusal]:
    """Resources that the node has too little of; extended ones that it does not know at all are not its business."""
    there = allocatable(objects.status(node))
    if not there:
        return  # nothing is known of it yet
    used: Counter[str] = Counter()
    for other in others:
        used.update(requests(objects.spec(other)))
    if len(others) + 1 > there.get("pods", 0):
        yield _out_of("pods", 1, len(others), there.get("pods", 0))
    asked = requests(spec)
    for name in (*_NATIVE, *sorted(asked.keys() - set(_NATIVE))):
        amount, total = asked.get(name, 0), there.get(name, 0)
        if amount and amount > total - used[name] and (name in there or name in _NATIVE):
            yield _out_of(name, amount, used[name], total)


def _out_of(name: str, requested: int, used: int, capacity: int) -> Refusal:
    amounts = f"requested: {requested}, used: {used}, capacity: {capacity}"
    return f"OutOf{name}", f"Node didn't have enough resource: {name}, {amounts}"
