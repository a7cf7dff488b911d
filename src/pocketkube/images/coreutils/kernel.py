"""sysctl: kernel parameters of the pod, read from /proc/sys.

Left out: writing them, which a container without privileges cannot, and -p.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube.images.coreutils.options import parse, reason
from pocketkube.kubelet.process import Command, Process

_ROOT = "/proc/sys"


async def sysctl(process: Process) -> int:
    options = await parse(process, "neaqw", {"values": "n", "ignore": "e", "all": "a", "quiet": "q", "write": "w"})
    names = sorted(_all(process, _ROOT)) if "a" in options else options.rest
    status = 0
    for name in names:
        key, writes, _ = name.partition("=")
        key = key.replace("/", ".")
        path = f"{_ROOT}/{key.replace('.', '/')}"
        try:
            if writes:
                process.fs.stat(path)
                await process.error(f"sysctl: error setting key '{key}': Read-only file system")
                status = 1
                continue
            value = process.fs.read_bytes(path).decode().rstrip("\n")
        except FileNotFoundError:
            if "e" not in options:
                await process.error(f"sysctl: error: '{key}' is an unknown key")
                status = 1
            continue
        except OSError as error:
            await process.error(f"sysctl: error reading key '{key}': {reason(error)}")
            status = 1
            continue
        await process.print(value if "n" in options else f"{key} = {value}")
    return status


def _all(process: Process, folder: str) -> Iterator[str]:
    for name in process.fs.listdir(folder):
        path = f"{folder}/{name}"
        if process.fs.is_dir(path):
            yield from _all(process, path)
        else:
            yield path.removeprefix(f"{_ROOT}/").replace("/", ".")


COMMANDS: dict[str, Command] = {"sysctl": sysctl}
