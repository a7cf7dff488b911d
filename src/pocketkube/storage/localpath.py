"""rancher.io/local-path: claims become folders on the disk of the node their Pod is scheduled to.

Models local-path-provisioner v0.0.3x with the configuration kind gives it (one path for every node, hostPath
volumes): fields, parameters, refusals and events. What its helper Pods do on the node (mkdir -m 0777, rm -rf) is done
on the node's disk here, below the configured path only and following no link. Left out: pathPattern, userPattern,
groupPattern and permPattern (refused), a file system shared by all nodes, configurations by class, helper Pods.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from contextlib import suppress
from pathlib import Path
from typing import Final

from pocketkube import objects, quantity, room
from pocketkube.client import Client
from pocketkube.descent import opened
from pocketkube.objects import Obj
from pocketkube.removal import remove
from pocketkube.storage.base import Backend
from pocketkube.storage.csisources import node_of
from pocketkube.storage.provisioning import Provisioner, ProvisioningFailed, volume_name

NAME: Final = "rancher.io/local-path"
BASE: Final = "/var/local-path-provisioner"
NODE: Final = "local.path.provisioner/selected-node"
HOSTNAME: Final = "kubernetes.io/hostname"
PATTERNS: Final = ("pathPattern", "userPattern", "groupPattern", "permPattern")


class LocalPath(Provisioner):
    name = "local-path-provisioner"
    image = "local-path-provisioner"
    provisioner = NAME
    handles_blocks = False
    first_delay, longest_delay = 15.0, 1000.0
    failure = 'failed to provision volume with StorageClass "{class_name}": {error}'

    def __init__(self, client: Client, backend: Backend) -> None:
        super().__init__(client.named(f"{NAME}_{backend.pod}_{objects.new_uid()}"), backend)

    async def provision(self, claim: Obj, storage_class: Obj, node: str) -> Obj:
        spec = objects.spec(claim)
        parameters = storage_class.get("parameters") or {}
        if spec.get("selector") is not None:
            raise ProvisioningFailed("claim.Spec.Selector is not supported")
        if any(mode not in ("ReadWriteOnce", "ReadWriteOncePod") for mode in spec.get("accessModes") or ()):
            text = "NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes"
            raise ProvisioningFailed(text)
        if not node:
            raise ProvisioningFailed("configuration error, no node was specified")
        found = self.client.find("nodes", "", node)
        if found is None:
            raise ProvisioningFailed(f'nodes "{node}" not found', reschedule=True)
        if (wanted := parameters.get("nodePath", BASE)) != BASE:
            text = f"config doesn't contain path {wanted} on node {node}"
            raise ProvisioningFailed(text)
        for pattern in PATTERNS:
            if pattern in parameters:
                raise ProvisioningFailed(f"the class's parameter {pattern} is not supported here: leave it out")
        folder = "_".join((volume_name(claim), *objects.key(claim)))
        source = _source(claim, storage_class, posixpath.join(BASE, folder))
        try:
            _make(self.backend.disk(node), folder)
        except OSError as error:
            raise ProvisioningFailed(f"failed to create volume {volume_name(claim)}: {error.strerror}") from error
        key = parameters.get("nodeAffinityKey") or HOSTNAME
        value = objects.labels(found).get(key, node)
        term = {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
        return {
            "metadata": {"name": volume_name(claim), "annotations": {NODE: node}},
            "spec": {
                "capacity": {"storage": quantity.canonical(spec["resources"]["requests"]["storage"])},
                "accessModes": list(spec.get("accessModes") or ()),
                "volumeMode": "Filesystem",
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                **source,
            },
        }

    async def remove(self, volume: Obj) -> None:
        spec = objects.spec(volume)
        sources = [spec[field]["path"] for field in ("hostPath", "local") if field in spec]
        try:
            if len(sources) != 1:
                raise ProvisioningFailed(f"failed to delete volume {objects.name(volume)}: no path set")
            node = node_of(volume)
            if not node:
                raise ProvisioningFailed(f"failed to delete volume {objects.name(volume)}: cannot find affinited node")
            if self.client.find("nodes", "", node) is None:
                return
            base, _, folder = posixpath.normpath(sources[0]).rpartition("/")
            if base != BASE:
                text = f"{sources[0]} is not below {BASE}: nothing else is deleted by {NAME}"
                raise ProvisioningFailed(f"failed to delete volume {objects.name(volume)}: {text}")
            below = (*BASE.strip("/").split("/"), folder)
            await asyncio.to_thread(remove, self.backend.disk(node), below)
        except (ProvisioningFailed, OSError) as error:
            text = str(error.strerror if isinstance(error, OSError) else error)
            raise ProvisioningFailed(f"failed to delete volume {objects.name(volume)}: {text}") from error


def _source(claim: Obj, storage_class: Obj, path: str) -> Obj:
    default = objects.annotations(storage_class).get("defaultVolumeType", "hostPath")
    kind = objects.annotations(claim).get("volumeType", default)
    if kind.lower() == "local":
        return {"local": {"path": path}}
    if kind.lower() == "hostpath":
        return {"hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    raise ProvisioningFailed(f'failed to create persistent volume source: "{kind}" is not a recognised volume type')


def _make(disk: Path, folder: str) -> None:
    names: tuple[str, ...] = ()
    disk.mkdir(parents=True, exist_ok=True)
    room.check(disk)
    for name, mode in (*((name, 0o755) for name in BASE.strip("/").split("/")), (folder, 0o777)):
        with opened(disk, names) as fd, suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=fd)
        names = (*names, name)
    with opened(disk, names) as fd:
        os.fchmod(fd, 0o777)  # whatever the umask


PROGRAM = LocalPath
