"""The texts of `kubectl describe` for claims, volumes, classes and the nodes of CSI drivers. Lines with tabs, as
`printers.tabbed` lays them out. Left out: the words for volumes of plugins that no node here has; their fields stand
there as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kindlab.api import Obj
from kindlab.kinds import NO_SOURCE
from kindlab.kubectl import ages
from kindlab.kubectl.describing_fields import LONGEST, column, fields, labels, notes

Pods = Callable[[], list[Obj]]
"""The Pods of the object's namespace."""

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_NO_TYPE = "<none>"


def claim(obj: Obj, pods: Pods) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata'].get('namespace', '')}"
    yield f"StorageClass:\t{_class_of(obj)}"
    yield _state(obj)
    yield f"Volume:\t{spec.get('volumeName', '')}"
    yield from _head(obj)
    yield from _asked(spec, status)
    yield from column("Used By", sorted(_users(obj, pods())))
    conditions = status.get("conditions") or []
    if conditions:
        yield "Conditions:"
        yield "  Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage"
        yield "  ----\t------\t-----------------\t------------------\t------\t-------"
    for found in conditions:
        moments = [ages.moment(found.get(name)) for name in ("lastProbeTime", "lastTransitionTime")]
        words = [found["type"], found["status"], *moments, found.get("reason", "")]
        yield "  " + " \t".join([*words, found.get("message", "")])


def template(obj: Obj) -> Iterator[str]:
    """The claim that an ephemeral volume of a Pod makes."""
    spec = obj.get("spec") or {}
    whole: Obj = {"metadata": obj.get("metadata") or {}, "spec": spec}
    yield f"StorageClass:\t{_class_of(whole)}"
    yield f"Volume:\t{spec.get('volumeName', '')}"
    for line in (*labels(whole), *notes(whole)):
        title, _, value = line.partition("\t")
        yield line if value == "<none>" else _nested(title, value)
    yield from _asked(spec, {})


def _nested(title: str, value: str) -> str:
    """Where kubectl indents once more for each part of a line that it writes."""
    return f"{title}\t    {value}" if title else f"    \t    {value}"


def _asked(spec: Obj, status: Obj) -> Iterator[str]:
    bound = bool(spec.get("volumeName"))
    yield f"Capacity:\t{(status.get('capacity') or {}).get('storage', '0') if bound else ''}"
    yield f"Access Modes:\t{_modes(status.get('accessModes')) if bound else ''}"
    if spec.get("volumeMode"):
        yield f"VolumeMode:\t{spec['volumeMode']}"
    if source := spec.get("dataSource"):
        yield "DataSource:"
        if source.get("apiGroup") is not None:
            yield f"  APIGroup:\t{source['apiGroup']}"
        yield f"  Kind:\t{source['kind']}"
        yield f"  Name:\t{source['name']}"


def _users(obj: Obj, pods: Iterable[Obj]) -> Iterator[str]:
    """The names of the Pods that use a claim, or that it was made for."""
    name = obj["metadata"]["name"]
    owners = {ref["uid"] for ref in obj["metadata"].get("ownerReferences") or () if ref["kind"] == "Pod"}
    for pod in pods:
        volumes = pod["spec"].get("volumes") or ()
        used = [v for v in volumes if (v.get("persistentVolumeClaim") or {}).get("claimName") == name]
        yield from (pod["metadata"]["name"] for _ in used)
        if not used and pod["metadata"]["uid"] in owners:
            yield pod["metadata"]["name"]


def volume(obj: Obj) -> Iterator[str]:
    spec, status = obj["spec"], obj.get("status") or {}
    reference = spec.get("claimRef")
    yield f"Name:\t{obj['metadata']['name']}"
    yield from _head(obj)
    yield f"StorageClass:\t{_class_of(obj)}"
    yield _state(obj)
    yield f"Claim:\t{reference.get('namespace', '') + '/' + reference.get('name', '') if reference else ''}"
    yield f"Reclaim Policy:\t{spec.get('persistentVolumeReclaimPolicy', '')}"
    yield f"Access Modes:\t{_modes(spec.get('accessModes'))}"
    if spec.get("volumeMode"):
        yield f"VolumeMode:\t{spec['volumeMode']}"
    yield f"Capacity:\t{(spec.get('capacity') or {}).get('storage', '0')}"
    yield from _node_affinity((spec.get("nodeAffinity") or {}).get("required"))
    yield f"Message:\t{status.get('message', '')}"
    yield "Source:"
    yield from (f"    {line}" for line in source(spec))


def _node_affinity(required: Obj | None) -> Iterator[str]:
    if required is None:
        yield "Node Affinity:\t<none>"
        return
    yield "Node Affinity:\t"
    terms = required.get("nodeSelectorTerms") or []
    yield "  Required Terms:\t" + ("" if terms else "<none>")
    for index, term in enumerate(terms):
        yield from _term(f"    Term {index}", term.get("matchExpressions") or [])


def _term(title: str, expressions: list[Obj]) -> Iterator[str]:
    texts = []
    for found in expressions:
        values = f" [{', '.join(found['values'])}]" if found.get("values") else ""
        texts.append(f"{found.get('key', '')} {found.get('operator', 'In').lower()}{values}")
    indent = " " * (len(title) - len(title.lstrip()))
    yield f"{title}:\t{texts[0] if texts else '<none>'}"
    yield from (f"{indent}\t{text}" for text in texts[1:])


