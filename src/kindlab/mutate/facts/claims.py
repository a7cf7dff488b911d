"""Claims and what is behind them: phase, size and class as the cluster has given them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from kindlab.api import ApiError, Obj
from kindlab.kinds import SNAPSHOT, SNAPSHOT_CLASS
from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import Scene

ORDER = 70
KINDS = ("hostPath", "local", "csi", "nfs")


def look(scene: Scene) -> Iterator[Fact]:
    volumes = {volume["metadata"]["name"]: volume for volume in scene.api.list("PersistentVolume")}
    for space in scene.cast.spaces.values():
        for claim in scene.api.list("PersistentVolumeClaim", space):
            yield from _claim(scene.cast.called(claim["metadata"]["name"], space), claim, volumes)
    with contextlib.suppress(ApiError):  # a cluster without snapshots
        yield from _snapshots(scene)


def _snapshots(scene: Scene) -> Iterator[Fact]:
    for space in scene.cast.spaces.values():
        for found in scene.api.list(SNAPSHOT, space):
            ready = bool((found.get("status") or {}).get("readyToUse"))
            name = scene.cast.called(found["metadata"]["name"], space)
            yield Fact(f"snapshot {name} can be used", "yes" if ready else "no")
    for found in scene.api.list(SNAPSHOT_CLASS):
        name = found["metadata"]["name"]
        yield Fact(f"class {name} is for snapshots by", found["driver"], strong=False)
        yield Fact(f"when a snapshot of class {name} goes what is stored is", found["deletionPolicy"], strong=False)


def _claim(name: str, claim: Obj, volumes: dict[str, Obj]) -> Iterator[Fact]:
    status, spec = claim.get("status") or {}, claim["spec"]
    yield Fact(f"claim {name} is", status.get("phase", "Pending"))
    volume = volumes.get(spec.get("volumeName", ""))
    if volume is None:
        return
    yield Fact(f"claim {name} has the size", (status.get("capacity") or {}).get("storage", ""), strong=False)
    yield Fact(f"claim {name} can be used", ", ".join(status.get("accessModes") or ()), strong=False)
    yield Fact(f"claim {name} is of class", str(spec.get("storageClassName")), strong=False)
    held = volume["spec"]
    yield Fact(f"when claim {name} goes its volume is", held.get("persistentVolumeReclaimPolicy", ""), strong=False)
    yield Fact(f"behind claim {name} is a", ", ".join(kind for kind in KINDS if kind in held), strong=False)
    yield Fact(f"claim {name} holds", held.get("volumeMode", "Filesystem"))


LOOK = look
