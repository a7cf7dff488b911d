"""local: a PersistentVolume that is a folder, or a file taken as a device, of one node's disk.

Models pkg/volume/local.
"""

from __future__ import annotations

from pocketkube.kubelet.filesystem import DIRECTORY, FILE, DeviceTree, FileSystem
from pocketkube.kubelet.volumes.base import MountError, Volume
from pocketkube.kubelet.volumes.persistentvolumeclaim import check, mount_options


class PERSISTENT(Volume):
    type = "local"

    def set_up(self) -> None:
        context, path = self.context, str(self.source["path"])
        check(self)
        self.read_only = context.read_only
        self.mount_options = ",".join(mount_options(context.persistent or {}))
        disk = context.disk()
        files = FileSystem(disk, now=context.clock.time)
        step, reason = "MountVolume.NewMounter initialization failed", "FailedMount"
        if context.mapped:
            step, reason = "MapVolume.EvalHostSymlinks failed", "FailedMapVolume"
        try:
            node, kind = files.node(path), files.stat(path).kind
        except OSError:
            text = f"lstat {path}: no such file or directory" if context.mapped else f'path "{path}" does not exist'
            raise MountError(text, step, reason) from None
        if kind != (FILE if context.mapped else DIRECTORY):
            raise MountError("only directory and block device are supported", step, reason)
        if context.mapped:
            self._tree = DeviceTree(disk, node, read_only=self.read_only)
            self._root = self._tree.root
            return
        self._tree, self._root = disk, node
        if not self.read_only:
            self.give_to_group()