def attributes(csi: Obj) -> Iterator[str]:
    """What a CSI volume's driver is told about it."""
    pairs = [f"{key}={value}" for key, value in sorted((csi.get("volumeAttributes") or {}).items())]
    short = [pair if len(pair) <= LONGEST else pair[:LONGEST] + "..." for pair in pairs]
    yield _nested("VolumeAttributes:", short[0]) if short else "VolumeAttributes:\t<none>"
    yield from (_nested("", pair) for pair in short[1:])


def source(spec: Obj) -> Iterator[str]:
    if found := spec.get("csi"):
        yield "Type:\tCSI (a Container Storage Interface (CSI) volume source)"
        yield f"Driver:\t{found.get('driver', '')}"
        yield f"FSType:\t{found.get('fsType', '')}"
        yield f"VolumeHandle:\t{found.get('volumeHandle', '')}"
        yield f"ReadOnly:\t{_bool(found.get('readOnly'))}"
        yield from attributes(found)
    elif found := spec.get("hostPath"):
        yield "Type:\tHostPath (bare host directory volume)"
        yield f"Path:\t{found.get('path', '')}"
        yield f"HostPathType:\t{found.get('type', _NO_TYPE)}"
    elif found := spec.get("local"):
        yield "Type:\tLocalVolume (a persistent volume backed by local storage on a node)"
        yield f"Path:\t{found.get('path', '')}"
    elif found := spec.get("nfs"):
        yield "Type:\tNFS (an NFS mount that lasts the lifetime of a pod)"
        yield f"Server:\t{found.get('server', '')}"
        yield f"Path:\t{found.get('path', '')}"
        yield f"ReadOnly:\t{_bool(found.get('readOnly'))}"
    else:
        yield from fields({key: spec[key] for key in spec.keys() - NO_SOURCE})


def storage_class(obj: Obj) -> Iterator[str]:
    annotations = obj["metadata"].get("annotations") or {}
    expands, options = obj.get("allowVolumeExpansion"), obj.get("mountOptions") or []
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"IsDefaultClass:\t{'Yes' if 'true' in map(annotations.get, DEFAULT_ANNOTATIONS) else 'No'}"
    yield f"Annotations:\t{_pairs(annotations)}"
    yield f"Provisioner:\t{obj.get('provisioner', '')}"
    yield f"Parameters:\t{_pairs(obj.get('parameters'))}"
    yield f"AllowVolumeExpansion:\t{'<unset>' if expands is None else expands}"
    yield "MountOptions:" if options else "MountOptions:\t<none>"
    yield from (f"  {option}" for option in options)
    for title, field in (("ReclaimPolicy", "reclaimPolicy"), ("VolumeBindingMode", "volumeBindingMode")):
        if obj.get(field) is not None:
            yield f"{title}:\t{obj[field]}"
    if obj.get("allowedTopologies"):
        yield "AllowedTopologies:\t"
        for index, term in enumerate(obj["allowedTopologies"]):
            yield from _term(f"  Term {index}", term.get("matchLabelExpressions") or [])


def attributes_class(obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Annotations:\t{_pairs(obj['metadata'].get('annotations'))}"
    yield f"DriverName:\t{obj.get('driverName', '')}"
    yield f"Parameters:\t{_pairs(obj.get('parameters'))}"


def csi_node(obj: Obj) -> Iterator[str]:
    drivers = obj["spec"].get("drivers")
    yield f"Name:\t{obj['metadata']['name']}"
    yield from labels(obj)
    yield from notes(obj)
    yield f"CreationTimestamp:\t{ages.moment(obj['metadata'].get('creationTimestamp'))}"
    yield "Spec:"
    if drivers is not None:
        yield "  Drivers:"
    for driver in drivers or ():
        yield f"    {driver['name']}:"
        yield f"      Node ID:\t{driver['nodeID']}"
        count = (driver.get("allocatable") or {}).get("count")
        if count is not None:
            yield "      Allocatables:"
            yield f"        Count:\t{count}"
        if driver.get("topologyKeys") is not None:
            yield f"      Topology Keys:\t{_list(driver['topologyKeys'])}"


def _head(obj: Obj) -> Iterator[str]:
    yield from labels(obj)
    yield from notes(obj)
    yield f"Finalizers:\t{_list(obj['metadata'].get('finalizers'))}"


def _state(obj: Obj) -> str:
    doomed = obj["metadata"].get("deletionTimestamp")
    if doomed:
        return f"Status:\tTerminating (lasts {ages.since(doomed)})"
    return f"Status:\t{(obj.get('status') or {}).get('phase', '')}"


def _class_of(obj: Obj) -> str:
    annotated = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return str(annotated if annotated is not None else obj["spec"].get("storageClassName") or "")


def _modes(found: list[str] | None) -> str:
    return ",".join(short for name, short in _MODES.items() if name in (found or ()))


def _pairs(found: dict[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((found or {}).items())) or "<none>"


def _list(found: list[str] | None) -> str:
    return f"[{' '.join(found or ())}]"


def _bool(value: Any) -> str:
    return str(bool(value)).lower()
