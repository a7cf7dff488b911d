"""The text of `kubectl describe node`: conditions, size, what is on it and what that asks for. Lines with tabs, as
`printers.tabbed` lays them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kindlab.api import Obj
from kindlab.conditions import is_over
from kindlab.kubectl import ages
from kindlab.kubectl.describing_fields import column, labels, notes
from kindlab.quantities import amounts, canonical, number, total

_ROLE = "node-role.kubernetes.io/"
_SYSTEM = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)
_STANDARD = ("cpu", "memory", "ephemeral-storage", "pods")


def node(obj: Obj, lease: Obj | None, pods: Sequence[Obj]) -> Iterator[str]:
    """A Node, its Lease and the Pods on it, without its events."""
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Roles:\t{','.join(_roles(obj)) or '<none>'}"
    yield from labels(obj)
    yield from notes(obj)
    yield f"CreationTimestamp:\t{ages.moment(obj['metadata']['creationTimestamp'])}"
    ordered = sorted(spec.get("taints") or (), key=lambda taint: f"{taint['effect']},{taint['key']}")
    yield from column("Taints", [taint_text(taint) for taint in ordered])
    yield f"Unschedulable:\t{str(bool(spec.get('unschedulable'))).lower()}"
    yield from _lease(lease, obj["metadata"]["name"])
    if conditions := status.get("conditions"):
        yield "Conditions:"
        yield "  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage"
        yield "  ----\t------\t-----------------\t------------------\t------\t-------"
        for found in conditions:
            beat, turned = (ages.moment(found.get(field)) for field in ("lastHeartbeatTime", "lastTransitionTime"))
            cells = (
                f"{found['type']} ",
                f"{found['status']} ",
                f"{beat} ",
                f"{turned} ",
                f"{found.get('reason', '')} ",
            )
            yield "  " + "\t".join((*cells, found.get("message", "")))
    yield "Addresses:"
    yield from (f"  {found['type']}:\t{found['address']}" for found in status.get("addresses") or ())
    for title, field in (("Capacity", "capacity"), ("Allocatable", "allocatable")):
        if status.get(field):
            yield f"{title}:"
            yield from (f"  {name}:\t{_shown(size)}" for name, size in sorted(status[field].items()))
    yield "System Info:"
    yield from (f"  {title}:\t{(status.get('nodeInfo') or {}).get(field, '')}" for title, field in _SYSTEM)
    if spec.get("podCIDR"):
        yield f"PodCIDR:\t{spec['podCIDR']}"
    if spec.get("podCIDRs"):
        yield f"PodCIDRs:\t{','.join(spec['podCIDRs'])}"
    if spec.get("providerID"):
        yield f"ProviderID:\t{spec['providerID']}"
    alive = [pod for pod in pods if not is_over(pod)]
    yield from _usage(alive, status.get("allocatable") or status.get("capacity") or {})


def taint_text(taint: Obj) -> str:
    """`key=value:effect`."""
    value = f"={taint['value']}" if taint.get("value") else ""
    effect = f":{taint['effect']}" if taint.get("effect") else ":" if value else ""
    return f"{taint['key']}{value}{effect}"


def _roles(obj: Obj) -> list[str]:
    held = obj["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE) for key in held if key.startswith(_ROLE)} | {held.get("kubernetes.io/role", "")}
    return sorted(roles - {""})


def _lease(lease: Obj | None, name: str) -> Iterator[str]:
    if lease is None:
        yield f'Lease:\tFailed to get lease: leases.coordination.k8s.io "{name}" not found'
        return
    spec = lease.get("spec") or {}
    yield "Lease:"
    yield f"  HolderIdentity:\t{spec.get('holderIdentity', '<unset>')}"
    for title, field in (("AcquireTime", "acquireTime"), ("RenewTime", "renewTime")):
        yield f"  {title}:\t{ages.moment(spec[field]) if spec.get(field) else '<unset>'}"


# -- what is asked for


def _usage(pods: Sequence[Obj], size: Mapping[str, str]) -> Iterator[str]:
    yield f"Non-terminated Pods:\t({len(pods)} in total)"
    yield "  Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge"
    yield "  ---------\t----\t\t------------\t----------\t---------------\t-------------\t---"
    for pod in pods:
        asked, most = amounts(pod["spec"], "requests"), amounts(pod["spec"], "limits")
        shown = [_part(held.get(name, "0"), size.get(name)) for name in ("cpu", "memory") for held in (asked, most)]
        meta = pod["metadata"]
        age = ages.since(meta["creationTimestamp"])
        yield "\t".join((f"  {meta['namespace']}", meta["name"], "", *shown, age))
    yield "Allocated resources:"
    yield "  (Total limits may be over 100 percent, i.e., overcommitted.)"
    yield "  Resource\tRequests\tLimits"
    yield "  --------\t--------\t------"
    asked, most = (total(amounts(pod["spec"], field) for pod in pods) for field in ("requests", "limits"))
    for name in ("cpu", "memory", "ephemeral-storage"):
        yield f"  {name}\t" + "\t".join(_part(held.get(name, "0"), size.get(name)) for held in (asked, most))
    pages = sorted(name for name in size if name.startswith("hugepages-"))
    for name in pages:
        yield f"  {name}\t" + "\t".join(_part(held.get(name, "0"), size.get(name)) for held in (asked, most))
    for name in sorted(size.keys() - {*_STANDARD, *pages}):
        yield f"  {name}\t{asked.get(name, '0')}\t{most.get(name, '0')}"


def _shown(text: str) -> str:
    return canonical(number(str(text)), binary="i" in str(text))


def _part(text: str, of: str | None) -> str:
    """`250m (6%)`: how much of the node's."""
    whole = number(of or "0")
    return f"{text} ({int(number(text) / whole * 100) if whole else 0}%)"
