"""Opening a path below a folder without following any link on the way: openat2(2), which Python has no name for.

One call instead of one for each name, so that deep folders cost no more than shallow ones. Where the kernel has it not
(or forbids it), `open_beneath` is None and callers go name by name.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

_SYSCALL = 437  # on every architecture
_NO_SYMLINKS, _BENEATH = 0x04, 0x08


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _open(folder: int, path: str, flags: int) -> int:
    """A descriptor of `path` (relative, without `..`). Raises OSError: ELOOP for a link anywhere in it."""
    how = _How(flags, 0, _NO_SYMLINKS | _BENEATH)
    fd = int(_libc.syscall(_SYSCALL, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd


def _usable() -> bool:
    try:
        folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(_open(folder, ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        finally:
            os.close(folder)
    except (AttributeError, OSError):
        return False
    return True


open_beneath: Callable[[int, str, int], int] | None = None
if sys.platform == "linux":
    _libc = ctypes.CDLL(None, use_errno=True)
    open_beneath = _open if _usable() else None
