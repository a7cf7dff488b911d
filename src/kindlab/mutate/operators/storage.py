"""Volumes and claims: sizes, modes, what becomes of them, where they are mounted."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, containers, dropping, setting, template, value, walked
from kindlab.mutate.world import World
from kindlab.quantities import number

OTHER = {
    "persistentVolumeReclaimPolicy": ("Retain", "Delete"),
    "reclaimPolicy": ("Retain", "Delete"),
    "deletionPolicy": ("Retain", "Delete"),
    "volumeMode": ("Filesystem", "Block"),
    "volumeBindingMode": ("WaitForFirstConsumer", "Immediate"),
    "allowVolumeExpansion": (True, False),
}
MODES = ("ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod")


def sizes(obj: Obj, world: World) -> Iterator[Edit]:
    for path, at in walked(obj):
        if path and path[-1] in ("storage", "sizeLimit") and isinstance(at, str | int):
            bytes_now = int(number(str(at)))
            yield from setting(obj, path, f"{max(1, bytes_now // 2 >> 10)}Ki")
            yield from setting(obj, path, f"{bytes_now * 4 >> 10}Ki")
            if path[-1] == "sizeLimit":
                yield from dropping(obj, path)


def modes(obj: Obj, world: World) -> Iterator[Edit]:
    for path, at in walked(obj):
        if path and path[-1] == "accessModes":
            for one in MODES:
                if at != [one]:
                    yield from setting(obj, path, [one])


def policies(obj: Obj, world: World) -> Iterator[Edit]:
    for path, at in walked(obj):
        if path and path[-1] in OTHER:
            first, second = OTHER[str(path[-1])]
            yield from setting(obj, path, second if at == first else first)
            yield from dropping(obj, path)


def mounts(obj: Obj, world: World) -> Iterator[Edit]:
    for path, container in containers(obj):
        for n, mount in enumerate(container.get("volumeMounts") or ()):
            at = (*path, "volumeMounts", n)
            yield from setting(obj, (*at, "mountPath"), f"{mount['mountPath'].rstrip('/')}-x")
            yield from setting(obj, (*at, "readOnly"), not mount.get("readOnly", False))
            yield from dropping(obj, (*at, "subPath"))
            if "subPath" not in mount:
                yield from setting(obj, (*at, "subPath"), "x")
            pod = template(obj) or ()
            for other in value(obj, (*pod, "spec", "volumes")) or ():
                if other["name"] != mount["name"]:
                    yield from setting(obj, (*at, "name"), other["name"])


def kinds_of_volumes(obj: Obj, world: World) -> Iterator[Edit]:
    pod = template(obj)
    if pod is None:
        return
    for n, volume in enumerate(value(obj, (*pod, "spec", "volumes")) or ()):
        at = (*pod, "spec", "volumes", n)
        if "emptyDir" not in volume:
            yield from setting(obj, at, {"name": volume["name"], "emptyDir": {}}, after="an emptyDir")
        else:
            medium = (volume["emptyDir"] or {}).get("medium")
            if medium:
                yield from dropping(obj, (*at, "emptyDir", "medium"))
            else:
                yield from setting(obj, (*at, "emptyDir"), {**(volume["emptyDir"] or {}), "medium": "Memory"})


def files_of_volumes(obj: Obj, world: World) -> Iterator[Edit]:
    """Which keys of a ConfigMap or Secret become which files, and for whom."""
    pod = template(obj)
    if pod is None:
        return
    for path, at in walked(value(obj, (*pod, "spec", "volumes")) or []):
        where = (*pod, "spec", "volumes", *path)
        if (path and path[-1] == "path" and "items" in path) or (path and path[-1] == "key"):
            yield from setting(obj, where, f"{at}-x")
        elif path and path[-1] in ("mode", "defaultMode"):
            yield from setting(obj, where, 0o644 if at != 0o644 else 0o400)
            yield from dropping(obj, where)
        elif path and path[-1] == "items":
            yield from dropping(obj, where)


OPERATORS = {
    "size": sizes,
    "access-mode": modes,
    "storage-policy": policies,
    "mount": mounts,
    "volume-kind": kinds_of_volumes,
    "volume-files": files_of_volumes,
}
