"""Files from the internet, pinned by checksum: fetched once into a cache, and only used when they are what was pinned.

A file lies in the cache under its sha256 and is hashed again whenever it is asked for (50 MB take a tenth of a second),
so one that a disk, a crash or a person has damaged counts as absent. While it is being fetched it has another name,
`.part`; that part stays when the line breaks or Ctrl-C is pressed, and the next fetch asks for the rest. The checksum
judges the whole: a rest that does not belong to the part (the file has changed on the server meanwhile) leads to one
fresh start.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from kindlab import paths
from kindlab.errors import Problem

if TYPE_CHECKING:
    from kindlab.clusters.base import Step

OTHERS_TIMEOUT = 900.0
"""Seconds that another process, which fetches the same file, is waited for."""


@dataclass(frozen=True)
class Source:
    """One version of one file. `sha256` is 64 hexadecimal digits; raises ValueError when it is not."""

    url: str
    sha256: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):  # it becomes a file name, too
            raise ValueError(f"{self.sha256!r} is no sha256 (64 digits of 0-9 and a-f), of {self.url}")

    @property
    def name(self) -> str:
        """What people call the file."""
        return urlsplit(self.url).path.rpartition("/")[2] or self.url


def cached(source: Source) -> Path | None:
    """The file, when it is in the cache and is what was pinned."""
    path = _folder() / source.sha256
    try:
        return path if sha256_of(path) == source.sha256 else None
    except OSError:
        return None


def fetch(source: Source, *, step: Step, offline: bool = False) -> Path:
    """The file in the cache, downloaded if need be; `step` is told how far it is. Raises Problem.

    With `offline` nothing is asked of the network. Two processes that want the same file fetch it once.
    """
    found = cached(source)
    if found is not None:
        return found
    if offline:
        raise Problem(
            f"{source.name} is not in the cache, and nothing may be downloaded (--offline).",
            f"It comes from {source.url}",
            f"Run this once without --offline where there is a network; the file then stays in {paths.cache()}. "
            "Or bring that folder from a machine that has it (KINDLAB_CACHE names another one).",
        )
    with _disk_trouble(source), _alone(source, step):
        return cached(source) or _download(source, step)


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder() -> Path:
    return paths.cache() / "files"


@contextmanager
def _alone(source: Source, step: Step) -> Iterator[None]:
    """While no other process fetches this file."""
    _folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(_folder() / f"{source.sha256}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        step(f"waiting for another kindlab that is downloading {source.name}")
        try:
            lock.acquire(timeout=OTHERS_TIMEOUT)
        except Timeout as error:
            raise Problem(
                f"{source.name} was not downloaded.",
                f"Another kindlab has been at it for more than {OTHERS_TIMEOUT / 60:.0f} minutes.",
                "See whether it still gets on; if not, end it and run this again.",
            ) from error
    try:
        yield
    finally:
        lock.release()


def _download(source: Source, step: Step) -> Path:
    from kindlab import transfer

    part = _folder() / f"{source.sha256}.part"
    came = transfer.complete(source.url, source.name, part, step)
    if came.resumed and sha256_of(part) != source.sha256:
        step(f"{source.name} has changed since its first part came; downloading all of it again")
        part.unlink()
        came = transfer.complete(source.url, source.name, part, step)
    got = sha256_of(part)
    if got != source.sha256:
        part.unlink()
        page = "\nWhat came is a web page, perhaps the login page of a network." if came.kind == "text/html" else ""
        raise Problem(
            f"{source.name} is not the file that was expected. It was thrown away; nothing has used it.",
            f"From {source.url}\n  expected sha256 {source.sha256}\n  got      sha256 {got}\n"
            f"Somebody has changed it on the server, or on its way.{page}{transfer.by_way_of(source.url)}",
            "Try again, from another network if you can. If it stays so, do not use that file by other ways either: "
            "tell the people who run this course.",
        )
    return part.replace(_folder() / source.sha256)


@contextmanager
def _disk_trouble(source: Source) -> Iterator[None]:
    """What the disk has against it, in words."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
        what = "the disk is full." if full else "the cache cannot be written."
        way = "Free some space (what came so far is kept)" if full else "Make that folder yours to write"
        raise Problem(
            f"{source.name} could not be kept: {what}",
            f"{error.filename or _folder()}: {error.strerror or error}.",
            f"{way}, or set KINDLAB_CACHE to another folder.",
        ) from error
