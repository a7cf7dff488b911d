"""The CSINode object: which CSI drivers run on a kubelet's node, and how many volumes each takes there.

Models pkg/volume/csi/nodeinfomanager: the CSINode, and what the registration of a driver writes to the Node: its id for
the driver, and the labels of its topology. Drivers that others wrote into the CSINode are left alone. Left out: drivers
that come and go while the kubelet runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj

NODE_ID: Final = "csi.volume.kubernetes.io/nodeid"
_MIGRATED: Final = "storage.alpha.kubernetes.io/migrated-plugins"
_PLUGINS: Final = (
    "aws-ebs",
    "azure-disk",
    "azure-file",
    "cinder",
    "gce-pd",
    "portworx-volume",
    "vsphere-volume",
)
"""In-tree plugins of old, which have CSI drivers in their place."""


class Info(Protocol):
    """What a driver answers to NodeGetInfo."""

    @property
    def id(self) -> str: ...

    @property
    def max_volumes(self) -> int:
        """0: no limit."""

    @property
    def topology(self) -> Mapping[str, str]: ...


def register(client: Client, node: Obj, drivers: Mapping[str, Any]) -> None:
    """Write the CSINode of a Node with the CSI drivers that run there, by name; each has `node_info(node name)`.

    A driver that was registered here before and runs no more is removed.
    """
    name = objects.name(node)
    infos: dict[str, Info] = {driver: drivers[driver].node_info(name) for driver in sorted(drivers)}
    gone = set(_node_ids(node)) - set(infos)
    client.patch("nodes", ("", name), lambda copy: _label(copy, infos))
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": objects.uid(node)}
    found = client.find("csinodes", "", name)
    if found is not None and owner not in (found["metadata"].get("ownerReferences") or ()):
        client.delete("csinodes", ("", name))  # of a Node that was deleted
        found = None
    if found is None:
        fresh: Obj = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {"name": name, "ownerReferences": [owner]},
            "spec": {"drivers": []},
        }
        _install(fresh, infos, gone)
        client.create("csinodes", fresh)
        return
    wanted = objects.copy(found)
    _install(wanted, infos, gone)
    if wanted != found:
        client.update("csinodes", wanted)


def _label(node: Obj, infos: Mapping[str, Info]) -> None:
    """What of the drivers stands on the Node."""
    meta = objects.meta(node)
    ids = {driver: info.id for driver, info in infos.items()}
    annotations = {key: value for key, value in objects.annotations(node).items() if key != NODE_ID}
    if ids:
        annotations[NODE_ID] = json.dumps(ids, separators=(",", ":"))
    meta["annotations"] = annotations
    topology = {key: value for info in infos.values() for key, value in info.topology.items()}
    meta["labels"] = {**objects.labels(node), **topology}


def _install(csi_node: Obj, infos: Mapping[str, Info], gone: set[str]) -> None:
    annotations = objects.meta(csi_node).setdefault("annotations", {})
    annotations[_MIGRATED] = ",".join(f"kubernetes.io/{plugin}" for plugin in _PLUGINS)
    before = {driver["name"]: driver for driver in objects.spec(csi_node).get("drivers") or ()}
    kept = [driver for name, driver in before.items() if name not in infos and name not in gone]
    csi_node["spec"]["drivers"] = [*kept, *(_driver(name, info) for name, info in infos.items())]


def _driver(name: str, info: Info) -> Obj:
    driver: Obj = {"name": name, "nodeID": info.id, "topologyKeys": sorted(info.topology)}
    if info.max_volumes > 0:
        driver["allocatable"] = {"count": info.max_volumes}
    return driver


def _node_ids(node: Obj) -> Mapping[str, str]:
    """What the Node says of its drivers; nonsense that somebody wrote there is nothing."""
    try:
        ids = json.loads(objects.annotations(node).get(NODE_ID, "{}"))
    except ValueError:
        return {}
    return ids if isinstance(ids, dict) else {}
