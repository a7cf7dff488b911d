"""The kinds of storage that a pod's volume or a PersistentVolume can name, and what each of them asks for.

Models the validate*VolumeSource and validate*PersistentVolumeSource functions of pkg/apis/core/validation, and the
defaults of pkg/apis/core/v1, for the types that both know and for those of PersistentVolumes. What only pods have
(emptyDir, projected, ...) is in pod_spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

HOST_PATH_TYPES: Final = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_REQUIRED: Final = {
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "glusterfs": ("endpoints", "path"),
    "nfs": ("server", "path"),
    "rbd": ("monitors", "image"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "azureDisk": ("diskName", "diskURI"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "scaleIO": ("gateway", "system", "volumeName"),
}
_DEFAULTS: Final[dict[str, Obj]] = {
    "hostPath": {"type": ""},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "iscsi": {"iscsiInterface": "default"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_KEEPS_EMPTY: Final = ("azureDisk", "hostPath")
"""The types where an empty text is something else than none."""
_SHOWN: Final = {"gcePersistentDisk": "persistentDisk"}
"""What error texts call a type, where that is not its field's name."""
_QUALIFIED_NAMES: Final = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)\Z"),
    "eui": re.compile(r"\Aeui.[A-Za-z0-9]{16}\Z"),
    "naa": re.compile(r"\Anaa.[A-Za-z0-9]{32}\Z"),
}
_CACHING: Final = ("None", "ReadOnly", "ReadWrite")
_DISK_KINDS: Final = ("Dedicated", "Managed", "Shared")
_MANAGED_DISK: Final = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK: Final = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_HOST_PORTS: Final = "must be a host:port pair or multiple pairs separated by commas"
_TOO_LONG: Final = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)


def default(holder: Obj) -> None:
    """Fill in, in place, the sources that a pod's volume or the spec of a PersistentVolume holds."""
    for type_, filled in _DEFAULTS.items():
        source = holder.get(type_)
        if source is None:
            continue
        for name, value in filled.items():
            if source.get(name) is None or (source[name] == "" and type_ not in _KEEPS_EMPTY):
                source[name] = value


def validate(path: str, type_: str, source: Obj, *, volume: str | None = None) -> Iterator[Cause]:
    """Field errors of a source of the type, of the volume or claim at `path`.

    `volume`: the name of the PersistentVolume it is the source of; None for a pod's volume.
    """
    at = f"{path}.{_SHOWN.get(type_, type_)}"
    persistent = volume is not None
    for name in _REQUIRED.get(type_, ()):
        if not source.get(name):
            yield fields.required(f"{at}.{name}")
    match type_:
        case "hostPath":
            yield from _host_path(at, source)
        case "local":
            yield from _path(f"{at}.path", source.get("path", ""))
        case "nfs":
            if not source.get("path", "").startswith("/"):
                yield fields.invalid(f"{at}.path", source.get("path", ""), "must be an absolute path")
        case "gcePersistentDisk" | "awsElasticBlockStore":
            if not 0 <= source.get("partition", 0) <= 255:
                yield fields.invalid(f"{at}.partition", source["partition"], formats.range_text(1, 255))
        case "csi" if persistent:
            yield from _csi(at, source)
        case "csi":
            yield from _inline_csi(at, source)
        case "iscsi":
            yield from _iscsi(at, source, volume)
        case "fc":
            yield from _fibre_channel(at, source)
        case "glusterfs" if persistent and source.get("endpointsNamespace") is not None:
            yield from _endpoints_namespace(f"{at}.endpointsNamespace", source["endpointsNamespace"])
        case "quobyte":
            yield from _quobyte(at, source)
        case "flocker":
            yield from _flocker(at, source)
        case "flexVolume":
            yield from _options(f"{at}.options", source.get("options") or {})
        case "cinder":
            yield from _secret(f"{at}.secretRef", source.get("secretRef"), persistent=persistent)
        case "azureFile" if persistent and source.get("secretNamespace") == "":
            yield fields.required(f"{at}.secretNamespace")
        case "azureDisk":
            yield from _azure_disk(at, source)
        case "storageos":
            yield from _storageos(at, source, persistent=persistent)


def no_backsteps(path: str, target: str) -> Iterator[Cause]:
    """Field error of a path with `..` in it."""
    if ".." in target.split("/"):
        yield fields.invalid(path, target, "must not contain '..'")


def csi_driver_name(path: str, name: str) -> Iterator[Cause]:
    """Field errors of a CSI driver's name."""
    if not name:
        yield fields.required(path)
        return
    if len(name.encode()) > 63:
        yield fields.too_long(path, 63)
    for problem in formats.dns1123_subdomain(name.lower()):
        yield fields.invalid(path, name, problem)


def _path(path: str, target: str) -> Iterator[Cause]:
    if not target:
        yield fields.required(path)
    else:
        yield from no_backsteps(path, target)


def _host_path(at: str, source: Obj) -> Iterator[Cause]:
    yield from _path(f"{at}.path", source.get("path", ""))
    if source.get("path") and source.get("type", "") not in HOST_PATH_TYPES:
        yield fields.not_supported(f"{at}.type", source["type"], HOST_PATH_TYPES)


def _csi(at: str, source: Obj) -> Iterator[Cause]:
    yield from csi_driver_name(f"{at}.driver", source.get("driver", ""))
    if not source.get("volumeHandle"):
        yield fields.required(f"{at}.volumeHandle")
    for name in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):  # nodeStage is not looked at
        reference = source.get(f"{name}SecretRef")
        if reference is None:
            continue
        for field, rule in (("name", formats.dns1123_subdomain), ("namespace", formats.dns1123_label)):
            value = reference.get(field, "")
            if not value:
                yield fields.required(f"{at}.{name}SecretRef.{field}")
            for problem in rule(value) if value else ():
                yield fields.invalid(f"{at}.{name}SecretRef.{field}", value, problem)


