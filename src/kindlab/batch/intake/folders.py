"""A submission on disk: a folder or a file. No link is followed, and nothing but regular files is opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from kindlab.batch.intake import archives, limits, names
from kindlab.batch.intake.pile import Pile


def gather(folder: Path, pile: Pile) -> None:
    """Every file of it that is graded; archives in it are opened, those in them are not. Raises Unreadable."""
    found: list[tuple[tuple[str, ...], Path]] = []
    pending: list[tuple[tuple[str, ...], Path]] = [((), folder)]
    while pending:
        above, here = pending.pop()
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and names.is_skipped(entry.name):
                        continue  # whatever is in there
                    pile.look()
                    where = pile.named("/".join((*above, entry.name)))
                    if not where:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((where, Path(entry.path)))
                    elif names.wanted(where) or names.is_packed(entry.name):
                        found.append((where, Path(entry.path)))
                    elif entry.is_symlink():
                        pile.refuse("/".join(where), "it is a link, and links are not followed", "Hand in the file.")
        except OSError as error:
            why = f"this folder cannot be read: {error.strerror or error}"
            pile.refuse("/".join(above) or ".", why, "Look at its permissions, or hand in a zip of the lab's files.")
    for where, path in sorted(found, key=lambda one: (len(one[0]), one[0])):
        file(path, where, pile)


def file(path: Path, where: tuple[str, ...], pile: Pile) -> None:
    """One file, which may be an archive. Raises Unreadable."""
    name = "/".join(where)
    try:
        if not names.is_packed(where[-1]):
            pile.take(where, lambda: regular(path))
        elif any(map(names.is_skipped, where[:-1])) or where[-1].startswith("."):
            return
        elif not names.opened(where[-1]):
            pile.refuse(name, "an archive of this kind is not opened", "Hand in a zip or a tar.gz.")
        else:
            with regular(path) as stream:
                if (size := os.fstat(stream.fileno()).st_size) > limits.ARCHIVE:
                    why = f"it has {size >> 20} MiB, and {limits.ARCHIVE >> 20} MiB are the most"
                    pile.refuse(name, why, "Hand in a zip of the lab's files only: kindlab submit makes one.")
                else:
                    archives.gather(stream, where, pile)
    except NotRegular as error:
        pile.refuse(name, f"{error}", "Hand in the file itself.")
    except OSError as error:
        pile.refuse(name, f"it cannot be read: {error.strerror or error}", "Look at its permissions.")


class NotRegular(Exception):
    """Of a link, a pipe, a device; the text is a clause."""


def regular(path: Path) -> BinaryIO:
    """Open a regular file without following a link and without waiting for a pipe. Raises NotRegular, OSError."""
    if path.is_symlink():
        raise NotRegular("it is a link, and links are not followed")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise NotRegular("it is no regular file")
    return os.fdopen(os.open(path, flags), "rb")
