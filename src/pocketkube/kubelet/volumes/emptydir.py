"""emptyDir: a folder that lives as long as its pod; on the node's disk, or in memory with `medium: Memory`.

Left out: eviction of pods that outgrow sizeLimit on disk (in memory sizeLimit is the size, as with tmpfs).
"""

from __future__ import annotations

from pocketkube import quantity
from pocketkube.kubelet.filesystem import HostTree, MemoryTree, Tree
from pocketkube.kubelet.filesystem.host import remove_folder
from pocketkube.kubelet.volumes.base import MountError, Volume

_MEMORY_DEFAULT = 64 * 2**20


class VOLUME(Volume):
    type = "emptyDir"
    _tree: Tree | None = None

    @property
    def tree(self) -> Tree:
        assert self._tree is not None, "set_up comes first"
        return self._tree

    def set_up(self) -> None:
        context, limit = self.context, self.source.get("sizeLimit")
        medium = self.source.get("medium") or ""
        if medium == "Memory":
            capacity = quantity.value(limit) if limit and quantity.value(limit) else _MEMORY_DEFAULT
            self._tree = MemoryTree(now=context.clock.time, mode=0o777, capacity=capacity)
        elif medium:
            raise MountError(f'unknown storage medium "{medium}"')
        else:
            context.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._tree = context.host_trees.setdefault(context.folder, HostTree(context.folder))
        mode = 0o777 if context.fs_group is None else 0o2777
        self._tree.change(self._tree.root, mode=mode, gid=context.fs_group)

    def tear_down(self) -> None:
        self.context.host_trees.pop(self.context.folder, None)
        remove_folder(self.context.folder)
