"""A block device: a file of some tree shown as a device, what raw block volumes are in a container.

Models the loop devices they are on a node: a fixed size, no truncation, nothing past the end. Left out: alignment,
ioctls other than what the size tells.
"""

from __future__ import annotations

import errno
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.tree import BLOCK_DEVICE, Content, Stat, Tree, failure

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.walk import Entry, Seer

_LOOP = 7
"""The major number of loop devices."""
_minors = count()


class DeviceTree(Tree):
    """One device and no directory: `node` of `tree` is its bytes. Its mode is its own: root's, as in a fresh /dev."""

    fstype = ""

    def __init__(self, tree: Tree, node: Any, *, read_only: bool = False) -> None:
        super().__init__()
        self._tree = tree
        self._node = node
        self._read_only = read_only
        self._numbers = (_LOOP, next(_minors))
        self._owner = (0o660, 0, 6)  # root:disk

    @property
    def root(self) -> Any:
        return self._node

    def kind(self, node: Any) -> str:
        return BLOCK_DEVICE

    def stat(self, node: Any, seer: Seer) -> Stat:
        mode, uid, gid = self._owner
        found = self._tree.stat(node, seer)
        return replace(
            found, kind=BLOCK_DEVICE, mode=mode, uid=uid, gid=gid, size=0, blocks=0, nlink=1, rdev=self._numbers
        )

    def own(self, entry: Entry) -> Any:
        if self._read_only:
            raise failure(errno.EPERM)  # the cgroup of the container lets it read only
        return entry.node

    def open(self, node: Any, seer: Seer) -> Content:
        return _Blocks(self._tree.open(node, seer))

    def change(
        self,
        node: Any,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: float | None = None,
        mtime: float | None = None,
    ) -> None:
        has = self._owner
        self._owner = (has[0] if mode is None else mode, has[1] if uid is None else uid, has[2] if gid is None else gid)


class _Blocks:
    def __init__(self, content: Content) -> None:
        self._content = content

    def read_at(self, offset: int, most: int) -> bytes:
        return self._content.read_at(offset, most)

    def write_at(self, offset: int, data: bytes) -> int:
        fits = data[: max(0, self.size() - offset)]
        if data and not fits:
            raise failure(errno.ENOSPC)
        return self._content.write_at(offset, fits)

    def truncate(self, size: int) -> None:
        """Devices keep their size; opening them with O_TRUNC is fine."""

    def size(self) -> int:
        return self._content.size()

    def close(self) -> None:
        self._content.close()
