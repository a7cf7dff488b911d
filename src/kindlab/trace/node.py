"""What keeps a node from taking Pods: Node -> Ready -> lease -> pressure -> cordon -> taints -> room.

Everything is read from the API: the conditions and taints that kubelet and controllers write, and the node's lease.
"""

from __future__ import annotations

from datetime import datetime

from kindlab import clock
from kindlab.api import Api, Obj
from kindlab.conditions import is_over
from kindlab.kubectl import ages
from kindlab.trace.hops import Trace

LEASES = "kube-node-lease"
PRESSURES = {
    "MemoryPressure": "is short of memory",
    "DiskPressure": "is short of disk space",
    "PIDPressure": "has too many processes",
    "NetworkUnavailable": "has no network",
}
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
WRITTEN = "node.kubernetes.io/"
"""Taints of this prefix are written by controllers, and go when what they tell of is over."""
CLOSED = f"{WRITTEN}unschedulable"
PATIENCE = 2
"""How many times its duration a lease may be old before a node that is still called Ready counts as silent."""


def trace(api: Api, name: str) -> Trace:
    """Trace Node `name` to the first thing that keeps Pods away, or to the room it has."""
    path = Trace(f"node/{name}", "")
    node = api.get("Node", name)
    if node is None:
        path.missing("Node", name, "", [found["metadata"]["name"] for found in api.list("Node")], "nodes")
        return path
    pods = api.list("Pod", None, fields=f"spec.nodeName={name}")
    path.ok("Node", _size(node))
    if _ready(api, node, pods, path) and _pressure(node, path) and _open(node, path) and _taints(node, path):
        _room(node, pods, path)
    return path


def _size(node: Obj) -> str:
    status = node.get("status") or {}
    size = status.get("allocatable") or {}
    address = next((a["address"] for a in status.get("addresses") or () if a["type"] == "InternalIP"), "no address")
    cpu, memory, pods = (size.get(resource, "?") for resource in ("cpu", "memory", "pods"))
    return f"{address}, {cpu} CPUs, {memory} memory, {pods} Pods at most"


def _ready(api: Api, node: Obj, pods: list[Obj], path: Trace) -> bool:
    name = node["metadata"]["name"]
    found = next((c for c in (node.get("status") or {}).get("conditions") or () if c["type"] == "Ready"), None)
    lease = api.get("Lease", name, LEASES)
    spec = (lease or {}).get("spec") or {}
    renewed = spec.get("renewTime")
    heard = f"its lease was renewed {ages.since(renewed)} ago" if renewed else "it has no lease"
    if found is None:
        path.fail("Ready", f"nobody has said anything about {name} yet; {heard}", f"kubectl describe node {name}")
        return False
    if found["status"] == "Unknown":
        silent = (
            f"the cluster has not heard of {name} for {ages.since(found['lastTransitionTime'])} and more ({heard}): "
        )
        silent += "its machine is off, or its kubelet or its network is down"
        then = f"kindlab node list shows whether its machine is on; then: kindlab node start {name}"
        path.fail("Ready", silent + _stranded(pods), then)
        return False
    if found["status"] != "True":
        words = f"its kubelet says it is not ready: {found.get('reason', '')}: {found.get('message', '')}"
        path.fail("Ready", words + _stranded(pods), f"kubectl describe node {name}")
        return False
    age = (clock.now() - datetime.fromisoformat(renewed)).total_seconds() if renewed else 0.0
    if age > PATIENCE * spec.get("leaseDurationSeconds", 40):
        words = f"it is called Ready, but {heard}: its kubelet has fallen silent, and the cluster will notice soon"
        path.fail(
            "Ready", words, f"kindlab node list shows whether its machine is on; watch: kubectl get node {name} -w"
        )
        return False
    path.ok("Ready", f"for {ages.since(found['lastTransitionTime'])}; {heard}")
    return True


def _stranded(pods: list[Obj]) -> str:
    """What becomes of the Pods there."""
    if not pods:
        return ""
    going = sum(1 for pod in pods if pod["metadata"].get("deletionTimestamp"))
    words = f"; {len(pods)} Pods are bound to it"
    return words + (f", {going} of them being deleted, which only it can finish" if going else "")


def _pressure(node: Obj, path: Trace) -> bool:
    name = node["metadata"]["name"]
    for found in node["status"].get("conditions") or ():
        if found["type"] in PRESSURES and found["status"] == "True":
            words = f"{name} {PRESSURES[found['type']]} ({found.get('reason', '')}: {found.get('message', '')})"
            path.fail("Pressure", words, f"kubectl describe node {name}")
            return False
    path.ok("Pressure", "it has memory, disk space and processes left")
    return True


def _open(node: Obj, path: Trace) -> bool:
    name = node["metadata"]["name"]
    if node["spec"].get("unschedulable"):
        words = "it is cordoned: the Pods on it stay, and no new ones come (kubectl drain does that, too)"
        path.fail("Cordon", words, f"kubectl uncordon {name}")
        return False
    path.ok("Cordon", "it is not cordoned")
    return True


def _taints(node: Obj, path: Trace) -> bool:
    name, held = node["metadata"]["name"], node["spec"].get("taints") or ()
    hard = [t for t in held if t["effect"] in ("NoSchedule", "NoExecute") and t["key"] != CLOSED]
    wanted = [taint for taint in hard if taint["key"] == CONTROL_PLANE]
    odd = [taint for taint in hard if taint["key"] != CONTROL_PLANE]
    if odd:
        shown = ", ".join(_text(taint) for taint in odd)
        evicts = any(taint["effect"] == "NoExecute" for taint in odd)
        words = f"only Pods that tolerate {shown} may come" + (" or stay" if evicts else "")
        mine = next((taint for taint in odd if not taint["key"].startswith(WRITTEN)), None)
        then = (
            f"kubectl taint nodes {name} {mine['key']}:{mine['effect']}-" if mine else f"kubectl describe node {name}"
        )
        path.fail("Taints", words, f"{then}   (or give the Pods that belong there a toleration)" if mine else then)
        return False
    if wanted:
        path.ok("Taints", "it is a control plane's: only Pods that tolerate its taint come here, as is usual")
    else:
        path.ok("Taints", "none that keep Pods away")
    return True


def _room(node: Obj, pods: list[Obj], path: Trace) -> None:
    name = node["metadata"]["name"]
    there = [pod for pod in pods if not is_over(pod)]
    most = int((node["status"].get("allocatable") or {}).get("pods", "110"))
    if len(there) >= most:
        words = f"it has {len(there)} Pods and takes {most}: it is full"
        path.fail("Room", words, f"kubectl get pods -A --field-selector spec.nodeName={name}")
        return
    path.ok("Room", f"{len(there)} of {most} Pods")


def _text(taint: Obj) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"
