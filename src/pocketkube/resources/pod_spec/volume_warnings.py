"""What pods and templates are warned about because of their volumes.

Models warningsForOverlappingVirtualPaths and the volumes' part of warningsForPodSpecAndMeta (pkg/api/pod/warnings.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pocketkube import fields
from pocketkube.objects import Obj
from pocketkube.resources.persistentvolume_spec import claims

_DEPRECATED: Final = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "ephemeral": "",  # its template is looked at here
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


class _Target(NamedTuple):
    """A path inside a volume, and what is put there."""

    path: str
    source: str

    def __str__(self) -> str:
        return f"{fields.show(self.path)} ({self.source})" if self.source else fields.show(self.path)


def of_volumes(path: str, volumes: Iterable[Obj]) -> Iterator[str]:
    """Warnings about the volumes of a pod spec, listed at `path`."""
    volumes = list(volumes)
    for index, volume in enumerate(volumes):
        for name, text in _DEPRECATED.items():
            if volume.get(name) is None:
                continue
            if name == "ephemeral":
                template = volume["ephemeral"].get("volumeClaimTemplate") or {}
                at = f"{path}[{index}].ephemeral.volumeClaimTemplate.spec"
                yield from claims.spec_warnings(at, template.get("spec") or {})
            else:
                yield f"{path}[{index}].{'storageOS' if name == 'storageos' else name}: {text}"
    for volume in volumes:
        yield from _overlapping(volume)


def _overlapping(volume: Obj) -> Iterator[str]:
    """Files and folders of one volume that are in each other's way."""
    name = fields.show(volume.get("name", ""))
    for type_, shown in (("configMap", "name"), ("secret", "secretName"), ("downwardAPI", "")):
        source = volume.get(type_) or {}
        kind = _described(type_, source.get(shown, ""))
        targets = (_Target(item.get("path", ""), "") for item in source.get("items") or ())
        for text in _collisions(targets, []):
            yield f"volume {name} ({kind}): overlapping paths: {text}"
    earlier: list[_Target] = []
    for source in (volume.get("projected") or {}).get("sources") or ():
        if not any(value is not None for value in source.values()):
            yield f"volume {name} (Projected) has no sources provided"
        for text in _collisions(_projected(source), earlier):
            yield f"volume {name} (Projected): overlapping paths: {text}"


def _described(type_: str, name: str) -> str:
    kind = {"configMap": "ConfigMap", "secret": "Secret", "downwardAPI": "DownwardAPI"}[type_]
    return kind if type_ == "downwardAPI" else f"{kind} {fields.show(name)}"


def _projected(source: Obj) -> Iterator[_Target]:
    """What one source of a projected volume puts where: the first of its types counts."""
    for type_ in ("configMap", "secret", "downwardAPI"):
        items = (source.get(type_) or {}).get("items")
        if items is not None:
            kind = _described(type_, source[type_].get("name", ""))
            yield from (_Target(item.get("path", ""), kind) for item in items)
            return
    if source.get("serviceAccountToken") is not None:
        yield _Target(source["serviceAccountToken"].get("path", ""), "ServiceAccountToken")


def _collisions(targets: Iterable[_Target], earlier: list[_Target]) -> Iterator[str]:
    """Texts about targets that are in the way of an earlier one; they are earlier ones from then on."""
    for target in targets:
        here = _Target(target.path.rstrip("/"), target.source)
        for other in earlier:
            if here.path and other.path and _nested(here.path, other.path):
                yield f"{here} with {other}"
        earlier.append(here)


def _nested(one: str, other: str) -> bool:
    """Whether they are the same, or one lies below the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
