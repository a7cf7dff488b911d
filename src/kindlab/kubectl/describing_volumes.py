"""The text of `kubectl describe` for the volumes of Pods. Lines with tabs, as `printers.tabbed` lays them out.
Left out: the words for types that no node of ours mounts; their fields stand there as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kindlab.api import Obj
from kindlab.kubectl import describing_storage
from kindlab.kubectl.describing_fields import fields


def volumes(found: Iterable[Obj]) -> Iterator[str]:
    """The section on the volumes of a Pod."""
    found = list(found)
    yield "Volumes:" if found else "Volumes:\t<none>"
    for volume in found:
        yield f"  {volume['name']}:"
        yield from (f"    {line}" for line in _source(volume))


def _source(volume: Obj) -> Iterator[str]:
    known = {
        "emptyDir": _empty_dir,
        "secret": _secret,
        "configMap": _config_map,
        "persistentVolumeClaim": _claim,
        "ephemeral": _ephemeral,
        "downwardAPI": _downward,
        "projected": _projected,
        "csi": _csi,
        "image": _image,
    }
    for name, describe in known.items():
        if volume.get(name) is not None:
            yield from describe(volume[name])
            return
    if any(volume.get(name) is not None for name in ("hostPath", "nfs")):
        yield from describing_storage.source(volume)
    else:
        yield from fields({key: value for key, value in volume.items() if key != "name"})


def _bool(value: Any) -> str:
    return str(bool(value)).lower()


def _empty_dir(source: Obj) -> Iterator[str]:
    limit = source.get("sizeLimit")
    yield "Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)"
    yield f"Medium:\t{source.get('medium', '')}"
    yield f"SizeLimit:\t{limit if limit not in (None, '0') else '<unset>'}"


def _secret(source: Obj) -> Iterator[str]:
    yield "Type:\tSecret (a volume populated by a Secret)"
    yield f"SecretName:\t{source.get('secretName', '')}"
    yield f"Optional:\t{_bool(source.get('optional'))}"


def _config_map(source: Obj) -> Iterator[str]:
    yield "Type:\tConfigMap (a volume populated by a ConfigMap)"
    yield f"Name:\t{source.get('name', '')}"
    yield f"Optional:\t{_bool(source.get('optional'))}"


def _claim(source: Obj) -> Iterator[str]:
    yield "Type:\tPersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"
    yield f"ClaimName:\t{source.get('claimName', '')}"
    yield f"ReadOnly:\t{_bool(source.get('readOnly'))}"


def _ephemeral(source: Obj) -> Iterator[str]:
    yield "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)"
    if (template := source.get("volumeClaimTemplate")) is not None:
        yield from describing_storage.template(template)


def _downward(source: Obj) -> Iterator[str]:
    yield "Type:\tDownwardAPI (a volume populated by information about the pod)"
    yield "Items:"
    for item in source.get("items") or ():
        if field := item.get("fieldRef"):
            yield f"  {field['fieldPath']} -> {item['path']}"
        if resource := item.get("resourceFieldRef"):
            yield f"  {resource['resource']} -> {item['path']}"


def _projected(source: Obj) -> Iterator[str]:
    yield "Type:\tProjected (a volume that contains injected data from multiple sources)"
    for each in source.get("sources") or ():
        if (found := each.get("secret")) is not None:
            yield f"SecretName:\t{found.get('name', '')}"
            yield f"Optional:\t{_bool(found.get('optional'))}"
        elif each.get("downwardAPI") is not None:
            yield "DownwardAPI:\ttrue"
        elif (found := each.get("configMap")) is not None:
            yield f"ConfigMapName:\t{found.get('name', '')}"
            yield f"Optional:\t{_bool(found.get('optional'))}"
        elif (found := each.get("serviceAccountToken")) is not None:
            yield f"TokenExpirationSeconds:\t{found['expirationSeconds']}"


def _csi(source: Obj) -> Iterator[str]:
    yield "Type:\tCSI (a Container Storage Interface (CSI) volume source)"
    yield f"Driver:\t{source.get('driver', '')}"
    yield f"FSType:\t{source.get('fsType', '')}"
    yield f"ReadOnly:\t{_bool(source.get('readOnly'))}"
    yield from describing_storage.attributes(source)


def _image(source: Obj) -> Iterator[str]:
    yield "Type:\tImage (a container image or OCI artifact)"
    yield f"Reference:\t{source.get('reference', '')}"
    yield f"PullPolicy:\t{source.get('pullPolicy', '')}"
