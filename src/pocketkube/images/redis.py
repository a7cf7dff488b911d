"""docker.io/library/redis 7: a server that keeps its keys under /data, and redis-cli; see docs/fidelity.md."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.linux import ALPINE_FILES, programs
from pocketkube.images.multicall import busybox
from pocketkube.images.programs.entrypoint import become
from pocketkube.images.programs.redis import cli, program, server
from pocketkube.kubelet.process import Process

_TAGS = ("7", "7-alpine", "7.2", "7.2-alpine", "7.4", "7.4-alpine", "alpine", "latest")


async def start(process: Process) -> int:
    """docker-entrypoint.sh: options alone are redis-server's; then it becomes the command."""
    words = process.argv[1:]
    if not words or words[0].startswith("-") or words[0].endswith(".conf"):
        words = ["redis-server", *words]
    return await become(process, words, "/usr/local/bin/docker-entrypoint.sh: exec: line 31")


class IMAGE(Image):
    names = tuple(f"docker.io/library/redis:{tag}" for tag in _TAGS)
    size = 17_100_000
    entrypoint = ("docker-entrypoint.sh",)
    cmd = ("redis-server",)
    env = {"PATH": Image.env["PATH"], "REDIS_VERSION": server.VERSION}
    workdir = "/data"
    files = {**ALPINE_FILES, "/data": None}
    commands = {
        **programs(),
        "/bin/busybox": busybox,
        "/usr/local/bin/docker-entrypoint.sh": start,
        "/usr/local/bin/redis-server": program.main,
        "/usr/local/bin/redis-cli": cli.main,
    }
    links = dict.fromkeys(programs().keys(), "/bin/busybox")
