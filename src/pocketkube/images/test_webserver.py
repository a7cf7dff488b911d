"""registry.k8s.io/test-webserver, which the documentation of volumes mounts them into: the files of its container on
port 80, as agnhost's subcommand of that name. There is no shell in it."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.programs.agnhost import servers
from pocketkube.kubelet.process import Process


async def test_webserver(process: Process) -> int:
    return await servers.test_webserver(process, process.argv[1:])


class IMAGE(Image):
    names = ("registry.k8s.io/test-webserver:latest", "registry.k8s.io/test-webserver:e2e")
    size = 4_700_000
    memory = 4 << 20
    entrypoint = ("/test-webserver",)
    commands = {"/test-webserver": test_webserver}
