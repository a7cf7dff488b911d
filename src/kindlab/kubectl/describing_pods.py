"""The text of `kubectl describe` for Pods. Lines with tabs, as `printers.tabbed` lays them out."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.conditions import is_over
from kindlab.kubectl import ages
from kindlab.kubectl.describing_containers import containers, resources
from kindlab.kubectl.describing_fields import column, labels, notes
from kindlab.kubectl.describing_policy import selector
from kindlab.kubectl.describing_volumes import volumes

_KNOWN = ("metadata.name", "metadata.namespace")


def pod(obj: Obj) -> Iterator[str]:
    """A Pod as it is, without its events."""
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    yield f"Name:\t{meta['name']}"
    yield f"Namespace:\t{meta.get('namespace', '')}"
    if spec.get("priority") is not None:
        yield f"Priority:\t{spec['priority']}"
    for title, key in (
        ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"),
        ("Service Account", "serviceAccountName"),
    ):
        if spec.get(key):
            yield f"{title}:\t{spec[key]}"
    node = f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>"
    yield f"Node:\t{node}"
    if status.get("startTime"):
        yield f"Start Time:\t{ages.moment(status['startTime'])}"
    yield from labels(obj)
    yield from notes(obj)
    yield from _phase(obj)
    for title, key in (("Reason", "reason"), ("Message", "message")):
        if status.get(key):
            yield f"{title}:\t{status[key]}"
    if seccomp := (spec.get("securityContext") or {}).get("seccompProfile"):
        yield f"SeccompProfile:\t{seccomp['type']}"
        if seccomp["type"] == "Localhost":
            yield f"LocalhostProfile:\t{seccomp.get('localhostProfile', '')}"
    yield f"IP:\t{status.get('podIP', '')}"
    addresses = status.get("podIPs") or ()
    yield "IPs:" if addresses else "IPs:\t<none>"
    yield from (f"  IP:\t{found['ip']}" for found in addresses)
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            yield f"Controlled By:\t{owner['kind']}/{owner['name']}"
    if status.get("nominatedNodeName"):
        yield f"NominatedNodeName:\t{status['nominatedNodeName']}"
    if spec.get("resources") is not None:
        yield "Resources:"
        yield from (f"  {line}" for line in resources(spec["resources"]))
    yield from _containers(obj, spec, status)
    yield from _conditions(spec, status)
    yield from volumes(spec.get("volumes") or ())
    yield f"QoS Class:\t{status.get('qosClass', '')}"
    yield from placing(spec)
    yield from spreading(spec)


def placing(spec: Obj) -> Iterator[str]:
    """Node selector and tolerations."""
    pairs = sorted((spec.get("nodeSelector") or {}).items())
    yield from column("Node-Selectors", [f"{key}={value}" for key, value in pairs])
    tolerations = sorted(spec.get("tolerations") or (), key=lambda found: str(found.get("key", "")))
    yield from column("Tolerations", [_toleration(found) for found in tolerations])


def spreading(spec: Obj) -> Iterator[str]:
    """Topology spread constraints, if there are any."""
    spread = sorted(spec.get("topologySpreadConstraints") or (), key=lambda found: str(found["topologyKey"]))
    if spread:
        yield from column("Topology Spread Constraints", [_spread(found) for found in spread])


def _phase(pod: Obj) -> Iterator[str]:
    meta, status = pod["metadata"], pod.get("status") or {}
    doomed = meta.get("deletionTimestamp")
    if doomed and not is_over(pod):
        yield f"Status:\tTerminating (lasts {ages.since(doomed)})"
        yield f"Termination Grace Period:\t{meta.get('deletionGracePeriodSeconds', 0)}s"
    else:
        yield f"Status:\t{status.get('phase', '')}"


def _containers(obj: Obj, spec: Obj, status: Obj) -> Iterator[str]:
    def field(path: str) -> str:
        return _field(obj, path)

    for title, key, states in (
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        if spec.get(key) or key == "containers":
            yield from containers(title, spec.get(key) or (), status.get(states) or (), field)


def _conditions(spec: Obj, status: Obj) -> Iterator[str]:
    conditions = status.get("conditions") or ()
    if gates := spec.get("readinessGates"):
        states = {found["type"]: found["status"] for found in conditions}
        yield "Readiness Gates:"
        yield "  Type\tStatus"
        yield from (f"  {gate['conditionType']} \t{states.get(gate['conditionType'], '<none>')} " for gate in gates)
    if conditions:
        yield "Conditions:"
        yield "  Type\tStatus"
        yield from (f"  {found['type']} \t{found['status']} " for found in conditions)


def _toleration(found: Obj) -> str:
    text = str(found.get("key", ""))
    text += f"={found['value']}" if found.get("value") else ""
    text += f":{found['effect']}" if found.get("effect") else ""
    if found.get("operator") == "Exists" and not found.get("value"):
        text += " op=Exists" if text else "op=Exists"
    if found.get("tolerationSeconds") is not None:
        text += f" for {found['tolerationSeconds']}s"
    return text


def _spread(found: Obj) -> str:
    text = f"{found['topologyKey']}:{found['whenUnsatisfiable']} when max skew {found['maxSkew']} is exceeded"
    return text + (f" for selector {selector(found['labelSelector']) or '<none>'}" if "labelSelector" in found else "")


def _field(obj: Obj, path: str) -> str:
    """What a variable is set to that takes the field at `path`; kubectl leaves out all but name and namespace."""
    return str(obj["metadata"].get(path.removeprefix("metadata."), "")) if path in _KNOWN else ""
