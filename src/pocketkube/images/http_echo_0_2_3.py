"""docker.io/hashicorp/http-echo:0.2.3: as 1.0.0, but it names its version and knows no -status-code."""

from __future__ import annotations

from pocketkube.images import http_echo
from pocketkube.kubelet.process import Process


async def old(process: Process) -> int:
    return await http_echo.http_echo(process, "0.2.3")


class IMAGE(http_echo.IMAGE):
    names = ("docker.io/hashicorp/http-echo:0.2.3",)
    size = 2_060_000
    user = 0
    commands = {"/http-echo": old}
