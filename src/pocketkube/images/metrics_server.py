"""metrics-server v0.8.1 (kubernetes-sigs): metrics.k8s.io, for kubectl top and autoscalers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocketkube.images.base import Image

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Process


async def main(process: Process) -> int:
    from pocketkube.images.programs.metrics_server.program import main  # no node waits for it: it needs TLS and more

    return await main(process)


class IMAGE(Image):
    names = ("registry.k8s.io/metrics-server/metrics-server:v0.8.1",)
    size = 24_000_000
    entrypoint = ("/metrics-server",)
    commands = {"/metrics-server": main}
    user = 65532
    system = ("usage", "metrics")
