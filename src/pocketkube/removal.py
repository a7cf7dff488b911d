"""Deleting a folder and all in it: of any depth, whoever may write to it meanwhile, without being led out of it.

Every name is taken below the descriptor of its folder, links are not followed. A folder within a folder is first moved
up to the top, so two descriptors and the names of two folders are all that is held, however deep a tree is. Left out:
folders that even their owner cannot write to (attributes of the file system, other users' folders).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from pocketkube.descent import Names, measure, opened

log = logging.getLogger(__name__)
QUICK: Final = 1000
"""Up to so many names, what is discarded is removed at once."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(path: Path, names: Names = ()) -> None:
    """Delete a folder and all in it, or a file, following no link; what is not there is fine. Raises OSError, after
    all that can be deleted is.

    `names`: what is deleted is that deep below `path`, and none of these names is followed either."""
    if not names:
        path, names = path.parent, (path.name,)
    with suppress(FileNotFoundError), opened(path, names[:-1]) as above:
        if not stat.S_ISDIR(os.stat(names[-1], dir_fd=above, follow_symlinks=False).st_mode):
            os.unlink(names[-1], dir_fd=above)
            return
        with _folder(above, names[-1]) as top:
            _empty(top)
        os.rmdir(names[-1], dir_fd=above)


def discard(path: Path) -> None:
    """The path is free when this returns; what was there is removed from the disk soon after, and a process that ends
    before leaves it, its name beginning with a dot. What is not there is fine. Raises OSError when it stays."""
    gone = path.with_name(f".{secrets.token_hex(8)}-gone")
    with suppress(FileNotFoundError):
        path.rename(gone)
        finish(gone)


def finish(gone: Path) -> None:
    """Remove what is in nobody's way any more: at once when that is quick, else beside what else is done."""
    with _not_in_the_way(gone):
        loop = None
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
        if loop is None or measure(gone, QUICK) is not None:
            remove(gone)
        else:
            loop.run_in_executor(None, _remove_in_time, gone)


def _remove_in_time(path: Path) -> None:
    with _not_in_the_way(path):
        remove(path)


@contextmanager
def _not_in_the_way(path: Path) -> Iterator[None]:
    """What is gone for everybody else need not be gone from the disk yet."""
    try:
        yield
    except OSError as error:
        log.warning("%s is not removed yet (%s): the next start of the cluster tries again", os.fspath(path), error)


def _empty(top: int) -> None:
    spare = (f".{secrets.token_hex(8)}-{number}" for number in count())  # names that nobody has taken on purpose
    stays: dict[str, OSError] = {}
    while names := [name for name in os.listdir(top) if name not in stays]:
        for name in names:
            try:
                _take(top, name, spare)
            except FileNotFoundError:
                continue
            except OSError as error:
                stays[name] = error
    for why in stays.values():
        raise why


def _take(top: int, name: str, spare: Iterator[str]) -> None:
    """Delete a file, or a folder whose own folders are moved to the top. Raises OSError."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return
    first: OSError | None = None
    with _folder(top, name) as inner:
        for below in os.listdir(inner):
            try:
                if stat.S_ISDIR(os.stat(below, dir_fd=inner, follow_symlinks=False).st_mode):
                    _move(inner, below, top, next(spare))
                else:
                    os.unlink(below, dir_fd=inner)
            except FileNotFoundError:
                continue
            except OSError as error:
                first = first or error
    if first is not None:
        raise first
    os.rmdir(name, dir_fd=top)


def _move(folder: int, name: str, top: int, spare: str) -> None:
    try:
        os.rename(name, spare, src_dir_fd=folder, dst_dir_fd=top)
    except PermissionError:  # a folder that changes its parent is itself written to
        _unlock(folder, name)
        os.rename(name, spare, src_dir_fd=folder, dst_dir_fd=top)


@contextmanager
def _folder(above: int, name: str) -> Iterator[int]:
    """A descriptor of a folder that can be written to, as far as its owner may allow it. Raises OSError."""
    try:
        fd = os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        _unlock(above, name)
        fd = os.open(name, _FOLDER, dir_fd=above)
    try:
        with suppress(PermissionError):
            os.fchmod(fd, 0o700)
        yield fd
    finally:
        os.close(fd)


def _unlock(above: int, name: str) -> None:
    """Let the owner into a folder that nobody may read; a link in its place stays as it is. Raises OSError."""
    if not hasattr(os, "O_PATH"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        os.chmod(f"/proc/self/fd/{fd}", 0o700)
    finally:
        os.close(fd)
