"""Copying the files of a volume: a folder, or the one file that is a block volume.

The cheapest way the file system offers: shared extents (FICLONE), else a copy inside the kernel, else by hand; holes
stay holes. Kept: symbolic links (never followed), hard links within the folder, modes, times, extended attributes of
containers (`user.*`). Refused: anything but files, folders and links.

What a copy is of: a small tree is copied in one step, so it is the tree of one moment. Of a larger one the names are
taken in one step (hard links to the files, `hold`), then the bytes are copied in a thread: every write acknowledged
before the call is in, none made after it has returned is, and one made meanwhile may be, each by itself. Only of a tree
of more than MOST_AT_ONCE the names too are read while others may change them.

Nobody who changes the tree meanwhile can lead the copier out of it (descent.py).
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pocketkube import room
from pocketkube.descent import Descent, Names, folders, measure, opened
from pocketkube.removal import remove

SMALL_BYTES: Final = 4 << 20
SMALL_NAMES: Final = 100
"""Up to so many bytes and names, a copy is made at once: some 10 ms."""
MOST_AT_ONCE: Final = 4_000
"""Names that are held in one step: some 60 ms."""
MOST_STEPS: Final = 20_000_000
"""Names on the ways to all folders together: they are kept until the end, in memory that is everybody's."""
CHUNK: Final = 8 << 20
_FICLONE: Final = 0x40049409
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Stopped(Exception):
    """The copy was called off; what it has made so far is the caller's to remove."""


class NotAFile(OSError):
    """A device, FIFO or socket: nothing that a copy could be made of."""


async def copy(source: Path, target: Path) -> None:
    """Make `target`, a copy of the folder or file `source`. `target` must not exist, its folder must.

    On the same file system as `source`. Raises OSError; what was made until then is left to the caller, and so it is
    when cancelled.
    """
    if measure(source, SMALL_NAMES, SMALL_BYTES) is not None:
        Copier().copy(source, target)
        return
    held = target.with_name(f"{target.name}.held")
    if measure(source, MOST_AT_ONCE) is not None:
        try:
            Copier(hold=True).copy(source, held)
            source = held
        except OSError:  # a file system without hard links, or a file that has too many
            remove(held)
    copier = Copier()
    work = asyncio.get_running_loop().run_in_executor(None, copier.copy, source, target)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        copier.stop.set()  # the thread writes below a folder that the caller is about to remove
        with suppress(OSError, Stopped):
            await work
        raise
    if source is held:
        await asyncio.get_running_loop().run_in_executor(None, remove, held)


@dataclass
class Copier:
    """One copy. `hold`: files are hard-linked instead, which keeps their bytes whatever becomes of the names."""

    hold: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    _linked: dict[tuple[int, int], Names] = field(default_factory=dict)
    """(device, inode) -> where a file with several names was copied to first."""

    def copy(self, source: Path, target: Path) -> None:
        """Raises OSError, Stopped."""
        found = os.lstat(source)
        if stat.S_ISREG(found.st_mode):
            with opened(source.parent) as old, opened(target.parent) as new:
                self._file(old, source.name, new, target.name)
            return
        os.mkdir(target, 0o700)
        made: list[Names] = []
        steps = 0
        with Descent(target) as targets:
            for folder, old in folders(source):
                # a folder that has come since its parent was listed has no counterpart: it is of a later moment
                with suppress(FileNotFoundError):
                    new = targets.at(folder)
                    made.append(folder)
                    steps += 1 + len(folder)
                    if steps > MOST_STEPS:
                        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
                    for name in os.listdir(old):
                        if self.stop.is_set():
                            raise Stopped
                        with suppress(FileNotFoundError):  # removed since it was listed
                            self._entry(old, new, folder, name, target)
            with Descent(source) as sources:
                for folder in reversed(made):  # last, for what was made inside changed the times
                    with suppress(FileNotFoundError, NotADirectoryError):
                        _describe(sources.at(folder), targets.at(folder))

    def _entry(self, old: int, new: int, folder: Names, name: str, target: Path) -> None:
        room.check(new)
        found = os.stat(name, dir_fd=old, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.mkdir(name, 0o700, dir_fd=new)
        elif self.hold:
            os.link(name, name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
        elif stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=old), name, dir_fd=new)
            os.utime(name, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=new, follow_symlinks=False)
        elif stat.S_ISREG(found.st_mode):
            inode = found.st_dev, found.st_ino
            first = self._linked.get(inode) if found.st_nlink > 1 else None
            if first is None:
                self._file(old, name, new, name)
                if found.st_nlink > 1:
                    self._linked[inode] = (*folder, name)
            else:
                with opened(target, first[:-1]) as at:
                    os.link(first[-1], name, src_dir_fd=at, dst_dir_fd=new, follow_symlinks=False)
        else:
            raise NotAFile(errno.EINVAL, "not a file, a folder or a link", name)

    def _file(self, old: int, name: str, new: int, new_name: str) -> None:
        if self.hold:
            os.link(name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
            return
        source = os.open(name, _READ, dir_fd=old)
        try:
            if not stat.S_ISREG(os.fstat(source).st_mode):
                raise NotAFile(errno.EINVAL, "not a file, a folder or a link", name)
            target = os.open(new_name, _WRITE, 0o600, dir_fd=new)
            try:
                self._content(source, target)
                _describe(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _content(self, source: int, target: int) -> None:
        if _share(source, target):
            return
        size = os.fstat(source).st_size
        os.ftruncate(target, size)
        for start, end in _data(source, size):
            os.lseek(source, start, os.SEEK_SET)
            os.lseek(target, start, os.SEEK_SET)
            while start < end:
                if self.stop.is_set():
                    raise Stopped
                room.check(target, min(CHUNK, end - start))
                if not (done := _some(source, target, min(CHUNK, end - start))):
                    return  # it has become shorter
                start += done


def _describe(source: int, target: int) -> None:
    """Give one open file the attributes of another: containers' own, mode, times (in that order)."""
    if hasattr(os, "listxattr"):
        try:
            names = os.listxattr(source)
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            names = []
        for name in names:
            if name.startswith("user."):
                with _but_gone():
                    os.setxattr(target, name, os.getxattr(source, name))
    found = os.fstat(source)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


@contextmanager
def _but_gone() -> Iterator[None]:
    """An attribute that has been removed since it was listed."""
    try:
        yield
    except OSError as error:
        if error.errno != getattr(errno, "ENODATA", None):
            raise


def _share(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:  # no such operation here, or not between these two
        return False
    return True


def _data(source: int, size: int) -> Iterator[tuple[int, int]]:
    """The (start, end) of what is not a hole."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    at = 0
    while at < size:
        try:
            start = os.lseek(source, at, os.SEEK_DATA)
            at = os.lseek(source, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return  # nothing but a hole from here on
        yield start, min(at, size)


def _some(source: int, target: int, most: int) -> int:
    """Copy up to that many bytes from where both files are; 0 at the end of the source."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, most)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP):
                raise
    data = os.read(source, most)
    done = 0
    while done < len(data):
        done += os.write(target, data[done:])
    return done
