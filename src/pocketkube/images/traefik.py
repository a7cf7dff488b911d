"""Traefik Proxy v3.7, the ingress controller of the course's clusters: the version of Helm chart 41.3.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocketkube.images.base import Image

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Process


async def main(process: Process) -> int:
    from pocketkube.images.programs.traefik.program import main  # no node waits for it: it needs TLS and more

    return await main(process)


class IMAGE(Image):
    names = ("docker.io/library/traefik:v3.7.11", "docker.io/library/traefik:v3.7")
    size = 58_000_000
    memory = 40 << 20
    entrypoint = ("/entrypoint.sh",)
    cmd = ("traefik",)
    commands = {"/entrypoint.sh": main, "/usr/local/bin/traefik": main}
    system = ("ingress",)
    home = "traefik"
