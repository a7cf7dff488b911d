"""Zip files that are made here, in memory: they are small, and then written as a whole or sent."""

from __future__ import annotations

import io
import stat
import time
import zipfile
from collections.abc import Mapping

Moment = tuple[int, int, int, int, int, int]
"""Year, month, day, hour, minute, second, as zips have them: from 1980 on, in nobody's time zone."""


def zipped(files: Mapping[str, bytes], *, when: Moment | None = None, modes: Mapping[str, int] | None = None) -> bytes:
    """A zip of the files (name -> content) in their order, `when` the time of each of them, which is else now. `modes`
    are the permissions of some, of others 0o600. With `when` it is the same for the same files."""
    made = io.BytesIO()
    at = when or time.localtime()[:6]
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, at)
            entry.create_system = 3  # Unix, whose modes these are
            entry.external_attr = (stat.S_IFREG | (modes or {}).get(name, 0o600)) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=6)
    return made.getvalue()
