"""A whole class's download in one archive, as a platform gives it out: unpacked to a folder of the run, in bounds.

Names are a stranger's here too. What a student could hand in is unpacked as regular files and nothing else is; files
larger than an archive may be are left out, and are missing from the student's.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kindlab.batch.intake import archives, folders, limits, names
from kindlab.errors import UsageProblem

_PIECE = 1 << 20
KEPT = ("submission_metadata.yml", "index.html")


def unpacked(file: Path, target: Path) -> Path:
    """The folder with the submissions in it. Raises UsageProblem for what cannot be read."""
    shutil.rmtree(target, ignore_errors=True)
    if not names.opened(file.name):
        raise UsageProblem(
            f"{file} is no folder of submissions." if file.exists() else f"There is no {file}.",
            "It must be a folder, or a zip or tar.gz of one.",
            "Name the folder that holds the submissions.",
        )
    target.mkdir(parents=True, mode=0o700)
    entries = left = 0
    try:
        with folders.regular(file) as stream:
            for name, is_folder, content in _members(stream, file.name):
                entries += 1
                if entries > limits.CLASS_ENTRIES:
                    raise ValueError(f"it holds more than {limits.CLASS_ENTRIES:,} files")
                try:
                    parts = names.parts(name)
                except ValueError:
                    continue
                if any(map(names.is_skipped, parts)) or not (is_folder or _is_of_use(parts[-1])):
                    continue
                path = target.joinpath(*parts)
                (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True, mode=0o700)
                if content is not None and not is_folder:
                    left += _written(path, content, limits.CLASS_ALL - left)
    except (*archives.BROKEN, OSError, folders.NotRegular) as error:
        raise UsageProblem(
            f"{file} cannot be unpacked.", f"{names.shown(str(error))}.", "Download it again, or unpack it yourself."
        ) from error
    inside = list(target.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        below = list(inside[0].iterdir())
        if sum(one.is_dir() or bool(names.opened(one.name)) for one in below) > 1:
            return inside[0]
    return target


def _is_of_use(name: str) -> bool:
    """Manifests, notebooks and archives; lists and receipts that say whose something is."""
    return bool(names.wanted((name,))) or names.is_packed(name) or name in KEPT or name.endswith(".txt")


def _members(stream: IO[bytes], name: str) -> Iterator[tuple[str, bool, IO[bytes] | None]]:
    """(name, whether it is a folder, content) of each member; links and the like are left out."""
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                if archives.is_folder(info):
                    yield archives.zip_name(info), True, None
                elif archives.is_regular(info) and info.compress_type in archives.USUAL:
                    with archive.open(info) as content:
                        yield archives.zip_name(info), False, content
        return
    with tarfile.open(fileobj=archives.unpacked(stream), mode="r|") as tar:
        for member in tar:
            tar.members = []  # type: ignore[attr-defined]  # it would keep them all
            if member.isdir():
                yield member.name, True, None
            elif member.isreg() and not member.issparse():
                yield member.name, False, tar.extractfile(member)


def _written(path: Path, content: IO[bytes], room: int) -> int:
    """Write it, unless it is larger than an archive may be; returns its bytes. Raises ValueError when `room` is up."""
    if path.exists():
        return 0
    size = 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := content.read(_PIECE):
            size += len(piece)
            if size > room:
                raise ValueError(f"more than {limits.CLASS_ALL >> 30} GiB come out of it")
            if size > limits.ARCHIVE:
                break
            file.write(piece)
    if size > limits.ARCHIVE:
        path.unlink()
    return size
