"""A folder of the host as a tree: what volumes that outlive a container are made of.

Every operation walks from the folder's own descriptor, following no link (openat2, or one openat for each name), and
ends in a call that follows none either: whatever links a container (or anybody else, at any moment) puts there, nothing
outside the folder is touched. Links are read and resolved inside the container's name space (walk.py), never by the
host.

Files belong to the user who runs pocketkube. Owner and permissions as a container sets them are kept in the extended
attribute `user.pocketkube` (`<mode, octal> <uid> <gid>`), so they outlive the cluster and travel with copies; where the
host has no such attributes, and for symbolic links, they are remembered while the cluster runs. Left out: devices,
FIFOs and sockets (refused), Windows.
"""

from __future__ import annotations

import errno
import os
import stat as bits
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakValueDictionary

from pocketkube import room
from pocketkube.kubelet.filesystem.beneath import open_beneath
from pocketkube.kubelet.filesystem.tree import BLOCK, DEVICE, DIRECTORY, FILE, SYMLINK, Stat, Tree, Usage, failure

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.folders import Meter
    from pocketkube.kubelet.filesystem.walk import Seer

Node = tuple[str, ...]
"""The names from the folder down; () is the folder itself."""
Owner = tuple[int, int, int]
"""(permission bits, uid, gid)"""
ATTRIBUTE = "user.pocketkube"
PATH_MAX = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""O_NONBLOCK: opening what turned out to be a FIFO must not stop the world."""


class HostFile:
    """The content of a file of the host, by descriptor."""

    __slots__ = ("_fd", "_meter")

    def __init__(self, fd: int, meter: Meter | None = None) -> None:
        self._fd = fd
        self._meter = meter

    def read_at(self, offset: int, most: int) -> bytes:
        return os.pread(self._fd, most, offset)

    def write_at(self, offset: int, data: bytes) -> int:
        room.check(self._fd, len(data))
        written = os.pwrite(self._fd, data, offset)
        if self._meter is not None:
            self._meter.count(written)
        return written

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()  # a killed process closes nothing itself


class HostTree(Tree):
    """`folder` must exist. `of` gives the one tree of a folder: all who share it, on any node, see one file system."""

    fstype = "ext4"
    _trees: ClassVar[WeakValueDictionary[Path, HostTree]] = WeakValueDictionary()
    _unwritten: ClassVar[dict[Path, dict[int, Owner]]] = {}
    """Of each folder, what could not be written to attributes: inode -> owner. Kept when nobody has the folder open."""

    @classmethod
    def forget(cls, folder: Path) -> None:
        """The folder is gone for good."""
        cls._unwritten.pop(folder, None)
        cls._trees.pop(folder, None)

    @classmethod
    def of(cls, folder: Path) -> HostTree:
        """The tree of a folder, shared by all who ask while somebody has it."""
        found = cls._trees.get(folder)
        if found is None:
            found = cls._trees[folder] = cls(folder)
        return found

    @classmethod
    def renumber(cls, numbers: Mapping[int, int]) -> None:
        """All folders have been copied: old inode -> new one."""
        for owners in cls._unwritten.values():
            known = {numbers.get(inode, inode): owner for inode, owner in owners.items()}
            owners.clear()
            owners.update(known)

    def __init__(self, folder: Path, source: str = "/dev/vda1") -> None:
        super().__init__()
        self.folder = folder
        self.source = source
        self.meter: Meter | None = None
        self._seen: tuple[Node | None, str] = None, ""
        """What was looked up last, and what it is: asked for next, and once."""
        self._on_the_way = False
        self._near: tuple[Node, int] | None = None
        """On a way down, the directory looked into last, open."""
        self._memory = self._unwritten.setdefault(folder, {})

    @property
    def root(self) -> Node:
        return ()

    @contextmanager
    def at(self, node: Node) -> Iterator[int]:
        """A descriptor of a directory, for a while."""
        fd = os.open(self.folder, _FOLDER)
        try:
            path = "/".join(node)
            together = open_beneath is not None and len(os.fsencode(path)) < PATH_MAX
            for step in (path,) * bool(node) if together else node:
                deeper = open_beneath(fd, step, _FOLDER) if open_beneath else os.open(step, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = deeper
            yield fd
        finally:
            os.close(fd)

    def _lstat(self, node: Node) -> os.stat_result:
        if not node:
            return os.stat(self.folder, follow_symlinks=False)
        with self.at(node[:-1]) as fd:
            return os.stat(node[-1], dir_fd=fd, follow_symlinks=False)

    # -- looking

    def enter(self) -> None:
        self.leave()
        self._on_the_way = True

    def leave(self) -> None:
        self._on_the_way = False
        if self._near is not None:
            os.close(self._near[1])
            self._near = None

    def _step(self, node: Node) -> int:
        """A descriptor of a directory, until the next step: below the last one nothing is opened twice."""
        near, self._near = self._near, None
        try:
            if near is not None and near[0] == node:
                self._near, near = near, None
            elif near is not None and near[0] == node[:-1] and node:
                opening = open_beneath or _open_below
                self._near = node, opening(near[1], node[-1], _FOLDER)
            else:
                with self.at(node) as fd:
                    self._near = node, os.dup(fd)
        finally:
            if near is not None:
                os.close(near[1])
        assert self._near is not None
        return self._near[1]

    def kind(self, node: Node) -> str:
        seen, kind = self._seen
        self._seen = None, ""
        return kind if node is seen else _kind(self._lstat(node).st_mode)

    def lookup(self, node: Node, name: str, seer: Seer) -> Node | None:
        child = (*node, name)
        try:
            if self._on_the_way:
                found = os.stat(name, dir_fd=self._step(node), follow_symlinks=False)
            else:
                found = self._lstat(child)
        except FileNotFoundError:
            return None
        self._seen = child, _kind(found.st_mode)
        return child

    def names(self, node: Node, seer: Seer) -> Iterable[str]:
        with self.at(node) as fd:
            return os.listdir(fd)

    def stat(self, node: Node, seer: Seer) -> Stat:
        found, (mode, uid, gid) = self._owned(node)
        return Stat(
            _kind(found.st_mode),
            mode,
            found.st_size,
            found.st_mtime,
            found.st_atime,
            found.st_ctime,
            uid,
            gid,
            found.st_nlink,
            found.st_ino,
            getattr(found, "st_blocks", 0),
            self.device,
        )

    def readlink(self, node: Node, seer: Seer) -> str:
        with self.at(node[:-1]) as fd:
            return os.readlink(node[-1], dir_fd=fd)

    def open(self, node: Node, seer: Seer) -> HostFile:
        with self.at(node[:-1]) as folder:
            try:
                fd = os.open(node[-1], _FILE | os.O_RDWR, dir_fd=folder)
            except PermissionError:  # a file this user was given to read only
                fd = os.open(node[-1], _FILE, dir_fd=folder)
        if not bits.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise failure(errno.ENXIO)
        return HostFile(fd, self.meter)

    def usage(self) -> Usage:
        found = os.statvfs(self.folder)
        available = max(0, found.f_bavail - room.kept(found))
        return Usage(found.f_frsize, found.f_blocks, found.f_bfree, available, found.f_files, found.f_ffree)

    # -- changing

    def create(self, parent: Node, name: str, kind: str, mode: int, uid: int, gid: int, target: str = "") -> Node:
        with self.at(parent) as fd:
            room.check(fd)
            if kind == DIRECTORY:
                os.mkdir(name, mode | 0o700, dir_fd=fd)
                if self.meter is not None:
                    self.meter.count(8 * BLOCK)
            elif kind == SYMLINK:
                os.symlink(target, name, dir_fd=fd)
            elif kind == FILE:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(name, flags, mode | 0o600, dir_fd=fd))
            else:
                raise failure(errno.EPERM)
        node = (*parent, name)
        if kind != SYMLINK:
            self.change(node, mode=mode, uid=uid, gid=gid)
        return node

    def remove(self, parent: Node, name: str) -> None:
        with self.at(parent) as fd:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if bits.S_ISDIR(found.st_mode):
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
        self._forget(found)

    def rename(self, old_parent: Node, old_name: str, new_parent: Node, new_name: str) -> None:
        with self.at(old_parent) as old, self.at(new_parent) as new:
            replaced = None
            with suppress(FileNotFoundError):
                replaced = os.stat(new_name, dir_fd=new, follow_symlinks=False)
            os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)
        if replaced is not None:
            self._forget(replaced)

    def link(self, node: Node, parent: Node, name: str) -> None:
        with self.at(node[:-1]) as old, self.at(parent) as new:
            room.check(new)
            os.link(node[-1], name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def change(
        self,
        node: Node,
        *,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: float | None = None,
        mtime: float | None = None,
    ) -> None:
        found, has = self._owned(node)
        wants = (has[0] if mode is None else mode, has[1] if uid is None else uid, has[2] if gid is None else gid)
        if bits.S_ISLNK(found.st_mode):
            self._memory[found.st_ino] = wants
            return
        with self.at(node[:-1]) as folder, _opened(folder, node[-1] if node else ".") as fd:
            if mode is not None:
                # the host's user keeps access whatever the container chose: its root would too
                os.fchmod(fd, (mode & 0o777) | (0o700 if bits.S_ISDIR(found.st_mode) else 0o600))
            if wants != has:
                self._write(fd, wants)
            if atime is not None or mtime is not None:
                times = (found.st_atime if atime is None else atime, found.st_mtime if mtime is None else mtime)
                os.utime(fd, times)

    # -- owners

    def _owned(self, node: Node) -> tuple[os.stat_result, Owner]:
        """A node and whom it belongs to."""
        owner = None
        with self.at(node[:-1]) as folder:
            name = node[-1] if node else "."
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if bits.S_ISREG(found.st_mode) or bits.S_ISDIR(found.st_mode):
                with suppress(PermissionError), _opened(folder, name) as fd:
                    found = os.fstat(fd)  # what is asked for its attributes is what is told about
                    owner = _read(fd)
        owner = self._memory.get(found.st_ino, owner)
        return found, owner or (found.st_mode & 0o7777, 0, 0)

    def _write(self, fd: int, owner: Owner) -> None:
        found = os.fstat(fd)
        self._memory.pop(found.st_ino, None)
        try:
            os.setxattr(fd, ATTRIBUTE, "{:o} {} {}".format(*owner).encode())
        except (AttributeError, OSError):  # this system, or this file system, has none: the memory must do
            self._memory[found.st_ino] = owner

    def _forget(self, found: os.stat_result) -> None:
        if bits.S_ISDIR(found.st_mode) or found.st_nlink <= 1:
            self._memory.pop(found.st_ino, None)


@contextmanager
def _opened(folder: int, name: str) -> Iterator[int]:
    """A file or directory, for what belongs to it: no link is followed."""
    fd = os.open(name, _FILE, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def _read(fd: int) -> Owner | None:
    try:
        mode, uid, gid = os.getxattr(fd, ATTRIBUTE).split()
        return int(mode, 8) & 0o7777, int(uid), int(gid)
    except (AttributeError, OSError, ValueError):  # none there, or none of ours
        return None


def _open_below(fd: int, name: str, flags: int) -> int:
    return os.open(name, flags, dir_fd=fd)


def _kind(mode: int) -> str:
    if bits.S_ISDIR(mode):
        return DIRECTORY
    if bits.S_ISREG(mode):
        return FILE
    return SYMLINK if bits.S_ISLNK(mode) else DEVICE
