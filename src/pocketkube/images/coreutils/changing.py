"""mkdir, rmdir, touch, ln, mktemp, truncate: what makes and changes names."""

from __future__ import annotations

import posixpath
import random
import re
import string

from pocketkube.images.coreutils.copying import _complain
from pocketkube.images.coreutils.options import fail, parse, reason
from pocketkube.images.coreutils.permissions import parse_mode
from pocketkube.images.coreutils.system import _date_of
from pocketkube.kubelet.process import Command, Process


async def mkdir(process: Process) -> int:
    options = await parse(process, "pm:v", {"parents": "p", "mode": "m", "verbose": "v"})
    if not options.rest:
        await fail(process, "missing operand")
    status = 0
    for path in options.rest:
        await process.turn()
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
        await process.turn()
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
        await process.turn()
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
        await process.turn()
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
        await process.turn()
        try:
            if not process.fs.exists(path):
                if "c" in options:
                    continue
                process.fs.open(path, "a").close()
            process.fs.truncate(path, size)
        except OSError as error:
            await fail(process, f"{path}: {reason(error)}")
    return 0


COMMANDS: dict[str, Command] = {
    "mkdir": mkdir,
    "rmdir": rmdir,
    "touch": touch,
    "ln": ln,
    "mktemp": mktemp,
    "truncate": truncate,
}
