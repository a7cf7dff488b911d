"""What a PersistentVolume may say, and what of it may change.

Models ValidatePersistentVolume* (pkg/apis/core/validation) and the check of mount options (pkg/volume/validation).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal, metadata, nodelabels, volume_sources
from pocketkube.resources.pod_spec import scheduling

# In upstream's order: the first type found counts, each further one is an error.
SOURCES: Final = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)
_MISSPELT: Final = {"cephfs": "cephFS"}
ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES: Final = ("Block", "Filesystem")
_RECLAIM_POLICIES: Final = ("Delete", "Recycle", "Retain")
MOUNT_OPTIONS: Final = "volume.beta.kubernetes.io/mount-options"
_MOUNTED_WITH_OPTIONS: Final = (
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
)
_IMMUTABLE: Final = "spec.persistentvolumesource is immutable after creation"
_RECYCLED_ROOT: Final = "may not be 'recycle' for a hostPath mount of '/'"
_GA_LABELS: Final = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}
_ANNOTATIONS: Final = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    MOUNT_OPTIONS: 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_DEPRECATED: Final = {
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "photonPersistentDisk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "scaleIO": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
}


def validate(obj: Obj) -> Iterator[Cause]:
    """Field errors of a PersistentVolume."""
    spec = objects.spec(obj)
    yield from access_modes("spec.accessModes", spec.get("accessModes") or (), "")
    yield from _capacity("spec.capacity", spec.get("capacity") or {})
    policy = spec.get("persistentVolumeReclaimPolicy", "")
    if policy and policy not in _RECLAIM_POLICIES:
        yield fields.not_supported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
    if (affinity := spec.get("nodeAffinity")) is not None:
        if affinity.get("required") is not None:
            yield from scheduling.node_selector("spec.nodeAffinity.required", affinity["required"])
        else:
            yield fields.required("spec.nodeAffinity.required", "must specify required node constraints")
    yield from _source("spec", objects.name(obj), spec)
    if spec.get("hostPath") is not None and policy == "Recycle" and _is_root(spec["hostPath"].get("path", "")):
        yield fields.forbidden("spec.persistentVolumeReclaimPolicy", _RECYCLED_ROOT)
    if spec.get("storageClassName"):
        yield from class_name("spec.storageClassName", spec["storageClassName"])
    yield from volume_mode("spec.volumeMode", spec.get("volumeMode"))
    if (attributes := spec.get("volumeAttributesClassName")) is not None:
        if not attributes:
            yield fields.required("spec.volumeAttributesClassName", "an empty string is disallowed")
        else:
            yield from class_name("spec.volumeAttributesClassName", attributes)
        if spec.get("csi") is None:
            yield fields.required("spec.csi", "has to be specified when using volumeAttributesClassName")
    if MOUNT_OPTIONS in objects.annotations(obj) and all(spec.get(name) is None for name in _MOUNTED_WITH_OPTIONS):
        why = "may not specify mount options for this volume type"
        yield fields.forbidden(f"metadata.annotations.{MOUNT_OPTIONS}", why)


def validate_update(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed PersistentVolume."""
    yield from validate(new)
    after, before = objects.spec(new), objects.spec(old)
    sources = _with_known_secret(after, before)
    if not internal.equal("PersistentVolumeSource", before, sources):
        difference = internal.diff("PersistentVolumeSource", before, sources)
        yield fields.forbidden("spec.persistentvolumesource", f"{_IMMUTABLE}\n{difference}")
    yield from metadata.immutable("volumeMode", after.get("volumeMode"), before.get("volumeMode"))
    affinity = after.get("nodeAffinity")
    if before.get("nodeAffinity") is not None and not _same_affinity(affinity, before["nodeAffinity"]):
        shown = internal.value_of("VolumeNodeAffinity", affinity)
        why = f"{metadata.IMMUTABLE}, except for updating from beta label to GA"
        yield fields.invalid("nodeAffinity", shown, why)
    name = "volumeAttributesClassName"
    if before.get(name) is not None and after.get(name) is None:
        yield fields.forbidden(f"spec.{name}", "update from non-nil value to nil is forbidden")


def warnings(obj: Obj) -> Iterator[str]:
    """What a PersistentVolume is warned about (pkg/api/persistentvolume)."""
    spec = objects.spec(obj)
    for key, text in _ANNOTATIONS.items():
        if key in objects.annotations(obj):
            yield f"metadata.annotations[{key}]: {text}"
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    terms = objects.dig(spec, "nodeAffinity", "required", "nodeSelectorTerms") or ()
    yield from nodelabels.terms_warnings("spec.nodeAffinity.required.nodeSelectorTerms", terms)
    for name, (shown, text) in _DEPRECATED.items():
        if spec.get(name) is not None:
            yield f"spec.{shown}: {text}"


