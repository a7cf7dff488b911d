"""cp, mv, rm, install: what moves files about."""

from __future__ import annotations

import posixpath

from pocketkube.images.coreutils.options import CHUNK, fail, name_of, parse, reason
from pocketkube.images.coreutils.permissions import parse_mode
from pocketkube.kubelet.process import Command, Process


async def _complain(process: Process, error: OSError, text: str) -> None:
    await process.error(f"{name_of(process)}: {text}: {reason(error)}")


def _target(process: Process, source: str, target: str) -> str:
    if process.fs.is_dir(target):
        return posixpath.join(target, posixpath.basename(source.rstrip("/")))
    return target


async def cp(process: Process) -> int:
    long = {
        "recursive": "r",
        "archive": "a",
        "force": "f",
        "preserve": "p",
        "parents": "P",
        "verbose": "v",
        "update": "u",
    }
    options = await parse(process, "arRdLHPpfilsTt:uvn", long)
    words = options.rest
    if "t" in options:
        words = [*words, options.get("t")]
    if len(words) < 2:
        await fail(process, "missing operand" if not words else f"missing destination file operand after '{words[0]}'")
    *sources, target = words
    if len(sources) > 1 and not process.fs.is_dir(target):
        await fail(process, f"target '{target}' is not a directory")
    deep = bool({"a", "r", "R"} & set(options.given))
    keep = bool({"a", "p"} & set(options.given))
    status = 0
    for source in sources:
        to = target if "T" in options else _target(process, source, target)
        if "n" in options and process.fs.lexists(to):
            continue
        if not await _copy(process, source, to, deep=deep, keep=keep, links=deep and "L" not in options):
            status = 1
    return status


async def _copy(process: Process, source: str, target: str, *, deep: bool, keep: bool, links: bool) -> bool:
    fs = process.fs
    await process.turn()
    try:
        found = fs.stat(source, not links)
    except OSError as error:
        await _complain(process, error, f"can't stat '{source}'")
        return False
    if found.kind == "directory":
        if not deep:
            await process.error(f"{name_of(process)}: omitting directory '{source}'")
            return False
        inside = fs.realpath(source)
        if (fs.realpath(posixpath.dirname(target) or ".") + "/").startswith(inside + "/"):
            await process.error(f"{name_of(process)}: recursion detected, omitting directory '{source}'")
            return False
        try:
            if not fs.is_dir(target):
                fs.mkdir(target, found.mode | 0o700)
            names = fs.listdir(source)
        except OSError as error:
            await _complain(process, error, f"can't create directory '{target}'")
            return False
        done = [
            await _copy(process, f"{source}/{name}", f"{target}/{name}", deep=deep, keep=keep, links=links)
            for name in names
        ]
        fine = all(done)
    elif found.kind == "symlink":
        try:
            if fs.lexists(target):
                fs.unlink(target)
            fs.symlink(fs.readlink(source), target)
        except OSError as error:
            await _complain(process, error, f"can't create symlink '{target}'")
            return False
        return True
    else:
        fine = await _copy_file(process, source, target, found.mode)
    if fine:
        try:
            if keep:
                fs.chmod(target, found.mode)
                fs.chown(target, found.uid, found.gid)
                fs.utime(target, (found.atime, found.mtime))
        except OSError as error:
            await _complain(process, error, f"can't preserve times of '{target}'")
    return fine


async def _copy_file(process: Process, source: str, target: str, mode: int) -> bool:
    fs = process.fs
    if fs.exists(target):
        same, other = fs.stat(source), fs.stat(target)
        if (same.dev, same.ino) == (other.dev, other.ino):
            await process.error(f"{name_of(process)}: '{source}' and '{target}' are the same file")
            return False
    try:
        reader = fs.open(source)
    except OSError as error:
        await _complain(process, error, f"can't open '{source}'")
        return False
    with reader:
        try:
            writer = fs.open(target, "w", permissions=mode & 0o777)
        except OSError as error:
            await _complain(process, error, f"can't create '{target}'")
            return False
        with writer:
            try:
                while data := await reader.read(CHUNK):
                    await writer.write(data)
            except OSError as error:
                await _complain(process, error, "write error" if error.errno != 21 else "read error")
                return False
    return True


async def mv(process: Process) -> int:
    options = await parse(process, "finTt:v", {"force": "f", "no-clobber": "n", "verbose": "v"})
    words = options.rest
    if "t" in options:
        words = [*words, options.get("t")]
    if len(words) < 2:
        await fail(process, "missing operand" if not words else f"missing destination file operand after '{words[0]}'")
    *sources, target = words
    if len(sources) > 1 and not process.fs.is_dir(target):
        await fail(process, f"target '{target}' is not a directory")
    status = 0
    for source in sources:
        await process.turn()
        to = target if "T" in options else _target(process, source, target)
        if "n" in options and process.fs.lexists(to):
            continue
        try:
            process.fs.rename(source, to)
        except OSError as error:
            if error.errno != 18:
                await _complain(process, error, f"can't rename '{source}'")
                status = 1
            elif await _copy(process, source, to, deep=True, keep=True, links=True):
                await _remove(process, source, force=True, deep=True)
            else:
                status = 1
    return status


async def rm(process: Process) -> int:
    options = await parse(process, "firRv", {"recursive": "r", "force": "f", "verbose": "v"})
    force = "f" in options
    if not options.rest and not force:
        await fail(process, "missing operand")
    status = 0
    for path in options.rest:
        if posixpath.basename(path.rstrip("/")) in (".", ".."):
            await process.error("rm: can't remove '.' or '..'")
            status = 1
        elif not await _remove(process, path, force=force, deep=bool({"r", "R"} & set(options.given))):
            status = 1
    return status


async def _remove(process: Process, path: str, *, force: bool, deep: bool) -> bool:
    fs = process.fs
    await process.turn()
    try:
        found = fs.stat(path, False)
        if found.kind == "directory":
            if not deep:
                await process.error(f"{name_of(process)}: '{path}' is a directory")
                return False
            fine = True
            for name in fs.listdir(path):
                fine = await _remove(process, f"{path.rstrip('/')}/{name}", force=force, deep=True) and fine
            if fine:
                fs.rmdir(path)
            return fine
        fs.unlink(path)
    except FileNotFoundError as error:
        if not force:
            await _complain(process, error, f"can't remove '{path}'")
        return force
    except OSError as error:
        await _complain(process, error, f"can't remove '{path}'")
        return False
    return True


async def install(process: Process) -> int:
    options = await parse(process, "dDm:o:g:cpst:", {"directory": "d", "mode": "m"})
    mode = parse_mode(options.get("m", "755"), 0, 0) or 0o755
    if "d" in options:
        for path in options.rest:
            await process.turn()
            process.fs.mkdir(path, parents=True)
            process.fs.chmod(path, mode)
        return 0
    *sources, target = options.rest
    for source in sources:
        to = _target(process, source, target)
        if "D" in options:
            process.fs.mkdir(posixpath.dirname(to) or ".", parents=True)
        if not await _copy_file(process, source, to, mode):
            return 1
        process.fs.chmod(to, mode)
    return 0


COMMANDS: dict[str, Command] = {"cp": cp, "mv": mv, "rm": rm, "install": install}
