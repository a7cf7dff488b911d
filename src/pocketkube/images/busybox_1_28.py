"""docker.io/library/busybox 1.28 and registry.k8s.io/busybox, which Kubernetes' documentation runs.

1.28 is the last with the old nslookup, which asks as every program does, with search domains. All else is as in 1.36.
"""

from __future__ import annotations

from pocketkube.images import busybox
from pocketkube.images.net import nslookup


class IMAGE(busybox.IMAGE):
    names = (
        *(f"docker.io/library/busybox:{tag}" for tag in ("1.27", "1.27.2", "1.28", "1.28.4", "1.28.0")),
        *(f"registry.k8s.io/busybox:{tag}" for tag in ("1.24", "1.27.2", "latest")),
    )
    size = 727_000
    commands = {**busybox.IMAGE.commands, "/bin/nslookup": nslookup.busybox_1_28}
