"""What is left of this machine's disk, and the part of it that nobody's container gets.

Models the blocks a Linux file system reserves for root: a container that fills its volumes gets ENOSPC while there is
still room for what keeps the cluster alive, its store first of all. What is asked for is looked up in advance, by whom
writes; two who write at once may both get the last of it, so the reserve is larger than any one write.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

RESERVE = 256 << 20
"""Bytes that are kept, but not more than a part of a small disk."""
PART: Final = 20
NAMES = 10_000
"""Files and folders that can still be made, likewise."""


def check(where: int | Path, more: int = 0) -> None:
    """Whether a file or folder can be made there (a descriptor, or a path) and so many bytes be written to it. Raises
    OSError (ENOSPC)."""
    if not hasattr(os, "statvfs"):
        return
    found = os.statvfs(where)
    bytes_are_there = found.f_bavail * found.f_frsize - more >= kept(found) * found.f_frsize
    # some file systems count no files
    names_are_there = not found.f_files or found.f_favail >= min(NAMES, found.f_files // PART)
    if not (bytes_are_there and names_are_there):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def kept(found: os.statvfs_result) -> int:
    """How many blocks of a disk are kept."""
    return min(RESERVE // (found.f_frsize or 1), found.f_blocks // PART)
