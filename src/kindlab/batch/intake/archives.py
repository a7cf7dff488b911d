"""A submission in a zip or a tar. Nothing is unpacked to disk here: what is wanted is read, in bounds, into memory.

A zip bomb is told by the bytes that come out, never by a ratio that somebody wrote down. Only what deflate packed is
read: Python's bz2 and LZMA give out all that a piece of input holds, at once. Encrypted files, archives in archives,
links, devices and pipes are refused one by one.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any, BinaryIO, cast

from kindlab.batch.intake import limits, names
from kindlab.batch.intake.pile import Pile, Readable

BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError),
    *(ValueError, LookupError, ArithmeticError, RuntimeError),
)
"""What bytes that are no such archive make the standard library raise."""
USUAL = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How a zip is packed that is read."""
_UNIX = 3
"""The system that a zip's entry says it was made on, with the modes of files."""
_END, _END_SIZE, _LONGEST_COMMENT = b"PK\x05\x06", 22, 1 << 16
_ZIP64, _ZIP64_SIZE = b"PK\x06\x07", 20


class Bomb(Exception):
    """More comes out than an archive of manifests can hold."""


def gather(stream: BinaryIO, where: tuple[str, ...], pile: Pile) -> None:
    """The files of an archive that are graded. Raises Unreadable for too many entries, OSError."""
    before = len(pile.entries)
    try:
        if where[-1].lower().endswith(".zip"):
            _zip(stream, pile)
        else:
            _tar(stream, pile)
    except Bomb:
        # what was read before is no more to be trusted to be all of it
        del pile.entries[before:]
        pile.refuse_archive(
            "/".join(where),
            f"more than {limits.INFLATED >> 20} MiB come out of it, so nothing of it was graded",
            "Hand in a zip of your manifests only.",
        )
    except BROKEN as error:
        pile.refuse_archive(
            "/".join(where), f"it is damaged, or no such archive ({_brief(error)})", "Pack and upload it anew."
        )


def _brief(error: Exception) -> str:
    return names.shown(str(error)) or type(error).__name__


# -- zip


def _zip(stream: BinaryIO, pile: Pile) -> None:
    _refuse_endless_directory(stream)
    with zipfile.ZipFile(stream) as archive:
        budget = [limits.INFLATED]
        found = []
        for info in archive.infolist():
            pile.look()
            if where := pile.named(zip_name(info)):
                found.append((where, info))
        for where, info in sorted(found, key=lambda one: (len(one[0]), one[0])):
            name = "/".join(where)
            if is_folder(info) or any(map(names.is_skipped, where[:-1])):
                continue
            if not is_regular(info):
                pile.refuse(name, "it is a link, or no regular file", "Hand in the file itself.")
            elif names.is_packed(name):
                pile.refuse(name, "an archive in an archive is not opened", "Hand in its files.")
            elif not names.wanted(where):
                continue
            elif info.flag_bits & 0x1:
                pile.refuse(name, "it is encrypted", "Pack it without a password.")
            elif info.compress_type not in USUAL:
                pile.refuse(name, "it is packed in an unusual way", "Pack it as an ordinary zip (deflate).")
            else:
                try:
                    pile.take(where, lambda info=info: _counted(archive.open(info), budget))  # type: ignore[misc]
                except BROKEN as error:
                    pile.refuse(name, f"it is damaged ({_brief(error)})", "Pack and upload it anew.")


def zip_name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant. Without the flag for UTF-8 zipfile reads CP437, as the format says; many programs write
    UTF-8 nevertheless."""
    if info.flag_bits & 0x800:
        return info.orig_filename
    try:
        return info.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.orig_filename


def is_folder(info: zipfile.ZipInfo) -> bool:
    """ZipInfo.is_dir itself breaks on a name that begins with a zero byte."""
    return info.orig_filename.endswith(("/", "\\"))


def is_regular(info: zipfile.ZipInfo) -> bool:
    """Whether it is a file that is no link, device or pipe, as Unix notes it; other systems have only files."""
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == _UNIX else 0
    return kind in (0, stat.S_IFREG)


def _refuse_endless_directory(stream: BinaryIO) -> None:
    """zipfile makes an object of every line of the table of contents before anybody can count them. Raises ValueError,
    BadZipFile."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _LONGEST_COMMENT - _END_SIZE - _ZIP64_SIZE))
    tail = stream.read()
    at = len(tail) - _END_SIZE
    if not (tail[at : at + 4] == _END and tail.endswith(b"\0\0")):
        at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_SIZE:
        raise zipfile.BadZipFile("it has no table of contents")
    (length,) = struct.unpack("<L", tail[at + 12 : at + 16])
    if length > limits.DIRECTORY or (at >= _ZIP64_SIZE and tail[at - _ZIP64_SIZE : at].startswith(_ZIP64)):
        raise ValueError(f"its table of contents is larger than {limits.DIRECTORY >> 20} MiB")
    stream.seek(0)


# -- tar


def _tar(stream: BinaryIO, pile: Pile) -> None:
    counted: Any = _Counted(unpacked(stream), [limits.INFLATED])
    # as a stream: one pass, nothing sought, and the count sees every byte
    with tarfile.open(fileobj=counted, mode="r|", bufsize=tarfile.RECORDSIZE) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # it would keep them all
            pile.look()
            where = pile.named(member.name)
            if not where or member.isdir() or any(map(names.is_skipped, where[:-1])):
                continue
            name = "/".join(where)
            if not member.isreg() or member.issparse():
                kind = "a link" if member.issym() or member.islnk() else "no regular file"
                pile.refuse(name, f"it is {kind}", "Hand in the file itself.")
            elif names.is_packed(name):
                pile.refuse(name, "an archive in an archive is not opened", "Hand in its files.")
            else:
                pile.take(where, lambda member=member: _member(archive, member))  # type: ignore[misc]


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """What is in it where gzip packed it, else the stream itself; at its beginning."""
    begins = stream.read(2)
    stream.seek(0)
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if begins == b"\x1f\x8b" else stream


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> AbstractContextManager[Readable]:
    return archive.extractfile(member) or nullcontext(io.BytesIO())


# -- counting


class _Counted:
    """A stream that counts what it gives against a budget shared with others. Raises Bomb."""

    def __init__(self, stream: IO[bytes], budget: list[int]) -> None:
        self._stream = stream
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size if size >= 0 else self._budget[0] + 1)
        self._budget[0] -= len(data)
        if self._budget[0] < 0:
            raise Bomb
        return data

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _counted(stream: IO[bytes], budget: list[int]) -> AbstractContextManager[Readable]:
    return _Counted(stream, budget)
