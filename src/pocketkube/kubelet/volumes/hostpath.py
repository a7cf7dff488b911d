"""hostPath: a file or folder of the node, which here is a folder of the cluster's state: a node has a disk of its own.

Models pkg/volume/hostpath with the checks of its types. A node has no sockets and no
devices, so checks for those fail, as upstream's do where there are none.
"""

from __future__ import annotations

from typing import Final

from pocketkube.kubelet.filesystem import BLOCK_DEVICE, DEVICE, DIRECTORY, FILE, FileSystem
from pocketkube.kubelet.volumes.base import MountError, Volume
from pocketkube.kubelet.volumes.persistentvolumeclaim import check

_WANTED: Final = {
    "Directory": (DIRECTORY, "a directory"),
    "File": (FILE, "a file"),
    "Socket": ("socket", "a socket file"),
    "CharDevice": (DEVICE, "a character device"),
    "BlockDevice": (BLOCK_DEVICE, "a block device"),
}
"""Of each type, the kind of file and how it is called."""


class VOLUME(Volume):
    type = "hostPath"

    def set_up(self) -> None:
        if self.context.persistent is not None:
            check(self, takes_options=False)
        if self.context.mapped:
            text = "hostPath volumes cannot be used as devices"
            raise MountError(text, "MapVolume.FindMapperPluginBySpec failed", "FailedMapVolume")
        self.read_only = self.context.read_only
        tree = self.context.disk()
        disk = FileSystem(tree, now=self.context.clock.time)
        path, kind = self.source["path"], self.source.get("type") or ""
        try:
            self._make(disk, path, kind)
            if kind.removesuffix("OrCreate") in _WANTED:
                wanted, what = _WANTED[kind.removesuffix("OrCreate")]
                if not disk.exists(path) or disk.stat(path).kind != wanted:
                    raise MountError(f"hostPath type check failed: {path} is not {what}")
            if disk.stat(path).kind not in (DIRECTORY, FILE):
                raise MountError(f"hostPath {path} is neither a file nor a directory")
            self._root = disk.node(path)
        except OSError as error:
            doing = {"FileOrCreate": "open", "": "mkdir", "DirectoryOrCreate": "mkdir"}.get(kind, "stat")
            raise MountError(f"{doing} {path}: {(error.strerror or str(error)).lower()}") from None
        self._tree = tree

    def _make(self, disk: FileSystem, path: str, kind: str) -> None:
        if kind in ("", "DirectoryOrCreate") and not disk.exists(path):
            disk.mkdir(path, parents=True)  # the runtime makes what is missing, a folder, when no type is asked for
        elif kind == "FileOrCreate" and not disk.exists(path):
            disk.write_bytes(path, b"")


PERSISTENT = VOLUME
