"""tar, gzip, gunzip, zcat: archives made of and unpacked to the container's files (`kubectl cp` runs tar)."""

from __future__ import annotations

import bz2
import io
import lzma
import posixpath
import stat
import tarfile
import zlib
from typing import Any

from pocketkube.images.coreutils.options import CHUNK, Options, fail, hold, name_of, parse, reason, whole
from pocketkube.images.coreutils.system import group_name, user_name
from pocketkube.images.shell.patterns import matches
from pocketkube.kubelet.process import Command, Process

_GZIP, _GZIP_MAGIC = 31, b"\x1f\x8b"
"""What zlib is told, and how such a file begins."""
_UNPACKERS: dict[bytes, Any] = {
    _GZIP_MAGIC: lambda: zlib.decompressobj(_GZIP),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
}


async def tar(process: Process) -> int:
    if len(process.argv) > 1 and not process.argv[1].startswith("-"):
        process.argv[1] = "-" + process.argv[1]
    long = {
        "create": "c", "extract": "x", "get": "x", "list": "t", "file": "f", "verbose": "v", "gzip": "z",
        "directory": "C",
        "exclude": "e", "same-permissions": "p", "no-same-owner": "o", "no-same-permissions": "m",
        "strip-components": "S",
        "overwrite": "O", "to-stdout": "O", "touch": "m", "dereference": "h", "keep-old-files": "k",
        "numeric-owner": "n", "absolute-names": "P",
    }  # fmt: skip
    options = await parse(process, "cxtf:vzC:e*pomS:OhkT:nPaj", long)
    modes = [letter for letter in "cxt" if letter in options]
    if len(modes) != 1:
        await process.error("Usage: tar c|x|t [-ZzJjahmvokO] [-f TARFILE] [-C DIR] [-T FILE] [-X FILE] [FILE]...")
        return 1
    if "C" in options:
        if not process.fs.is_dir(options.get("C")):
            await fail(process, f"can't change directory to '{options.get('C')}': No such file or directory")
        process.cwd = process.path(options.get("C"))
    if "T" in options:
        options.rest += (await whole(process, options.get("T"))).decode().splitlines()
    if modes == ["c"]:
        return await _create(process, options)
    return await _read(process, options, extract=modes == ["x"])


async def _create(process: Process, options: Options) -> int:
    if not options.rest:
        await fail(process, "empty archive")
    name = options.get("f", "-")
    try:
        archive = _Archive(process, process.stdout if name == "-" else process.fs.open(name, "w"), "z" in options)
    except OSError as error:
        await fail(process, f"can't open '{name}': {reason(error)}")
        raise
    state = {"status": 0, "told": False}
    try:
        for path in options.rest:
            await _add(process, archive, path, options, state)
        await archive.end()
    except _NotWritten as failure:
        await fail(process, f"write error: {reason(failure.error)}")
    finally:
        if name != "-":
            archive.out.close()
    if state["status"]:
        await process.error("tar: error exit delayed from previous errors")
    return int(state["status"])


class _NotWritten(Exception):
    def __init__(self, error: OSError) -> None:
        self.error = error


