"""What claims, snapshots and clones cost: from the request to Bound or ready, as a client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import perf_counter
from typing import Any

from bench.cases import NAMESPACE, Figure, cluster, until_addons
from kindlab import workspace
from kindlab.api import Api, Obj
from kindlab.checks.host import pod_host

CLASS = "csi-hostpath-sc"
MEGABYTES = 100


def claim_bound() -> Iterator[Figure]:
    with cluster() as (status, _):
        api = status.api()
        _ready(api)
        seconds = [_until_bound(api, _claim(f"c{n}")) for n in range(21)]
        yield Figure("a claim to Bound", median(seconds) * 1000, "ms", "<= 50", 1)


def claims_bound() -> Iterator[Figure]:
    count = 500
    with cluster() as (status, _):
        api = status.api()
        _ready(api)
        began = perf_counter()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: api.create(_claim(f"c{n}"), NAMESPACE), range(count)))
        _until(api, "PersistentVolumeClaim", lambda found: sum(_is_bound(c) for c in found) == count)
        yield Figure(f"{count} claims bound", perf_counter() - began, "s", "<= 5")


def snapshot_and_clone() -> Iterator[Figure]:
    with cluster() as (status, _):
        api = status.api()
        _ready(api)
        _until_bound(api, _claim("data", "200Mi"))
        api.create(_writer("data"), NAMESPACE)
        _until(api, "Pod", lambda found: any(p["status"].get("phase") == "Running" for p in found))
        filled = pod_host(api, NAMESPACE, "writer").run(f"head -c {MEGABYTES}M /dev/urandom > /disk/bytes && sync")
        assert filled.rc == 0, filled.stderr
        snapshots, restores, clones = [], [], []
        for n in range(3):
            snapshots.append(_until_snapshot(api, f"s{n}"))
            source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": f"s{n}"}
            restores.append(_until_bound(api, _claim(f"restored{n}", "200Mi", source)))
            origin = {"kind": "PersistentVolumeClaim", "name": "data"}
            clones.append(_until_bound(api, _claim(f"cloned{n}", "200Mi", origin)))
        yield Figure(f"snapshot of {MEGABYTES} MB, to ready", median(snapshots), "s", "<= 1")
        yield Figure(f"restore of {MEGABYTES} MB, to Bound", median(restores), "s", "<= 1")
        yield Figure(f"clone of {MEGABYTES} MB, to Bound", median(clones), "s", "<= 1")


CASES: list[Callable[[], Iterator[Figure]]] = [claim_bound, claims_bound, snapshot_and_clone]


def _ready(api: Api) -> None:
    """The namespace is there, and the add-ons run."""
    workspace.make_namespace(api, NAMESPACE)
    until_addons(api)


def _claim(name: str, size: str = "1Mi", source: Obj | None = None) -> Obj:
    spec: Obj = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": CLASS,
        "resources": {"requests": {"storage": size}},
        **({"dataSource": source} if source else {}),
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def _writer(of: str) -> Obj:
    container = {
        "name": "main",
        "image": "busybox:1.36",
        "args": ["sleep", "3600"],
        "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
    }
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": of}}]
    spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": spec}


def _is_bound(claim: Obj) -> bool:
    return bool((claim.get("status") or {}).get("phase") == "Bound")


def _until_bound(api: Api, claim: Obj) -> float:
    name = claim["metadata"]["name"]
    return _made(api, claim, lambda found: any(_is_bound(c) and c["metadata"]["name"] == name for c in found))


def _until_snapshot(api: Api, name: str) -> float:
    spec = {"volumeSnapshotClassName": "csi-hostpath-snapclass", "source": {"persistentVolumeClaimName": "data"}}
    version = "snapshot.storage.k8s.io/v1"
    snapshot = {"apiVersion": version, "kind": "VolumeSnapshot", "metadata": {"name": name}, "spec": spec}

    def ready(found: Any) -> bool:
        return any((s.get("status") or {}).get("readyToUse") for s in found if s["metadata"]["name"] == name)

    return _made(api, snapshot, ready)


def _made(api: Api, obj: Obj, holds: Callable[[Any], bool]) -> float:
    """Seconds from the request until a watch that was there before tells so."""
    watch = api.follow(obj["kind"], NAMESPACE, timeout=60)
    next(watch)
    began = perf_counter()
    api.create(obj, NAMESPACE)
    for live in watch:
        if holds(live.values()):
            return perf_counter() - began
    raise TimeoutError(f"{obj['kind']} {obj['metadata']['name']} within 60 s")


def _until(api: Api, kind: str, holds: Callable[[Any], bool]) -> None:
    for live in api.follow(kind, NAMESPACE if api.namespaced(kind) else None, timeout=60):
        if holds(live.values()):
            return
    raise TimeoutError(f"{kind} within 60 s")
