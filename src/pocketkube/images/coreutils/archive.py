"""tar, gzip, gunzip, zcat: archives made of and unpacked to the container's files (`kubectl cp` runs tar)."""

from __future__ import annotations

import gzip
import io
import posixpath
import stat
import tarfile
import zlib

from pocketkube.images.coreutils.options import Options, fail, name_of, parse, reason, whole
from pocketkube.images.coreutils.system import group_name, user_name
from pocketkube.images.shell.patterns import matches
from pocketkube.kubelet.process import Command, Process


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
    buffer = io.BytesIO()
    state = {"status": 0, "told": False}
    with tarfile.open(fileobj=buffer, mode="w:gz" if "z" in options else "w", format=tarfile.GNU_FORMAT) as archive:
        for path in options.rest:
            await _add(process, archive, path, options, state)
    name = options.get("f", "-")
    if name == "-":
        data = buffer.getvalue()
        for at in range(0, len(data), 65536):
            await process.stdout.write(data[at : at + 65536])
    else:
        try:
            process.fs.write_bytes(name, buffer.getvalue())
        except OSError as error:
            await fail(process, f"can't open '{name}': {reason(error)}")
    if state["status"]:
        await process.error("tar: error exit delayed from previous errors")
    return int(state["status"])


async def _add(process: Process, archive: tarfile.TarFile, path: str, options: Options, state: dict[str, int]) -> None:
    fs = process.fs
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
        archive.addfile(member)
        for inner in fs.listdir(path):
            await _add(process, archive, posixpath.join(path, inner), options, state)
    elif found.kind == "symlink":
        member.type, member.linkname = tarfile.SYMTYPE, fs.readlink(path)
        archive.addfile(member)
    elif found.kind == "file":
        try:
            data = fs.read_bytes(path)
        except OSError as error:
            await process.error(f"tar: can't open '{path}': {reason(error)}")
            state["status"] = 1
            return
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


async def _read(process: Process, options: Options, *, extract: bool) -> int:
    name = options.get("f", "-")
    try:
        data = await whole(process, name)
    except OSError as error:
        await fail(process, f"can't open '{name}': {reason(error)}")
        raise
    if not data:
        await fail(process, "short read")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            wanted = [word.rstrip("/") for word in options.rest]
            seen: set[str] = set()
            for member in archive:
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
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
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
    data = content.read() if content is not None else b""
    if "O" in options and member.isfile():
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
            fs.write_bytes(path, data)
        fs.chmod(path, member.mode & (0o7777 if process.uid == 0 or "p" in options else ~process.umask & 0o777))
        if process.uid == 0 and "o" not in options:
            fs.chown(path, member.uid, member.gid)
        if "m" not in options:
            fs.utime(path, (member.mtime, member.mtime))
    except OSError as error:
        verb = "can't create directory" if member.isdir() else "can't open"
        await fail(process, f"{verb} '{path}': {reason(error)}")


async def gzip_(process: Process) -> int:
    name = name_of(process)
    options = await parse(process, "cdfkt123456789vn", {"decompress": "d", "stdout": "c", "keep": "k", "force": "f"})
    unpack = "d" in options or name in ("gunzip", "zcat")
    status = 0
    for path in options.rest or ["-"]:
        try:
            data = await whole(process, path)
            data = gzip.decompress(data) if unpack else gzip.compress(data, 6, mtime=0)
        except (OSError, EOFError, zlib.error) as error:
            text = reason(error) if isinstance(error, OSError) and error.errno else "invalid magic"
            await process.error(f"{name}: {path + ': ' if path != '-' else ''}{text}")
            status = 1
            continue
        if path == "-" or "c" in options or name == "zcat":
            await process.stdout.write(data)
            continue
        target = path.removesuffix(".gz") if unpack else path + ".gz"
        process.fs.write_bytes(target, data)
        if "k" not in options:
            process.fs.unlink(path)
    return status


COMMANDS: dict[str, Command] = {"tar": tar, "gzip": gzip_, "gunzip": gzip_, "zcat": gzip_}
