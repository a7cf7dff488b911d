"""Names: of objects, and where other objects name them; classes, too, are named."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, Path, dropping, setting, walked
from kindlab.mutate.world import World

REFERENCES = {
    "configMap": ("name", "ConfigMap"),
    "configMapRef": ("name", "ConfigMap"),
    "configMapKeyRef": ("name", "ConfigMap"),
    "secret": ("secretName", "Secret"),
    "secretRef": ("name", "Secret"),
    "secretKeyRef": ("name", "Secret"),
    "persistentVolumeClaim": ("claimName", "PersistentVolumeClaim"),
    "service": ("name", "Service"),
    "scaleTargetRef": ("name", "Deployment"),
    "dataSource": ("name", "VolumeSnapshot"),
    "source": ("persistentVolumeClaimName", "PersistentVolumeClaim"),
}
"""Where an object is named -> the key that does it, and the kind that is meant."""
PLAIN = {
    "serviceName": "Service",
    "volumeName": "PersistentVolume",
    "secretName": "Secret",
    "serviceAccountName": "ServiceAccount",
    "priorityClassName": "PriorityClass",
}
CLASSES = (
    "ingressClassName",
    "storageClassName",
    "gatewayClassName",
    "volumeSnapshotClassName",
    "volumeAttributesClassName",
)


def renamed(obj: Obj, world: World) -> Iterator[Edit]:
    yield from setting(obj, ("metadata", "name"), f"{obj['metadata']['name']}-x")


def references(obj: Obj, world: World) -> Iterator[Edit]:
    """Misspelt, and another object of the kind that is there."""
    for path, kind, now in _named(obj):
        for wrong in (f"{now}-x", *[one for one in world.names(kind) if one != now][:2]):
            yield from setting(obj, path, wrong)


def _named(obj: Obj) -> Iterator[tuple[Path, str, str]]:
    for path, at in walked(obj):
        last = path[-1] if path else ""
        if isinstance(at, dict) and last in REFERENCES:
            key, kind = REFERENCES[str(last)]
            if isinstance(at.get(key), str):
                yield (*path, key), at.get("kind", kind), at[key]
        elif isinstance(at, str) and last in PLAIN and path[-2:-1] != ("secret",):
            yield path, PLAIN[str(last)], at
        elif isinstance(at, str) and last == "name" and len(path) > 2 and path[-3] in ("backendRefs", "parentRefs"):
            yield path, "Service" if path[-3] == "backendRefs" else "Gateway", at


def classes(obj: Obj, world: World) -> Iterator[Edit]:
    for path, at in walked(obj):
        if path and path[-1] in CLASSES:
            yield from setting(obj, path, f"{at}-x" if at else "standard")
            yield from dropping(obj, path)


OPERATORS = {"name": renamed, "reference": references, "class": classes}
