"""redis-server's command line and configuration file: `NAME VALUE` lines, and only the settings that are obeyed."""

from __future__ import annotations

import os

from pocketkube.images.programs.redis.server import VERSION, Server
from pocketkube.kubelet.process import Process

DEFAULTS = {
    "port": "6379", "dir": "/data", "dbfilename": "dump.rdb", "appendonly": "no", "appendfilename": "appendonly.aof",
    "appenddirname": "appendonlydir", "save": "3600 1 300 100 60 10000", "requirepass": "", "bind": "* -::*",
    "maxmemory": "0", "maxmemory-policy": "noeviction", "databases": "16", "protected-mode": "no", "daemonize": "no",
    "appendfsync": "everysec", "timeout": "0", "loglevel": "notice",
}  # fmt: skip


async def main(process: Process) -> int:
    """`redis-server [FILE] [--NAME VALUE]...`."""
    settings = dict(DEFAULTS)
    words = process.argv[1:]
    if words[:1] in (["-v"], ["--version"]):
        await process.print(f"Redis server v={VERSION} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0")
        return 0
    lines: list[list[str]] = []
    if words and not words[0].startswith("-"):
        try:
            text = process.fs.read_bytes(process.path(words.pop(0))).decode(errors="replace")
        except OSError as error:
            await process.print(f"Fatal error, can't open config file: {os.strerror(error.errno or 0)}")
            return 1
        lines += [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    while words:
        name = words.pop(0).lstrip("-")
        values = []
        while words and not words[0].startswith("--"):
            values.append(words.pop(0))
        lines.append([name, " ".join(values)])
    for name, *given in lines:
        value = given[0].strip().strip('"') if given else ""
        if name.lower() not in settings:
            await process.print(f"\n*** FATAL CONFIG FILE ERROR (Redis {VERSION}) ***")
            await process.print(f"Reading the configuration file, at line 2\n>>> '{name} \"{value}\"'")
            await process.print("Bad directive or wrong number of arguments")
            return 1
        settings[name.lower()] = value
    return await Server(process, settings).run()
