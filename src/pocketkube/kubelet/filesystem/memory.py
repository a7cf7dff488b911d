"""Files in memory: a container's root (copy-on-write over its image), tmpfs, and the volumes made of API objects.

Models overlayfs and tmpfs as a container sees them. The image's nodes are marked `shared`: before the first change on
a path, the shared nodes down to it are copied, so an untouched container costs nothing and siblings never see a change.
As on overlayfs, a file opened for reading before it was first written keeps showing the image's version.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pocketkube.kubelet.filesystem.tree import (
    BLOCK,
    DIRECTORY,
    FILE,
    SYMLINK,
    Stat,
    Tree,
    Usage,
    failure,
    inode_numbers,
)

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.walk import Entry, Seer

WRITABLE_LAYER = 256 * 2**20
"""Bytes a container may write outside its volumes: memory is what it costs here."""
_PAGE = 4096


class Inode:
    """A file (bytes), directory (name -> Inode) or symbolic link (target)."""

    __slots__ = ("atime", "ctime", "data", "gid", "ino", "kind", "links", "mode", "mtime", "shared", "uid")

    def __init__(self, kind: str, data: Any, mode: int, now: float, uid: int = 0, gid: int = 0) -> None:
        self.kind = kind
        self.data = data
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.ino = next(inode_numbers)
        self.links = 1
        self.atime = self.mtime = self.ctime = now
        self.shared = False

    def copy(self) -> Inode:
        """A private twin with the same identity; a directory's children stay shared."""
        twin = Inode.__new__(Inode)
        for slot in Inode.__slots__:
            setattr(twin, slot, getattr(self, slot))
        if self.kind == DIRECTORY:
            twin.data = dict(self.data)
        twin.shared = False
        return twin

    def share(self) -> Inode:
        """Mark this node and all below it as read-only for those who build on them."""
        self.shared = True
        if self.kind == DIRECTORY:
            for child in self.data.values():
                child.share()
        return self


class Room(Protocol):
    """What the bytes of a file are part of: see MemoryTree."""

    now: Callable[[], float]

    def grow(self, by: int) -> None: ...


class Bytes:
    """The content of an in-memory file."""

    __slots__ = ("_node", "_tree")

    def __init__(self, tree: Room, node: Inode) -> None:
        self._tree = tree
        self._node = node

    def read_at(self, offset: int, most: int) -> bytes:
        return bytes(self._node.data[offset : offset + most])

    def write_at(self, offset: int, data: bytes) -> int:
        node = self._node
        end = offset + len(data)
        self._tree.grow(max(0, end - len(node.data)))
        if not isinstance(node.data, bytearray):
            node.data = bytearray(node.data)
        if offset > len(node.data):
            node.data.extend(bytes(offset - len(node.data)))
        node.data[offset:end] = data
        node.mtime = node.ctime = self._tree.now()
        return len(data)

    def truncate(self, size: int) -> None:
        node = self._node
        more = size - len(node.data)
        self._tree.grow(more)
        node.data = node.data[:size] if more <= 0 else node.data + bytes(more)
        node.mtime = node.ctime = self._tree.now()

    def size(self) -> int:
        return len(self._node.data)

    def close(self) -> None:
        pass


