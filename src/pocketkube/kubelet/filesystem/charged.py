"""A tmpfs whose bytes are memory of the container that wrote them: an emptyDir with `medium: Memory`.

Models the memory controller of cgroup v2: who first touches a page pays for it until it goes, whoever removes it. What
a container that has ended left behind nobody's limit counts (the kernel counts it for the pod).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.memory import Bytes, Inode, MemoryTree

if TYPE_CHECKING:
    from pocketkube.kubelet.cgroup import Cgroup
    from pocketkube.kubelet.filesystem.walk import Seer


class ChargedTree(MemoryTree):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._charged: dict[Cgroup, int] = {}

    def open(self, node: Inode, seer: Seer) -> Bytes:
        return Bytes(self if seer.namespace is None else _Bill(self, seer.namespace.cgroup), node)

    def grow(self, by: int) -> None:
        super().grow(by)
        for cgroup, size in tuple(self._charged.items()) if by < 0 else ():
            less = min(size, -by)
            cgroup.grow(-less)
            by += less
            self._charged[cgroup] -= less
            if not self._charged[cgroup]:
                del self._charged[cgroup]
            if not by:
                return

    def charge(self, cgroup: Cgroup, size: int) -> None:
        """So many of its bytes are this container's. Raises Killed."""
        cgroup.grow(size)
        self._charged[cgroup] = self._charged.get(cgroup, 0) + size


class _Bill:
    """The tree as one container writes to it."""

    def __init__(self, tree: ChargedTree, cgroup: Cgroup) -> None:
        self._tree = tree
        self._cgroup = cgroup
        self.now: Callable[[], float] = tree.now

    def grow(self, by: int) -> None:
        self._tree.grow(by)
        if by > 0:
            try:
                self._tree.charge(self._cgroup, by)
            except BaseException:
                MemoryTree.grow(self._tree, -by)
                raise
