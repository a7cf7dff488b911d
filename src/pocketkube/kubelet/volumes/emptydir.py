"""emptyDir: a folder that lives as long as its pod; on the node's disk, or in memory with `medium: Memory`.

On disk a pod that outgrows sizeLimit is evicted (pkg/kubelet/eviction), right after the write that crosses it; in
memory sizeLimit is the size, as with tmpfs. Left out: huge pages.
"""

from __future__ import annotations

from pocketkube import quantity
from pocketkube.kubelet.filesystem import HostTree
from pocketkube.kubelet.filesystem.charged import ChargedTree
from pocketkube.kubelet.filesystem.folders import Meter
from pocketkube.kubelet.volumes.base import MountError, Volume

_MEMORY_DEFAULT = 64 * 2**20


class VOLUME(Volume):
    type = "emptyDir"

    def set_up(self) -> None:
        context, limit = self.context, self.source.get("sizeLimit")
        medium = self.source.get("medium") or ""
        if medium == "Memory":
            capacity = quantity.value(limit) if limit and quantity.value(limit) else _MEMORY_DEFAULT
            self._tree = ChargedTree(now=context.clock.time, mode=0o1777, capacity=capacity)
            self.mount_options = f"size={capacity // 1024}k"
        elif medium:
            raise MountError(f'unknown storage medium "{medium}"')
        else:
            fresh = not context.folder.exists()
            context.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._tree = tree = HostTree.of(context.folder)
            if limit and quantity.value(limit) > 0:
                tree.meter = Meter(tree, quantity.value(limit), context.wake)
            if fresh:  # else it is the pod's since before the node was started again
                self.tree.change(self.root, mode=0o777)
        self.give_to_group()

    @property
    def excess(self) -> str:
        meter = self._tree.meter if isinstance(self._tree, HostTree) else None
        if meter is None or not meter.suspicious:
            return ""
        if not meter.look():
            self.context.wake()
            return ""
        if not meter.suspicious:
            return ""
        return f'Usage of EmptyDir volume "{self.name}" exceeds the limit "{self.source["sizeLimit"]}". '

    def tear_down(self) -> None:
        HostTree.forget(self.context.folder)  # it is deleted with the pod's
