"""Volumes: classes, snapshots, growing, limits."""

from __future__ import annotations

from kindlab.api import Api, ApiError
from kindlab.kinds import SNAPSHOT_CLASS
from kindlab.needs.need import Found, Need, no, yes
from kindlab.volume_limits import limits

DRIVER, CLASS = "hostpath.csi.k8s.io", "csi-hostpath-sc"
"""The driver and its class as the labs' files name them."""
LOCAL = "rancher.io/local-path"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
BY_HAND = "kubernetes.io/no-provisioner"
FILLED = 40
"""A node that takes so many volumes is not filled in a lab."""
HOSTPATH = "kindlab addons install csi-hostpath brings the driver and its class."
LIST = "StorageClass.storage.k8s.io"


def _snapshots(api: Api, space: str) -> Found:
    """A VolumeSnapshotClass and a StorageClass of the same driver."""
    try:
        classes = api.list(SNAPSHOT_CLASS)
    except ApiError as error:
        if error.code != 404:
            raise
        return no("the API server does not know VolumeSnapshots")
    drivers = {found["driver"] for found in classes}
    able = [c["metadata"]["name"] for c in api.list(LIST) if c["provisioner"] in drivers]
    if not drivers:
        return no("it has no VolumeSnapshotClass")
    return yes(f"volumes of class {able[0]} can be") if able else no("no StorageClass is of a driver that takes them")


def _expansion(api: Api, space: str) -> Found:
    """A StorageClass of a CSI driver whose volumes may grow."""
    drivers = {found["metadata"]["name"] for found in api.list("CSIDriver")}
    growing = [c for c in api.list(LIST) if c.get("allowVolumeExpansion") and c["provisioner"] in drivers]
    if growing:
        return yes(f"those of class {growing[0]['metadata']['name']} may")
    return no("no StorageClass of a CSI driver allows it")


def _volume_limits(api: Api, space: str) -> Found:
    """A StorageClass whose driver tells in a CSINode how many volumes the node takes, few enough to fill it."""
    drivers = {found["provisioner"] for found in api.list(LIST)}
    told = {node: (driver, count) for (node, driver), count in limits(api).items() if driver in drivers and count > 0}
    for node, (driver, count) in told.items():
        if count < FILLED:
            return yes(f"node {node} takes {count} volumes of {driver}")
    if told:
        return no(f"each node takes {FILLED} or more")
    return no("no node says how many it takes")


def _default_class(api: Api, space: str) -> Found:
    """A default StorageClass with somebody behind it who makes the volumes."""
    marked = [c for c in api.list(LIST) if (c["metadata"].get("annotations") or {}).get(DEFAULT) == "true"]
    if not marked:
        return no("no StorageClass is marked as the default")
    name, by = marked[0]["metadata"]["name"], marked[0]["provisioner"]
    return (
        no(f"volumes of the default class {name} are made by hand") if by == BY_HAND else yes(f"it is {name}, by {by}")
    )


def _hostpath(api: Api, space: str) -> Found:
    """The driver runs on a node, and its class is there."""
    if not any(c["metadata"]["name"] == CLASS and c["provisioner"] == DRIVER for c in api.list(LIST)):
        return no(f"it has no StorageClass {CLASS} of that driver")
    try:
        nodes = [n["metadata"]["name"] for n in api.list("CSINode") if _registered(n)]
    except ApiError as error:
        if error.code != 403:
            raise
        return yes(f"class {CLASS} is there (you may not see on which nodes its driver runs)")
    return yes(f"it runs on {', '.join(nodes)}") if nodes else no("it runs on no node", sure=False)


def _local_path(api: Api, space: str) -> Found:
    """A class of the provisioner is there; its Deployment is nobody's to look for, it may have any name."""
    mine = [c["metadata"]["name"] for c in api.list(LIST) if c["provisioner"] == LOCAL]
    return yes(f"class {mine[0]} is of it") if mine else no("no StorageClass is of it")


def _registered(node: dict[str, object]) -> bool:
    spec = node["spec"]
    assert isinstance(spec, dict)
    return any(driver["name"] == DRIVER for driver in spec.get("drivers") or ())


WORDS = (
    Need(
        "default-class",
        "a default StorageClass whose volumes are made when they are asked for",
        _default_class,
        "kind and most clouds have one; kubectl annotate storageclass NAME "
        f"{DEFAULT}=true makes one of yours the default.",
    ),
    Need(
        "local-path",
        f"provisioner {LOCAL}, which the labs' files name",
        _local_path,
        "kind and k3s bring it. Elsewhere: https://github.com/rancher/local-path-provisioner",
    ),
    Need("hostpath", f"CSI driver {DRIVER}, whose class {CLASS} the labs' files name", _hostpath, HOSTPATH),
    Need(
        "snapshots",
        "volumes that can be snapshotted",
        _snapshots,
        "kindlab addons install snapshotter csi-hostpath brings snapshots, and a driver that takes them.",
    ),
    Need("expansion", "volumes that may grow", _expansion, HOSTPATH),
    Need("volume-limits", "nodes that take so many volumes of a class and no more", _volume_limits, HOSTPATH),
)
