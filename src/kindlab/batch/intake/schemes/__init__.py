"""How a learning platform names what it lets an instructor download: a file each, with a function `read`; all files
here are scanned.

`read(folder, listed)` says of the names at the top of a download (`listed`: name -> whether it is a folder) which it
knows, and whose they are. Nobody here has an account on any of these platforms: each file says where its facts come
from, and what is unverified.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Named:
    """Whose something of a download is. `key` is one student's, throughout the download."""

    key: str
    student: str
    ids: tuple[str, ...] = ()
    """What the platform knows them by: numbers, user names, addresses; a roster may have one of them."""
    file: str = ""
    """What the student called the file; "" for a folder."""
    attempt: tuple[object, ...] = ()
    """Of several attempts of a student the greatest counts."""
    submitted: str = ""
    notes: tuple[str, ...] = ()
    graded: bool = True
    """Not so for what the platform adds: receipts, lists."""


Listed = Mapping[str, bool]


def read(folder: Path, listed: Listed) -> tuple[str, dict[str, list[Named]]]:
    """(the platform, name -> whose it is; several for a group's) of the scheme that knows most of the names."""
    best: tuple[str, dict[str, list[Named]]] = ("", {})
    for module in sorted(one.name for one in pkgutil.iter_modules(__path__)):
        scheme = importlib.import_module(f"{__name__}.{module}")
        found = scheme.read(folder, listed)
        if len(found) > len(best[1]):
            best = (module, found)
    return best
