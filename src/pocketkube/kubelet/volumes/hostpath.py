"""hostPath: a file or folder of the node, which here is a folder of the cluster's state: a node has a disk of its own.

Models pkg/volume/hostpath with the checks of its types. Left out: Socket, CharDevice and BlockDevice (never there).
"""

from __future__ import annotations

from typing import Any

from pocketkube.kubelet.filesystem import DIRECTORY, FILE, FileSystem, Tree
from pocketkube.kubelet.volumes.base import MountError, Volume
from pocketkube.kubelet.volumes.persistentvolumeclaim import check


class VOLUME(Volume):
    type = "hostPath"
    _tree: Tree | None = None
    _root: Any = None

    @property
    def tree(self) -> Tree:
        assert self._tree is not None, "set_up comes first"
        return self._tree

    @property
    def root(self) -> Any:
        return self._root

    def set_up(self) -> None:
        if self.context.persistent is not None:
            check(self)
        if self.context.mapped:
            text = "hostPath volumes cannot be used as devices"
            raise MountError(text, "MapVolume.FindMapperPluginBySpec failed", "FailedMapVolume")
        self.read_only = self.context.read_only
        tree = self.context.disk()
        disk = FileSystem(tree, now=self.context.clock.time)
        path, kind = self.source["path"], self.source.get("type") or ""
        try:
            self._check(disk, path, kind)
            self._root = disk.node(path)
        except OSError as error:
            raise MountError(f"{error.strerror or error}: {path}".lower()) from None
        self._tree = tree

    def _check(self, disk: FileSystem, path: str, kind: str) -> None:
        if kind in ("", "DirectoryOrCreate") and not disk.exists(path):
            disk.mkdir(path, parents=True)  # the runtime makes what is missing, a folder, when no type is asked for
        elif kind == "FileOrCreate" and not disk.exists(path):
            disk.write_bytes(path, b"")
        if kind in ("Directory", "DirectoryOrCreate") and not disk.is_dir(path):
            raise MountError(f"hostPath type check failed: {path} is not a directory")
        if kind in ("File", "FileOrCreate") and not disk.is_file(path):
            raise MountError(f"hostPath type check failed: {path} is not a file")
        what = {"Socket": "a socket file", "CharDevice": "a character device", "BlockDevice": "a block device"}.get(
            kind
        )
        if what:
            raise MountError(f"hostPath type check failed: {path} is not {what}")
        if disk.stat(path).kind not in (DIRECTORY, FILE):
            raise MountError(f"hostPath {path} is neither a file nor a directory")


PERSISTENT = VOLUME
