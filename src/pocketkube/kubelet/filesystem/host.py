"""A folder of the host as a tree: what volumes that outlive a container are made of.

Every operation walks from the folder's own descriptor, one openat(O_NOFOLLOW) per name, and ends in a call that does
not follow links: whatever links a container (or anybody else, at any moment) puts there, nothing outside the folder is
touched. Links are read and resolved inside the container's name space (walk.py), never by the host.

Files belong to the user who runs pocketkube; the owner and the permissions a container sets are remembered beside them
while the cluster runs, and not across its restarts. Left out: devices, FIFOs and sockets (refused), Windows.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat as bits
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pocketkube.kubelet.filesystem.tree import DEVICE, DIRECTORY, FILE, SYMLINK, Stat, Tree, Usage, failure

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.walk import Seer

Node = tuple[str, ...]
"""The names from the folder down; () is the folder itself."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class HostFile:
    """The content of a file of the host, by descriptor."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read_at(self, offset: int, most: int) -> bytes:
        return os.pread(self._fd, most, offset)

    def write_at(self, offset: int, data: bytes) -> int:
        return os.pwrite(self._fd, data, offset)

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
    """`folder` must exist. Containers that share a volume share its HostTree, so they agree on owners and modes."""

    fstype = "ext4"

    def __init__(self, folder: Path, source: str = "/dev/vda1") -> None:
        super().__init__()
        self.folder = folder
        self.source = source
        self._set: dict[int, tuple[int, int, int]] = {}
        """inode -> (mode, uid, gid) as containers set them."""

    @property
    def root(self) -> Node:
        return ()

    @contextmanager
    def _at(self, node: Node) -> Iterator[int]:
        fd = os.open(self.folder, _FOLDER)
        try:
            for name in node:
                deeper = os.open(name, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = deeper
            yield fd
        finally:
            os.close(fd)

    def _lstat(self, node: Node) -> os.stat_result:
        if not node:
            return os.stat(self.folder, follow_symlinks=False)
        with self._at(node[:-1]) as fd:
            return os.stat(node[-1], dir_fd=fd, follow_symlinks=False)

    # -- looking

    def kind(self, node: Node) -> str:
        return _kind(self._lstat(node).st_mode)

    def lookup(self, node: Node, name: str, seer: Seer) -> Node | None:
        child = (*node, name)
        try:
            self._lstat(child)
        except FileNotFoundError:
            return None
        return child

    def names(self, node: Node, seer: Seer) -> Iterable[str]:
        with self._at(node) as fd:
            return os.listdir(fd)

    def stat(self, node: Node, seer: Seer) -> Stat:
        found = self._lstat(node)
        mode, uid, gid = self._set.get(found.st_ino, (found.st_mode & 0o7777, 0, 0))
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
        with self._at(node[:-1]) as fd:
            return os.readlink(node[-1], dir_fd=fd)

    def open(self, node: Node, seer: Seer) -> HostFile:
        # O_NONBLOCK: opening what turned out to be a FIFO must not stop the world
        with self._at(node[:-1]) as folder:
            flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                fd = os.open(node[-1], flags | os.O_RDWR, dir_fd=folder)
            except PermissionError:  # a file this user was given to read only
                fd = os.open(node[-1], flags | os.O_RDONLY, dir_fd=folder)
        if not bits.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise failure(errno.ENXIO)
        return HostFile(fd)

    def usage(self) -> Usage:
        found = os.statvfs(self.folder)
        return Usage(found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree)

    # -- changing

    def create(self, parent: Node, name: str, kind: str, mode: int, uid: int, gid: int, target: str = "") -> Node:
        with self._at(parent) as fd:
            if kind == DIRECTORY:
                os.mkdir(name, mode | 0o700, dir_fd=fd)
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
        with self._at(parent) as fd:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if bits.S_ISDIR(found.st_mode):
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
        self._forget(found)

    def rename(self, old_parent: Node, old_name: str, new_parent: Node, new_name: str) -> None:
        with self._at(old_parent) as old, self._at(new_parent) as new:
            replaced = None
            with suppress(FileNotFoundError):
                replaced = os.stat(new_name, dir_fd=new, follow_symlinks=False)
            os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)
        if replaced is not None:
            self._forget(replaced)

    def link(self, node: Node, parent: Node, name: str) -> None:
        with self._at(node[:-1]) as old, self._at(parent) as new:
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
        found = self._lstat(node)
        has = self._set.get(found.st_ino, (found.st_mode & 0o7777, 0, 0))
        wants = (has[0] if mode is None else mode, has[1] if uid is None else uid, has[2] if gid is None else gid)
        if wants == (found.st_mode & 0o7777, 0, 0):
            self._set.pop(found.st_ino, None)
        else:
            self._set[found.st_ino] = wants
        if bits.S_ISLNK(found.st_mode) or not node:
            return
        with self._at(node[:-1]) as fd:
            if mode is not None:
                # the host's user keeps access whatever the container chose: its root would too
                self._chmod(fd, node[-1], (mode & 0o777) | (0o700 if bits.S_ISDIR(found.st_mode) else 0o600))
            if atime is not None or mtime is not None:
                times = (found.st_atime if atime is None else atime, found.st_mtime if mtime is None else mtime)
                os.utime(node[-1], times, dir_fd=fd, follow_symlinks=False)

    def _chmod(self, folder: int, name: str, mode: int) -> None:
        # Linux has no chmod that refuses to follow links: open without following, then change what is open
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fchmod(fd, mode)
        finally:
            os.close(fd)

    def _forget(self, found: os.stat_result) -> None:
        if bits.S_ISDIR(found.st_mode) or found.st_nlink <= 1:
            self._set.pop(found.st_ino, None)


def _kind(mode: int) -> str:
    if bits.S_ISDIR(mode):
        return DIRECTORY
    if bits.S_ISREG(mode):
        return FILE
    return SYMLINK if bits.S_ISLNK(mode) else DEVICE


def remove_folder(folder: Path) -> None:
    """Delete a folder and all in it without following any link; what is not there is fine."""
    shutil.rmtree(folder, ignore_errors=True)
