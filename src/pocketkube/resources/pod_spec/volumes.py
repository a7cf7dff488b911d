"""A pod's volumes, and how containers mount them.

Models ValidateVolumes, ValidateVolumeMounts and ValidateVolumeDevices (pkg/apis/core/validation). Left out: the
inside of volume types that no node here can mount (their presence and number is checked), and of claim templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.pod_spec.environment import field_ref, resource_ref

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
_HOST_PATH_TYPES: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_FIELDS: Final = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"
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
            found = list(_source(at, volume, is_pod=is_pod))
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


def _source(at: str, volume: Obj, *, is_pod: bool) -> Iterator[Cause]:
    first = True
    for name in _TYPES:
        source = volume.get(name)
        if source is None:
            continue
        if not first:
            yield fields.forbidden(f"{at}.{_MISSPELT.get(name, name)}", "may not specify more than 1 volume type")
            continue
        first = False
        yield from _inside(f"{at}.{name}", name, source, is_pod=is_pod)
    if first:
        yield fields.required(at, "must specify a volume type")


def _inside(at: str, name: str, source: Obj, *, is_pod: bool) -> Iterator[Cause]:
    match name:
        case "emptyDir":
            if str(source.get("sizeLimit", "")).startswith("-"):
                yield fields.forbidden(f"{at}.sizeLimit", "SizeLimit field must be a valid resource quantity")
        case "hostPath":
            if not source.get("path"):
                yield fields.required(f"{at}.path")
                return
            yield from no_backsteps(f"{at}.path", source["path"])
            if source.get("type", "") not in _HOST_PATH_TYPES:
                yield fields.not_supported(f"{at}.type", source["type"], _HOST_PATH_TYPES)
        case "secret":
            yield from _keyed(at, source, "secretName")
        case "configMap":
            yield from _keyed(at, source, "name")
        case "nfs":
            for key in ("server", "path"):
                if not source.get(key):
                    yield fields.required(f"{at}.{key}")
            if not source.get("path", "").startswith("/"):
                yield fields.invalid(f"{at}.path", source.get("path", ""), "must be an absolute path")
        case "persistentVolumeClaim":
            if not source.get("claimName"):
                yield fields.required(f"{at}.claimName")
        case "downwardAPI":
            yield from _mode(f"{at}.defaultMode", source.get("defaultMode"))
            for item in source.get("items") or ():
                yield from _downward_file(at, item)
        case "projected":
            yield from _projected(at, source)
        case "csi":
            if not source.get("driver"):
                yield fields.required(f"{at}.driver")
        case "ephemeral":
            if source.get("volumeClaimTemplate") is None:
                yield fields.required(f"{at}.volumeClaimTemplate")
        case "image":
            if is_pod and not source.get("reference"):
                yield fields.required(f"{at}.reference")


def _mode(path: str, mode: int | None) -> Iterator[Cause]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield fields.invalid(path, mode, _MODE)


def _keyed(at: str, source: Obj, name: str) -> Iterator[Cause]:
    if not source.get(name):
        yield fields.required(f"{at}.{name}")
    yield from _mode(f"{at}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items") or ()):
        yield from _item(f"{at}.items[{index}]", item)


def _item(at: str, item: Obj) -> Iterator[Cause]:
    for name in ("key", "path"):
        if not item.get(name):
            yield fields.required(f"{at}.{name}")
    yield from _inner_path(f"{at}.path", item.get("path", ""))
    yield from _mode(f"{at}.mode", item.get("mode"))


def _downward_file(at: str, item: Obj) -> Iterator[Cause]:
    if not item.get("path"):
        yield fields.required(f"{at}.path")
    yield from _inner_path(f"{at}.path", item.get("path", ""))
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        yield from field_ref(f"{at}.fieldRef", field, _FIELDS)
        if resource is not None:
            yield fields.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif resource is not None:
        yield from resource_ref(f"{at}.resourceFieldRef", resource, volume=True)
    else:
        yield fields.required(at, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(f"{at}.mode", item.get("mode"))


def _projected(path: str, projected: Obj) -> Iterator[Cause]:
    yield from _mode(f"{path}.defaultMode", projected.get("defaultMode"))
    taken: set[str] = set()

    def claim(target: str, shown: str) -> Iterator[Cause]:
        if target in taken:
            yield fields.invalid(path, shown, "conflicting duplicate paths")
        elif target:
            taken.add(target)

    for index, source in enumerate(projected.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for name in ("secret", "configMap"):
            found = source.get(name)
            if found is None:
                continue
            if not found.get("name"):
                yield fields.required(f"{at}.{name}.name")
            for position, item in enumerate(found.get("items") or ()):
                yield from _item(f"{at}.{name}.items[{position}]", item)
                yield from claim(item.get("path", ""), found.get("name", ""))
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            yield from _downward_file(f"{at}.downwardAPI", item)
            yield from claim(item.get("path", ""), item.get("path", ""))
        if source.get("serviceAccountToken") is not None:
            yield from _token(path, f"{at}.serviceAccountToken", source["serviceAccountToken"])
        if sum(value is not None for value in source.values()) > 1:
            yield fields.forbidden(at, "may not specify more than 1 volume type per source")


def _token(path: str, at: str, token: Obj) -> Iterator[Cause]:
    seconds = token.get("expirationSeconds", 0)
    if seconds < 600:
        yield fields.invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > 2**32:
        why = "may not specify a duration larger than 2^32 seconds"
        yield fields.invalid(f"{at}.expirationSeconds", seconds, why)
    if not token.get("path"):
        yield fields.required(f"{path}.path")
    else:
        yield from _inner_path(f"{path}.path", token["path"])


def no_backsteps(path: str, target: str) -> Iterator[Cause]:
    """Field error of a path with `..` in it."""
    if ".." in target.split("/"):
        yield fields.invalid(path, target, "must not contain '..'")


def _descending(path: str, target: str) -> Iterator[Cause]:
    if target.startswith("/"):
        yield fields.invalid(path, target, "must be a relative path")
    yield from no_backsteps(path, target)


def _inner_path(path: str, target: str) -> Iterator[Cause]:
    yield from _descending(path, target)
    if target.startswith("..") and not target.startswith("../"):
        yield fields.invalid(path, target, "must not start with '..'")


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
            yield from _descending(f"{path}.subPath", sub)
        if expression := mount.get("subPathExpr"):
            if sub:
                yield fields.invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
            yield from _descending(f"{path}.subPathExpr", expression)
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
