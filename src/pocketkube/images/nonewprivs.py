"""registry.k8s.io/e2e-test-images/nonewprivs: says as whom a program runs whose file has the set-user-ID bit."""

from __future__ import annotations

from pocketkube.images import alpine
from pocketkube.kubelet.process import Process


async def nnp(process: Process) -> int:
    await process.print(f"Effective uid: {process.uid}")
    return 0


class IMAGE(alpine.IMAGE):
    names = tuple(f"registry.k8s.io/e2e-test-images/nonewprivs:{tag}" for tag in ("1.3", "1.4"))
    cmd = ("nnp",)
    commands = {**alpine.IMAGE.commands, "/usr/local/bin/nnp": nnp}
    set_id = ("/usr/local/bin/nnp",)
