"""A pod's volumes, and how containers mount them.

Models ValidateVolumes, ValidateVolumeMounts and ValidateVolumeDevices (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata, volume_sources
from pocketkube.resources.persistentvolume_spec import claims
from pocketkube.resources.pod_spec import files

# In upstream's order: the first type found counts, each further one is an error.
_TYPES: Final = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)
_MISSPELT: Final = {"downwardAPI": "downwarAPI", "cephfs": "cephFS"}  # upstream's slips, which clients see
_PULL: Final = ("Always", "IfNotPresent", "Never")
# A claim's template takes labels and annotations only; in the order, and where it differs the spelling, of ObjectMeta.
_TEMPLATE_METADATA: Final = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_SPELT: Final = {"uid": "uID"}
_PROPAGATION: Final = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE: Final = ("Disabled", "Enabled", "IfPossible")


class Volumes:
    """The volumes of a pod that are fine by themselves, by name."""

    def __init__(self) -> None:
        self.sources: dict[str, Obj] = {}

    def validate(self, path: str, volumes: list[Obj], pod_name: str, *, is_pod: bool) -> Iterator[Cause]:
        """Field errors of spec.volumes; collects those without."""
        created = {f"{pod_name}-{v.get('name', '')}" for v in volumes if v.get("ephemeral") is not None and pod_name}
        for index, volume in enumerate(volumes):
            at, name = f"{path}[{index}]", volume.get("name", "")
            found = list(_source(at, volume, pod_name, is_pod=is_pod))
            if not name:
                found.append(fields.required(f"{at}.name"))
            found += [fields.invalid(f"{at}.name", name, p) for p in (formats.dns1123_label(name) if name else ())]
            if name in self.sources:
                found.append(fields.duplicate(f"{at}.name", name))
            if not found:
                self.sources[name] = volume
            yield from found
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName", "")
            if claim in created:
                why = "must not reference a PVC that gets created for an ephemeral volume"
                yield fields.invalid(f"{at}.persistentVolumeClaim.claimName", claim, why)


def _source(at: str, volume: Obj, pod_name: str, *, is_pod: bool) -> Iterator[Cause]:
    first = True
    for name in _TYPES:
        source = volume.get(name)
        if source is None:
            continue
        if first:
            yield from _inside(at, name, source, is_pod=is_pod)
            if name == "ephemeral":
                yield from _claim_name(at, pod_name, volume.get("name", ""))
        else:
            yield fields.forbidden(f"{at}.{_MISSPELT.get(name, name)}", "may not specify more than 1 volume type")
        first = False
        if name == "iscsi":
            yield from volume_sources.too_long_for_iscsi(at, volume.get("name", ""), source)
    if first:
        yield fields.required(at, "must specify a volume type")


def _inside(path: str, type_: str, source: Obj, *, is_pod: bool) -> Iterator[Cause]:
    at = f"{path}.{type_}"
    match type_:
        case "emptyDir":
            if quantity.parse(source.get("sizeLimit") or "0") < 0:
                yield fields.forbidden(f"{at}.sizeLimit", "SizeLimit field must be a valid resource quantity")
        case "secret" | "configMap" | "downwardAPI" | "projected":
            yield from files.validate(at, type_, source)
        case "gitRepo":
            if not source.get("repository"):
                yield fields.required(f"{at}.repository")
            yield from files.descending(f"{at}.directory", source.get("directory", ""))
        case "persistentVolumeClaim":
            if not source.get("claimName"):
                yield fields.required(f"{at}.claimName")
        case "ephemeral":
            yield from _ephemeral(f"{at}.volumeClaimTemplate", source.get("volumeClaimTemplate"))
        case "image":
            if is_pod and not source.get("reference"):
                yield fields.required(f"{at}.reference")
            yield from _pull_policy(f"{at}.pullPolicy", source.get("pullPolicy", ""))
        case _:
            yield from volume_sources.validate(path, type_, source)


def _pull_policy(path: str, policy: str) -> Iterator[Cause]:
    if not policy:
        yield fields.required(path)
    elif policy not in _PULL:
        yield fields.not_supported(path, policy, _PULL)


def _ephemeral(at: str, template: Obj | None) -> Iterator[Cause]:
    if template is None:
        yield fields.required(at)
        return
    meta = template.get("metadata") or {}
    yield from metadata.annotation_map(f"{at}.metadata.annotations", meta.get("annotations"))
    yield from metadata.labels(f"{at}.metadata.labels", meta.get("labels"))
    for name in _TEMPLATE_METADATA:
        if meta.get(name):
            yield fields.forbidden(f"{at}.metadata.{_SPELT.get(name, name)}", "cannot be set")
    yield from claims.validate(template.get("spec") or {}, f"{at}.spec")


def _claim_name(path: str, pod: str, volume: str) -> Iterator[Cause]:
    """The claim of an ephemeral volume is called after pod and volume, and that must be a name."""
    name = f"{pod}-{volume}"
    for problem in formats.dns1123_subdomain(name) if pod and volume else ():
        yield fields.invalid(f"{path}.name", volume, f"PVC name {fields.show(name)}: {problem}")


def mounts(path: str, container: Obj, volumes: Mapping[str, Any]) -> Iterator[Cause]:
    """Field errors of a container's volumeMounts."""
    devices = {d.get("name", ""): d.get("devicePath", "") for d in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield fields.required(f"{at}.name")
        if name not in volumes:
            yield fields.not_found(f"{at}.name", name)
        if not target:
            yield fields.required(f"{at}.mountPath")
        if target in seen:
            yield fields.invalid(f"{at}.mountPath", target, "must be unique")
        seen.add(target)
        if name in devices:
            yield fields.invalid(f"{at}.name", name, "must not already exist in volumeDevices")
        if target in devices.values():
            yield fields.invalid(f"{at}.mountPath", target, "must not already exist as a path in volumeDevices")
        if sub := mount.get("subPath"):
            yield from files.descending(f"{path}.subPath", sub)
        if expression := mount.get("subPathExpr"):
            if sub:
                yield fields.invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
            yield from files.descending(f"{path}.subPathExpr", expression)
        yield from _propagation(path, mount, container)


def _propagation(path: str, mount: Obj, container: Obj) -> Iterator[Cause]:
    mode, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    if mode is not None:
        at = f"{path}.mountPropagation"
        if mode not in _PROPAGATION:
            yield fields.not_supported(at, mode, _PROPAGATION)
        if mode == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
            yield fields.forbidden(at, "Bidirectional mount propagation is available only to privileged containers")
    at = f"{path}.recursiveReadOnly"
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            yield fields.forbidden(at, "may only be specified when readOnly is true")
        if mode not in (None, "None"):
            yield fields.forbidden(at, "may only be specified when mountPropagation is None or not specified")
    elif recursive not in (None, "Disabled"):
        yield fields.not_supported(at, recursive, _RECURSIVE)


def devices(path: str, container: Obj, volumes: Mapping[str, Any]) -> Iterator[Cause]:
    """Field errors of a container's volumeDevices."""
    mounted = {m.get("name", ""): m.get("mountPath", "") for m in container.get("volumeMounts") or ()}
    names, paths = set[str](), set[str]()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        at, name, target = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        source = volumes.get(name)
        if not name:
            yield fields.required(f"{at}.name")
        if name in names:
            yield fields.invalid(f"{at}.name", name, "must be unique")
        if source is None:
            yield fields.not_found(f"{at}.name", name)
        elif source.get("persistentVolumeClaim") is None and source.get("ephemeral") is None:
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield fields.invalid(f"{at}.name", name, why)
        if not target:
            yield fields.required(f"{at}.devicePath")
        if target in paths:
            yield fields.invalid(f"{at}.devicePath", target, "must be unique")
        if ".." in target.split("/"):
            yield fields.invalid(f"{at}.devicePath", target, "can not contain backsteps ('..')")
        else:
            paths.add(target)
        if name in mounted:
            yield fields.invalid(f"{at}.name", name, "must not already exist in volumeMounts")
        if target in mounted.values():
            yield fields.invalid(f"{at}.devicePath", target, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)