class _Archive:
    """A tar archive as it is written: nothing of it is kept, however large what goes in is."""

    def __init__(self, process: Process, out: Any, packed: bool) -> None:
        self.out = out
        self._process = process
        self._packer = zlib.compressobj(6, wbits=_GZIP) if packed else None
        self._size = 0

    async def add(self, member: tarfile.TarInfo) -> None:
        await self.write(member.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape"))

    async def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._packer is not None:
            data = self._packer.compress(data)
        await self._put(data)

    async def _put(self, data: bytes) -> None:
        await self._process.turn()
        try:
            for at in range(0, len(data), CHUNK):
                await self.out.write(data[at : at + CHUNK])
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _NotWritten(error) from error

    async def fill(self, unit: int) -> None:
        await self.write(bytes(-self._size % unit))

    async def end(self) -> None:
        await self.write(bytes(2 * tarfile.BLOCKSIZE))
        await self.fill(tarfile.RECORDSIZE)
        if self._packer is not None:
            await self._put(self._packer.flush())


async def _add(process: Process, archive: _Archive, path: str, options: Options, state: dict[str, int]) -> None:
    fs = process.fs
    await process.turn()
    if any(matches(pattern, path) or matches(pattern, posixpath.basename(path)) for pattern in options.get("e", [])):
        return
    try:
        found = fs.stat(path, "h" in options)
    except OSError as error:
        await process.error(f"tar: {path}: {reason(error)}")
        state["status"] = 1
        return
    name = path.lstrip("/")
    if name != path and not state["told"]:
        state["told"] = True
        await process.error("tar: removing leading '/' from member names")
    member = tarfile.TarInfo(name or "./")
    member.mode, member.uid, member.gid, member.mtime = found.mode, found.uid, found.gid, int(found.mtime)
    member.uname, member.gname = user_name(process, found.uid) or "", group_name(process, found.gid) or ""
    if "v" in options:
        await process.error(path)
    if found.kind == "directory":
        member.type = tarfile.DIRTYPE
        await archive.add(member)
        for inner in fs.listdir(path):
            await _add(process, archive, posixpath.join(path, inner), options, state)
    elif found.kind == "symlink":
        member.type, member.linkname = tarfile.SYMTYPE, fs.readlink(path)
        await archive.add(member)
    elif found.kind == "file":
        try:
            file = fs.open(path)
        except OSError as error:
            await process.error(f"tar: can't open '{path}': {reason(error)}")
            state["status"] = 1
            return
        with file:
            member.size = left = found.size
            await archive.add(member)
            while left:  # as much as was said, whatever becomes of the file meanwhile
                data = await file.read(min(CHUNK, left)) or bytes(min(CHUNK, left))
                await archive.write(data)
                left -= len(data)
        await archive.fill(tarfile.BLOCKSIZE)


async def _read(process: Process, options: Options, *, extract: bool) -> int:
    name = options.get("f", "-")
    try:
        data = await _unpacked(process, name)
    except OSError as error:
        await fail(process, f"can't open '{name}': {reason(error)}")
        raise
    except _Damaged:
        await fail(process, "invalid tar magic")
        raise
    if not data:
        await fail(process, "short read")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            wanted = [word.rstrip("/") for word in options.rest]
            seen: set[str] = set()
            for member in archive:
                await process.turn()
                inside = [word for word in wanted if member.name == word or member.name.startswith(word + "/")]
                if wanted and not inside:
                    continue
                seen.update(inside)
                if not extract:
                    await process.print(_listed(member) if "v" in options else _name(member))
                    continue
                if "v" in options:
                    await process.print(_name(member))
                await _extract(process, archive, member, options)
    except (tarfile.TarError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        await fail(process, "invalid tar magic")
        raise
    missing = [word for word in wanted if word not in seen]
    for word in missing:
        await process.error(f"tar: {word}: not found in archive")
    return 1 if missing else 0


def _name(member: tarfile.TarInfo) -> str:
    return member.name + "/" if member.isdir() and not member.name.endswith("/") else member.name


def _listed(member: tarfile.TarInfo) -> str:
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(member.mtime, UTC).strftime("%Y-%m-%d %H:%M:%S")
    kind = "d" if member.isdir() else "l" if member.issym() else "-"
    owner = f"{member.uname or member.uid}/{member.gname or member.gid}"
    return f"{kind}{stat.filemode(member.mode)[1:]} {owner} {member.size:9d} {when} {_name(member)}" + (
        f" -> {member.linkname}" if member.issym() else ""
    )


async def _extract(process: Process, archive: tarfile.TarFile, member: tarfile.TarInfo, options: Options) -> None:
    fs = process.fs
    parts = [part for part in member.name.split("/") if part not in ("", ".")][int(options.get("S", 0)) :]
    if ".." in parts:
        await fail(process, f"name with '..' skipped: {member.name}")
    path = "/".join(parts)
    content = archive.extractfile(member) if member.isfile() else None
    if "O" in options and content is not None:
        while data := content.read(CHUNK):
            await process.stdout.write(data)
        return
    if not path:
        return
    try:
        if member.isdir():
            fs.mkdir(path, parents=True)
        else:
            above = posixpath.dirname(path)
            if above:
                fs.mkdir(above, parents=True)
            if fs.lexists(path) and not fs.is_dir(path):
                if "k" in options:
                    return
                fs.unlink(path)
            if member.issym():
                fs.symlink(member.linkname, path)
                return
            if member.islnk():
                fs.link(member.linkname, path)
                return
            with fs.open(path, "w") as file:
                while content is not None and (data := content.read(CHUNK)):
                    await file.write(data)
        fs.chmod(path, member.mode & (0o7777 if process.uid == 0 or "p" in options else ~process.umask & 0o777))
        if process.uid == 0 and "o" not in options:
            fs.chown(path, member.uid, member.gid)
        if "m" not in options:
            fs.utime(path, (member.mtime, member.mtime))
    except OSError as error:
        verb = "can't create directory" if member.isdir() else "can't open"
        await fail(process, f"{verb} '{path}': {reason(error)}")


class _Damaged(Exception):
    """What looks packed, and is not."""


async def _unpacked(process: Process, path: str) -> bytes:
    """All of a file as `whole` has it, unpacked when it is packed, and as much at most. Raises OSError, _Damaged."""
    data = await whole(process, path)
    for magic, make in _UNPACKERS.items():
        if data.startswith(magic):
            return await _unpack(process, data, make)
    return data


async def _unpack(process: Process, data: bytes, make: Any) -> bytes:
    """A few bytes can be packed gigabytes: they are unpacked piece by piece, until they are too many."""
    found = bytearray()
    try:
        while data:
            unpacker = make()
            while not unpacker.eof:
                piece = unpacker.decompress(data, CHUNK)
                # zlib hands back what it has not looked at, the others keep it
                data = getattr(unpacker, "unconsumed_tail", b"")
                if not piece and not data and getattr(unpacker, "needs_input", True) and not unpacker.eof:
                    raise _Damaged
                found += piece
                await hold(process, len(piece), len(found))
                await process.turn()
            data = unpacker.unused_data.lstrip(b"\0")
    except (zlib.error, lzma.LZMAError, OSError) as error:
        raise _Damaged from error
    return bytes(found)


async def _pack(process: Process, data: bytes) -> bytes:
    packer = zlib.compressobj(6, wbits=_GZIP)
    packed = []
    for at in range(0, len(data), CHUNK):
        packed.append(packer.compress(data[at : at + CHUNK]))
        await process.turn()
    return b"".join((*packed, packer.flush()))


async def gzip_(process: Process) -> int:
    name = name_of(process)
    options = await parse(process, "cdfkt123456789vn", {"decompress": "d", "stdout": "c", "keep": "k", "force": "f"})
    unpack = "d" in options or name in ("gunzip", "zcat")
    status = 0
    for path in options.rest or ["-"]:
        try:
            data = await whole(process, path)
            if unpack and not data.startswith(_GZIP_MAGIC):
                raise _Damaged
            data = await _unpack(process, data, _UNPACKERS[_GZIP_MAGIC]) if unpack else await _pack(process, data)
        except (OSError, _Damaged) as error:
            text = reason(error) if isinstance(error, OSError) else "invalid magic"
            await process.error(f"{name}: {path + ': ' if path != '-' else ''}{text}")
            status = 1
            continue
        if path == "-" or "c" in options or name == "zcat":
            for at in range(0, len(data), CHUNK):
                await process.stdout.write(data[at : at + CHUNK])
            continue
        target = path.removesuffix(".gz") if unpack else path + ".gz"
        try:
            with process.fs.open(target, "w") as file:
                for at in range(0, len(data), CHUNK):
                    await file.write(data[at : at + CHUNK])
        except OSError as error:
            await process.error(f"{name}: {target}: {reason(error)}")
            status = 1
            continue
        if "k" not in options:
            process.fs.unlink(path)
    return status


COMMANDS: dict[str, Command] = {"tar": tar, "gzip": gzip_, "gunzip": gzip_, "zcat": gzip_}