def access_modes(path: str, modes: list[str] | tuple[()], missing: str) -> Iterator[Cause]:
    """Field errors of the access modes of a volume or claim; `missing`: what is said when there are none."""
    if not modes:
        yield fields.required(path, missing)
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield fields.not_supported(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES[:3] for mode in modes):
        yield fields.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def class_name(path: str, name: str) -> Iterator[Cause]:
    """Field errors of a class's name."""
    for problem in formats.dns1123_subdomain(name):
        yield fields.invalid(path, name, problem)


def volume_mode(path: str, mode: str | None) -> Iterator[Cause]:
    if mode is not None and mode not in VOLUME_MODES:
        yield fields.not_supported(path, mode, VOLUME_MODES)


def positive(path: str, amount: Any) -> Iterator[Cause]:
    """Field error of an amount that is not above zero."""
    if quantity.parse(amount) <= 0:
        yield fields.invalid(path, quantity.canonical(amount), formats.POSITIVE)


def basic(path: str, amount: Any) -> Iterator[Cause]:
    """Field error of an amount below zero, as statuses and capacities are judged."""
    if quantity.value(amount) < 0:
        yield fields.invalid(path, quantity.value(amount), "must be a valid resource quantity")


def _capacity(path: str, capacity: Obj) -> Iterator[Cause]:
    if not capacity:
        yield fields.required(path)
    if list(capacity) != ["storage"]:
        yield fields.not_supported(path, dict(sorted(capacity.items())) or None, ("storage",))
    for name, amount in sorted(capacity.items()):
        yield from basic(f"{path}[{name}]", amount)
        yield from positive(f"{path}[{name}]", amount)


def inline(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of a volume that stands in an attachment, which only CSI volumes can."""
    why = "may not be specified in the context of inline volumes"
    for name in ("claimRef", "capacity"):
        if spec.get(name):
            yield fields.forbidden(f"{path}.{name}", why)
    if spec.get("csi") is None:
        yield fields.required(f"{path}.csi", "has to be specified in the context of inline volumes")
    yield from access_modes(f"{path}.accessModes", spec.get("accessModes") or (), "")
    policy, mode = spec.get("persistentVolumeReclaimPolicy", ""), spec.get("volumeMode")
    if policy not in ("", "Retain"):
        text = "may only be Retain in the context of inline volumes"
        yield fields.forbidden(f"{path}.persistentVolumeReclaimPolicy", text)
    if spec.get("nodeAffinity") is not None:
        yield fields.forbidden(f"{path}.nodeAffinity", why)
    yield from _source(path, "", {**spec, "nodeAffinity": None})
    if spec.get("hostPath") is not None and policy == "Recycle" and _is_root(spec["hostPath"].get("path", "")):
        yield fields.forbidden(f"{path}.persistentVolumeReclaimPolicy", _RECYCLED_ROOT)
    if spec.get("storageClassName"):
        yield fields.forbidden(f"{path}.storageClassName", why)
    if mode not in (None, "Filesystem"):
        text = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        yield fields.forbidden(f"{path}.volumeMode", text)


def _source(path: str, volume: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of the sources in a spec at `path`; `volume`: its name, "" for none."""
    first = True
    for name in SOURCES:
        source = spec.get(name)
        if source is None:
            continue
        if not first and name != "flexVolume":  # upstream forgot that one
            yield fields.forbidden(f"{path}.{_MISSPELT.get(name, name)}", "may not specify more than 1 volume type")
            continue
        first = False
        yield from volume_sources.validate(path, name, source, volume=volume)
        if name == "local" and spec.get("nodeAffinity") is None:
            yield fields.required(f"{path}.nodeAffinity", "Local volume requires node affinity")
    if first:
        yield fields.required(path, "must specify a volume type")


def _is_root(path: str) -> bool:
    return bool(path) and posixpath.normpath(path) in ("/", "//")


def _with_known_secret(after: Obj, before: Obj) -> Obj:
    """A secret for expanding may be added where there was none."""
    name, new, old = "controllerExpandSecretRef", after.get("csi"), before.get("csi")
    if new is None or old is None or old.get(name) is not None:
        return after
    return {**after, "csi": {key: value for key, value in new.items() if key != name}}


def _same_affinity(after: Obj | None, before: Obj) -> bool:
    """Beta labels may become the ones that replaced them, and nothing else may change."""
    if after is None:
        return False
    aged = objects.copy(before)
    pairs = zip(_expressions(aged), _expressions(after), strict=False)
    for old, new in pairs:
        if _GA_LABELS.get(old.get("key", "")) == new.get("key"):
            old["key"] = new["key"]
    return internal.equal("VolumeNodeAffinity", after, aged)


def _expressions(affinity: Obj) -> Iterator[Obj]:
    for term in objects.dig(affinity, "required", "nodeSelectorTerms") or ():
        for name in ("matchExpressions", "matchFields"):
            yield from term.get(name) or ()
