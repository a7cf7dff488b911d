"""What a mounted tree of files is to the container's name space: nodes, and the operations on them.

Models the kernel's VFS between path lookup (walk.py) and a file system. A tree gets names one at a time, never a path:
`..`, symbolic links and mounts are resolved above it, so no tree can be talked into leaving itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from pocketkube.kubelet.filesystem.walk import Entry, Seer

FILE, DIRECTORY, SYMLINK, DEVICE, BLOCK_DEVICE = "file", "directory", "symlink", "device", "block"
"""DEVICE is a character device."""
BLOCK: Final = 512
"""The unit of Stat.blocks, as stat(2) counts."""
_FORMAT: Final = {FILE: 0o100000, DIRECTORY: 0o040000, SYMLINK: 0o120000, DEVICE: 0o020000, BLOCK_DEVICE: 0o060000}

inode_numbers = count(1000)
device_numbers = count(40)


@dataclass(frozen=True, slots=True)
class Stat:
    """What stat(2) tells. `mode` holds the permission bits, `kind` the type; times are seconds since the epoch."""

    kind: str
    mode: int
    size: int
    mtime: float
    atime: float
    ctime: float
    uid: int
    gid: int
    nlink: int
    ino: int
    blocks: int
    dev: int = 0
    rdev: tuple[int, int] = (0, 0)

    @property
    def st_mode(self) -> int:
        """Type and permission bits in one number, for the functions of the `stat` module."""
        return _FORMAT[self.kind] | self.mode


@dataclass(frozen=True, slots=True)
class Usage:
    """What statvfs(2) tells, in blocks of `bsize` bytes."""

    bsize: int
    blocks: int
    bfree: int
    bavail: int
    files: int
    ffree: int


def failure(number: int, *names: str) -> OSError:
    """The OSError (of the right subclass) for an errno and the path or the two paths it is about."""
    if len(names) == 2:
        return OSError(number, os.strerror(number), names[0], None, names[1])
    return OSError(number, os.strerror(number), *names)


class Content(Protocol):
    """The bytes of an open file."""

    def read_at(self, offset: int, most: int) -> bytes: ...

    def write_at(self, offset: int, data: bytes) -> int: ...

    def truncate(self, size: int) -> None: ...

    def size(self) -> int: ...

    def close(self) -> None: ...


def write_all(content: Content, offset: int, data: bytes) -> int:
    """Write on where a disk took a part only. Returns how much there was room for."""
    done = content.write_at(offset, data)
    while 0 < done < len(data):
        try:
            more = content.write_at(offset + done, data[done:])
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            break
        if not more:
            break
        done += more
    return done


class Tree:
    """A file system. What it does not override it refuses, as a read-only or special one does."""

    fstype = "tmpfs"
    source = "tmpfs"
    options = ""

    def __init__(self) -> None:
        self.device = next(device_numbers)

    @property
    def root(self) -> Any:
        raise NotImplementedError

    # -- looking

    def enter(self) -> None:
        """A way down begins: until `leave`, each folder is looked into where the last one was, or below."""

    def leave(self) -> None:
        """It is over, or goes on elsewhere."""

    def kind(self, node: Any) -> str:
        raise NotImplementedError

    def lookup(self, node: Any, name: str, seer: Seer) -> Any | None:
        """The child of that name (never `.` or `..`), or None."""
        raise NotImplementedError

    def names(self, node: Any, seer: Seer) -> Iterable[str]:
        raise NotImplementedError

    def stat(self, node: Any, seer: Seer) -> Stat:
        raise NotImplementedError

    def readlink(self, node: Any, seer: Seer) -> str:
        raise NotImplementedError

    def is_magic(self, node: Any) -> bool:
        """Whether a link leads to an open file rather than to a path (/proc/self/fd/N): it is opened, not followed."""
        return False

    def leads_to(self, node: Any, seer: Seer) -> Entry | None:
        """Where a link leads, when that is a place of another container (/proc/PID/root): no path names it."""
        return None

    def open(self, node: Any, seer: Seer) -> Any:
        """A Content, or a stream (an object with async read/write) for what has no offset."""
        raise NotImplementedError

    def usage(self) -> Usage:
        return Usage(4096, 0, 0, 0, 0, 0)

    # -- changing; `entry.node` of a directory or file is first made writable by `own`

    def own(self, entry: Entry) -> Any:
        """The node of `entry`, private to this tree from now on."""
        return entry.node

    def create(self, parent: Any, name: str, kind: str, mode: int, uid: int, gid: int, target: str = "") -> Any:
        raise failure(errno.EPERM)

    def remove(self, parent: Any, name: str) -> None:
        """Drop a file or an empty directory; the caller has checked which."""
        raise failure(errno.EPERM)

    def rename(self, old_parent: Any, old_name: str, new_parent: Any, new_name: str) -> None:
        """Move within this tree, replacing what is there; the caller has checked the kinds."""
        raise failure(errno.EPERM)

    def link(self, node: Any, parent: Any, name: str) -> None:
        raise failure(errno.EPERM)

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
        raise failure(errno.EPERM)