def _inline_csi(at: str, source: Obj) -> Iterator[Cause]:
    yield from csi_driver_name(f"{at}.driver", source.get("driver", ""))
    reference = source.get("nodePublishSecretRef")
    if reference is None:
        return
    name = reference.get("name", "")
    if not name:
        yield fields.required(f"{at}.nodePublishSecretRef.name")
    for problem in formats.dns1123_subdomain(name) if name else ():
        yield fields.invalid(f"{at}.name", name, problem)


def _iscsi(at: str, source: Obj, volume: str | None) -> Iterator[Cause]:
    portal, name, lun = source.get("targetPortal", ""), source.get("iqn", ""), source.get("lun", 0)
    initiator, secret = source.get("initiatorName"), source.get("secretRef")
    prefix_wrong = "must be valid format" + ("" if volume is not None else " starting with iqn, eui, or naa")
    if not portal:
        yield fields.required(f"{at}.targetPortal")
    if volume is not None and initiator is not None and len(f"{volume}:{portal}".encode()) > 64:
        yield fields.invalid(f"{at}.targetportal", portal, _TOO_LONG)
    if not name:
        yield fields.required(f"{at}.iqn")
    else:
        yield from _qualified(f"{at}.iqn", name, prefix_wrong)
    if not 0 <= lun <= 255:
        yield fields.invalid(f"{at}.lun", lun, formats.range_text(0, 255))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
        yield fields.required(f"{at}.secretRef")
    if volume is not None and secret is not None and not secret.get("name"):
        yield fields.required(f"{at}.secretRef.name")
    if initiator is not None:
        yield from _qualified(f"{at}.initiatorname", initiator, prefix_wrong)


def too_long_for_iscsi(path: str, name: str, source: Obj) -> Iterator[Cause]:
    """Field error of a pod's volume at `path` whose name does not fit beside its portal."""
    portal = source.get("targetPortal", "")
    if source.get("initiatorName") is not None and len(f"{name}:{portal}".encode()) > 64:
        yield fields.invalid(f"{path}.name", name, _TOO_LONG)


def _qualified(path: str, name: str, prefix_wrong: str) -> Iterator[Cause]:
    rule = _QUALIFIED_NAMES.get(name[:3])
    if rule is None:
        yield fields.invalid(path, name, prefix_wrong)
    elif not rule.search(name):
        yield fields.invalid(path, name, "must be valid format")


def _fibre_channel(at: str, source: Obj) -> Iterator[Cause]:
    targets, lun = source.get("targetWWNs") or [], source.get("lun", -1)
    both = "targetWWNs and wwids can not be specified simultaneously"
    if not targets and not source.get("wwids"):
        yield fields.required(f"{at}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if targets and source.get("wwids"):
        yield fields.invalid(f"{at}.targetWWNs", targets, both)
    if targets and "lun" not in source:
        yield fields.required(f"{at}.lun", "lun is required if targetWWNs is specified")
    elif targets and not 0 <= lun <= 255:
        yield fields.invalid(f"{at}.lun", lun, formats.range_text(0, 255))


def _endpoints_namespace(path: str, namespace: str) -> Iterator[Cause]:
    if not namespace:
        why = "if the endpointnamespace is set, it must be a valid namespace name"
        yield fields.invalid(path, namespace, why)
    for problem in formats.dns1123_label(namespace) if namespace else ():
        yield fields.invalid(path, namespace, problem)


def _quobyte(at: str, source: Obj) -> Iterator[Cause]:
    registry = source.get("registry", "")
    if not registry:
        yield fields.required(f"{at}.registry", _HOST_PORTS)
    elif len(source.get("tenant", "").encode()) >= 65:
        yield fields.required(f"{at}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair):
                yield fields.invalid(f"{at}.registry", registry, _HOST_PORTS)
    if not source.get("volume"):
        yield fields.required(f"{at}.volume")


def _flocker(at: str, source: Obj) -> Iterator[Cause]:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uuid:
        yield fields.required(at, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield fields.invalid(at, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield fields.invalid(f"{at}.datasetName", name, "must not contain '/'")


def _options(path: str, options: Obj) -> Iterator[Cause]:
    for key in sorted(options):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield fields.invalid(f"{path}[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _secret(path: str, reference: Obj | None, *, persistent: bool) -> Iterator[Cause]:
    if reference is None:
        return
    for name in ("name", "namespace") if persistent else ("name",):
        if not reference.get(name):
            yield fields.required(f"{path}.{name}")


def _azure_disk(at: str, source: Obj) -> Iterator[Cause]:
    caching, kind, uri = (source.get(name) for name in ("cachingMode", "kind", "diskURI"))
    if caching is not None and caching not in _CACHING:
        yield fields.not_supported(f"{at}.cachingMode", caching, _CACHING)
    if kind is not None and kind not in _DISK_KINDS:
        yield fields.not_supported(f"{at}.kind", kind, _DISK_KINDS)
    managed = kind == "Managed"
    if kind is not None and not (uri or "").startswith("/subscriptions/" if managed else "https://"):
        yield fields.not_supported(f"{at}.diskURI", uri or "", [_MANAGED_DISK if managed else _BLOB_DISK])


def _storageos(at: str, source: Obj, *, persistent: bool) -> Iterator[Cause]:
    if not source.get("volumeName"):
        yield fields.required(f"{at}.volumeName")
    for name in ("volumeName", "volumeNamespace"):
        for problem in formats.dns1123_label(source[name]) if source.get(name) else ():
            yield fields.invalid(f"{at}.{name}", source[name], problem)
    yield from _secret(f"{at}.secretRef", source.get("secretRef"), persistent=persistent)