class MemoryTree(Tree):
    """`lower` is a shared tree to build on; `capacity` bounds the bytes written above it (None: no bound)."""

    def __init__(
        self,
        lower: Inode | None = None,
        *,
        now: Callable[[], float] = time.time,
        mode: int = 0o755,
        capacity: int | None = None,
        fstype: str = "tmpfs",
        source: str = "tmpfs",
    ) -> None:
        super().__init__()
        self.now = now
        self.capacity = capacity
        self.used = 0
        self.fstype = fstype
        self.source = source
        self._root = lower or Inode(DIRECTORY, {}, mode, now())

    @property
    def root(self) -> Inode:
        return self._root

    def grow(self, by: int) -> None:
        """Account for `by` more (or fewer) bytes. Raises OSError(ENOSPC)."""
        if by > 0 and self.capacity is not None and self.used + by > self.capacity:
            raise failure(errno.ENOSPC)
        self.used = max(0, self.used + by)

    # -- looking

    def kind(self, node: Inode) -> str:
        return node.kind

    def lookup(self, node: Inode, name: str, seer: Seer | None = None) -> Inode | None:
        found: Inode | None = node.data.get(name)
        return found

    def names(self, node: Inode, seer: Seer) -> Iterable[str]:
        return tuple(node.data)

    def stat(self, node: Inode, seer: Seer) -> Stat:
        if node.kind == DIRECTORY:
            size, links = _PAGE, 2 + sum(child.kind == DIRECTORY for child in node.data.values())
        else:
            size, links = len(node.data), node.links
        blocks = -(-size // _PAGE) * (_PAGE // BLOCK)
        return Stat(
            node.kind,
            0o777 if node.kind == SYMLINK else node.mode,
            size,
            node.mtime,
            node.atime,
            node.ctime,
            node.uid,
            node.gid,
            links,
            node.ino,
            blocks,
            self.device,
        )

    def readlink(self, node: Inode, seer: Seer) -> str:
        return str(node.data)

    def open(self, node: Inode, seer: Seer) -> Bytes:
        return Bytes(self, node)

    def usage(self) -> Usage:
        total = self.capacity if self.capacity is not None else 2**33
        free = max(0, total - self.used) // _PAGE
        return Usage(_PAGE, total // _PAGE, free, free, 2**20, 2**20)

    # -- changing

    def own(self, entry: Entry) -> Inode:
        node: Inode = entry.node
        if not node.shared:
            return node
        twin = node.copy()
        if entry.parent is not None and entry.parent.mount is entry.mount:
            self.own(entry.parent).data[entry.name] = twin
        else:
            entry.mount.root = twin
            if node is self._root:
                self._root = twin
        entry.node = twin
        return twin

    def create(self, parent: Inode, name: str, kind: str, mode: int, uid: int, gid: int, target: str = "") -> Inode:
        self.grow(0 if kind == FILE else len(target))
        data: Any = {} if kind == DIRECTORY else target if kind == SYMLINK else b""
        node = parent.data[name] = Inode(kind, data, mode, self.now(), uid, gid)
        self._touched(parent)
        return node

    def remove(self, parent: Inode, name: str) -> None:
        self._unlinked(parent.data.pop(name))
        self._touched(parent)

    def rename(self, old_parent: Inode, old_name: str, new_parent: Inode, new_name: str) -> None:
        node = old_parent.data.pop(old_name)
        replaced = new_parent.data.get(new_name)
        if replaced is not None:
            self._unlinked(replaced)
        new_parent.data[new_name] = node
        self._touched(old_parent)
        self._touched(new_parent)

    def link(self, node: Inode, parent: Inode, name: str) -> None:
        node.links += 1
        node.ctime = self.now()
        parent.data[name] = node
        self._touched(parent)

    def change(
        self,
        node: Inode,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: float | None = None,
        mtime: float | None = None,
    ) -> None:
        for slot, value in (("mode", mode), ("uid", uid), ("gid", gid), ("atime", atime), ("mtime", mtime)):
            if value is not None:
                setattr(node, slot, value)
        node.ctime = self.now()

    def _touched(self, node: Inode) -> None:
        node.mtime = node.ctime = self.now()

    def _unlinked(self, node: Inode) -> None:
        if node.shared:
            return
        node.links -= 1
        if node.links <= 0 and node.kind != DIRECTORY:
            self.grow(-len(node.data))

    # -- building, for the kubelet's own use: no permissions, no copy-on-write

    def put(self, path: str, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Inode:
        """Write a file at a path of plain names below the root, making parents."""
        *parents, name = path.strip("/").split("/")
        node = self.folder("/".join(parents))
        made = node.data[name] = Inode(FILE, content, mode, self.now(), uid, gid)
        return made

    def folder(self, path: str, mode: int = 0o755) -> Inode:
        """The directory at a path of plain names below the root, made when missing."""
        node = self._root
        for name in path.strip("/").split("/") if path.strip("/") else ():
            found = node.data.get(name)
            if found is None:
                found = node.data[name] = Inode(DIRECTORY, {}, mode, self.now())
            node = found
        return node

    def symlink(self, path: str, target: str) -> None:
        *parents, name = path.strip("/").split("/")
        self.folder("/".join(parents)).data[name] = Inode(SYMLINK, target, 0o777, self.now())

    def hard_link(self, path: str, target: str) -> None:
        *parents, name = path.strip("/").split("/")
        *where, old = target.strip("/").split("/")
        self.link(self.folder("/".join(where)).data[old], self.folder("/".join(parents)), name)


def tree_of(files: Mapping[str, bytes], *, mode: int = 0o644, now: Callable[[], float] = time.time) -> MemoryTree:
    """A tree with these files."""
    tree = MemoryTree(now=now)
    for path, content in files.items():
        tree.put(path, content, mode)
    return tree
