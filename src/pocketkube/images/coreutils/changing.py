"""cp, mv, rm, mkdir, rmdir, touch, ln, chmod, chown, mktemp, truncate, install, dd: what changes files."""

from __future__ import annotations

import posixpath
import random
import re
import string

from pocketkube.images.coreutils.listing import human
from pocketkube.images.coreutils.options import CHUNK, fail, name_of, parse, reason
from pocketkube.images.coreutils.system import _date_of, _names
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


def parse_mode(text: str, current: int, umask: int, *, folder: bool = False) -> int | None:
    """`755`, `u+x,go-w`, `a=rX`; None for what is no mode."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        return int(text, 8)
    for clause in text.split(","):
        found = re.fullmatch(r"([ugoa]*)((?:[-+=][rwxXst]*|[-+=][ugo])+)", clause)
        if not found:
            return None
        who = found.group(1)
        shifts = [shift for letter, shift in (("u", 6), ("g", 3), ("o", 0)) if letter in who or "a" in who or not who]
        for operator, letters in re.findall(r"([-+=])([rwxXstugo]*)", found.group(2)):
            bits = 0
            for letter in letters:
                if letter in "ugo":
                    bits |= current >> {"u": 6, "g": 3, "o": 0}[letter] & 7
                elif letter == "X":
                    bits |= 1 if folder or current & 0o111 else 0
                else:
                    bits |= {"r": 4, "w": 2, "x": 1}.get(letter, 0)
            mask = 0
            for shift in shifts:
                mask |= bits << shift
            if not who:
                mask &= ~umask
            if "s" in letters:
                mask |= (0o4000 if 6 in shifts else 0) | (0o2000 if 3 in shifts else 0)
            if "t" in letters:
                mask |= 0o1000
            if operator == "+":
                current |= mask
            elif operator == "-":
                current &= ~mask
            else:
                clear = 0
                for shift in shifts:
                    clear |= 7 << shift
                current = current & ~clear | mask
    return current & 0o7777


async def mkdir(process: Process) -> int:
    options = await parse(process, "pm:v", {"parents": "p", "mode": "m", "verbose": "v"})
    if not options.rest:
        await fail(process, "missing operand")
    status = 0
    for path in options.rest:
        try:
            process.fs.mkdir(path, parents="p" in options)
            if "m" in options:
                mode = parse_mode(options.get("m"), 0o777, process.umask, folder=True)
                if mode is None:
                    await fail(process, f"invalid mode '{options.get('m')}'")
                process.fs.chmod(path, mode or 0)
        except OSError as error:
            await _complain(process, error, f"can't create directory '{path}'")
            status = 1
    return status


async def rmdir(process: Process) -> int:
    options = await parse(process, "pv", {"parents": "p", "ignore-fail-on-non-empty": "v"})
    status = 0
    for path in options.rest:
        at = path
        while at not in ("", "/"):
            try:
                process.fs.rmdir(at)
            except OSError as error:
                if not ("v" in options and error.errno == 39):
                    await process.error(f"rmdir: '{at}': {reason(error)}")
                    status = 1
                break
            at = posixpath.dirname(at.rstrip("/")) if "p" in options else ""
    return status


async def touch(process: Process) -> int:
    options = await parse(process, "cmafd:t:r:h", {"no-create": "c", "date": "d", "reference": "r"})
    if not options.rest:
        await fail(process, "missing operand")
    now = process.clock.time()
    times = (now, now)
    if "r" in options:
        try:
            found = process.fs.stat(options.get("r"))
        except OSError as error:
            await fail(process, f"{options.get('r')}: {reason(error)}")
            raise
        times = (found.atime, found.mtime)
    if "d" in options or "t" in options:
        from datetime import UTC, datetime

        text = options.get("d") or re.sub(
            r"^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?$", r"\1-\2-\3 \4:\5", options.get("t")
        )
        given = _date_of(text, datetime.fromtimestamp(now, UTC))
        if given is None:
            await fail(process, f"invalid date '{text}'")
        assert given is not None
        times = (given.timestamp(), given.timestamp())
    status = 0
    for path in options.rest:
        try:
            if not process.fs.exists(path):
                if "c" in options:
                    continue
                process.fs.open(path, "a").close()
            process.fs.utime(path, times)
        except OSError as error:
            await process.error(f"touch: {path}: {reason(error)}")
            status = 1
    return status


async def ln(process: Process) -> int:
    options = await parse(process, "sfnbTv", {"symbolic": "s", "force": "f", "no-dereference": "n"})
    words = options.rest
    if not words:
        await fail(process, "missing operand")
    targets, where = (words[:-1], words[-1]) if len(words) > 1 else (words, ".")
    status = 0
    for target in targets:
        into = process.fs.is_dir(where) and not ("n" in options and process.fs.is_symlink(where)) and "T" not in options
        path = posixpath.join(where, posixpath.basename(target.rstrip("/"))) if into else where
        try:
            if "f" in options and process.fs.lexists(path):
                process.fs.unlink(path)
            if "s" in options:
                process.fs.symlink(target, path)
            else:
                process.fs.link(target, path)
        except OSError as error:
            await process.error(f"ln: {path}: {reason(error)}")
            status = 1
    return status


async def _each(process: Process, paths: list[str], deep: bool, change: object) -> int:
    status = 0
    waiting = list(paths)
    while waiting:
        path = waiting.pop(0)
        try:
            change(path)  # type: ignore[operator]
            if deep and process.fs.is_dir(path) and not process.fs.is_symlink(path):
                waiting += [f"{path.rstrip('/')}/{name}" for name in process.fs.listdir(path)]
        except OSError as error:
            await process.error(f"{name_of(process)}: {path}: {reason(error)}")
            status = 1
    return status


async def chmod(process: Process) -> int:
    words = process.argv[1:]
    deep = False
    while words and re.fullmatch(r"-[Rvcf]+", words[0]):
        deep = deep or "R" in words[0]
        words.pop(0)
    if len(words) < 2:
        await fail(process, "missing operand")
    text = words[0]
    if parse_mode(text, 0, 0) is None:
        await fail(process, f"invalid mode '{text}'")

    def change(path: str) -> None:
        found = process.fs.stat(path)
        process.fs.chmod(path, parse_mode(text, found.mode, process.umask, folder=found.kind == "directory") or 0)

    return await _each(process, words[1:], deep, change)


async def chown(process: Process) -> int:
    options = await parse(process, "RhLHPcfv", {"recursive": "R", "no-dereference": "h"})
    if len(options.rest) < 2:
        await fail(process, "missing operand")
    owner, _, group = options.rest[0].replace(".", ":", 1).partition(":")
    if name_of(process) == "chgrp":
        owner, group = "", options.rest[0]
    uid = await _number(process, owner, "/etc/passwd", "user")
    gid = await _number(process, group, "/etc/group", "group")
    return await _each(
        process, options.rest[1:], "R" in options, lambda path: process.fs.chown(path, uid, gid, "h" not in options)
    )


async def _number(process: Process, text: str, path: str, what: str) -> int:
    if not text:
        return -1
    if text.isdecimal():
        return int(text)
    found = {name: number for number, name in _names(process, path).items()}
    if text not in found:
        await fail(process, f"unknown {what} {text}")
    return found[text]


async def mktemp(process: Process) -> int:
    options = await parse(process, "dqup:t", {"directory": "d", "tmpdir": "p"})
    template = options.rest[0] if options.rest else "tmp.XXXXXX"
    folder = options.get("p") or process.env.get("TMPDIR", "/tmp")
    if not options.rest or "t" in options or "p" in options:
        template = posixpath.join(folder, template)
    if not template.endswith("XXXXXX"):
        await fail(process, f"{template}: Invalid argument")
    stem = template.rstrip("X")
    count = len(template) - len(stem)
    for _ in range(100):
        path = stem + "".join(random.choices(string.ascii_letters + string.digits, k=count))
        try:
            if "d" in options:
                process.fs.mkdir(path, 0o700)
            else:
                process.fs.open(path, "x", permissions=0o600).close()
        except FileExistsError:
            continue
        except OSError as error:
            await fail(process, f"{template}: {reason(error)}")
        await process.print(path)
        return 0
    return 1


async def truncate(process: Process) -> int:
    options = await parse(process, "cs:", {"size": "s", "no-create": "c"})
    found = re.fullmatch(r"(\d+)([kKmMgG]?)B?", options.get("s", ""))
    if not found:
        await fail(process, f"invalid number '{options.get('s', '')}'")
    assert found is not None
    size = int(found.group(1)) * {"": 1, "k": 1024, "m": 2**20, "g": 2**30}[found.group(2).lower()]
    for path in options.rest:
        try:
            if not process.fs.exists(path):
                if "c" in options:
                    continue
                process.fs.open(path, "a").close()
            process.fs.truncate(path, size)
        except OSError as error:
            await fail(process, f"{path}: {reason(error)}")
    return 0


_DD_UNITS = {
    "": 1,
    "c": 1,
    "w": 2,
    "b": 512,
    "k": 1024,
    "K": 1024,
    "kB": 1000,
    "M": 2**20,
    "MB": 10**6,
    "G": 2**30,
    "GB": 10**9,
}


def _dd_number(text: str) -> int | None:
    found = re.fullmatch(r"(\d+)([a-zA-Z]*)", text)
    return int(found.group(1)) * _DD_UNITS[found.group(2)] if found and found.group(2) in _DD_UNITS else None


async def dd(process: Process) -> int:
    values: dict[str, str] = {}
    for word in process.argv[1:]:
        name, equals, value = word.partition("=")
        if not equals or name not in (
            "if",
            "of",
            "bs",
            "ibs",
            "obs",
            "count",
            "skip",
            "seek",
            "conv",
            "status",
            "iflag",
            "oflag",
        ):
            await fail(process, f"invalid argument '{word}'")
        values[name] = value
    numbers: dict[str, int] = {}
    for name in ("bs", "ibs", "count", "skip", "seek"):
        if name in values:
            number = _dd_number(values[name])
            if number is None:
                await fail(process, f"invalid number '{values[name]}'")
            numbers[name] = number or 0
    size = numbers.get("bs") or numbers.get("ibs") or 512
    flags = set(values.get("conv", "").split(","))
    source = target = None
    try:
        if "if" in values:
            source = process.fs.open(values["if"])
    except OSError as error:
        await fail(process, f"can't open '{values['if']}': {reason(error)}")
    try:
        if "of" in values:
            keep = "notrunc" in flags or numbers.get("seek")
            if keep and not process.fs.exists(values["of"]):
                process.fs.open(values["of"], "w").close()
            target = process.fs.open(values["of"], "r+" if keep else "w")
            if numbers.get("seek"):
                target.seek(numbers["seek"] * size)
                if "notrunc" not in flags:
                    target.truncate()
    except OSError as error:
        if not isinstance(error, OSError) or error.errno != 29:
            await fail(process, f"can't open '{values['of']}': {reason(error)}")
    reader, writer = source or process.stdin, target or process.stdout
    started = process.clock.monotonic()
    full = partial = total = 0
    out_full = out_partial = 0
    failed = ""
    for _ in range(numbers.get("skip", 0)):
        if not await reader.read(size):
            break
    while "count" not in numbers or full + partial < numbers["count"]:
        data = await _block(reader, size, whole=source is not None or "fullblock" in values.get("iflag", ""))
        if not data:
            break
        full, partial = (full + 1, partial) if len(data) == size else (full, partial + 1)
        if "sync" in flags:
            data = data.ljust(size, b"\0")
        try:
            await writer.write(data)
        except OSError as error:
            failed = f"error writing '{values.get('of', 'standard output')}': {reason(error)}"
            break
        total += len(data)
        out_full, out_partial = (out_full + 1, out_partial) if len(data) == size else (out_full, out_partial + 1)
    for opened in (source, target):
        if opened is not None:
            opened.close()
    if failed:
        await process.error(f"dd: {failed}")
    if values.get("status") != "none":
        await process.error(f"{full}+{partial} records in\n{out_full}+{out_partial} records out")
        if values.get("status") != "noxfer":
            spent = max(process.clock.monotonic() - started, 1e-6)
            await process.error(
                f"{total} bytes ({human(total)}B) copied, {spent:.6f} seconds, {human(total / spent)}B/s"
            )
    return 1 if failed else 0


async def _block(reader: object, size: int, *, whole: bool) -> bytes:
    data: bytes = await reader.read(size)  # type: ignore[attr-defined]
    while whole and data and len(data) < size:
        more: bytes = await reader.read(size - len(data))  # type: ignore[attr-defined]
        if not more:
            break
        data += more
    return data


async def install(process: Process) -> int:
    options = await parse(process, "dDm:o:g:cpst:", {"directory": "d", "mode": "m"})
    mode = parse_mode(options.get("m", "755"), 0, 0) or 0o755
    if "d" in options:
        for path in options.rest:
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


COMMANDS: dict[str, Command] = {
    "cp": cp, "mv": mv, "rm": rm, "mkdir": mkdir, "rmdir": rmdir, "touch": touch, "ln": ln, "chmod": chmod,
    "chown": chown, "chgrp": chown, "mktemp": mktemp, "truncate": truncate, "dd": dd, "install": install,
}  # fmt: skip
