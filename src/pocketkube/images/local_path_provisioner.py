"""local-path-provisioner (rancher/local-path-provisioner) as kind v0.32.0 starts it.

The real one names a shell in its entrypoint, which it has not: it starts with a `command` only.
"""

from pocketkube.images.base import Image
from pocketkube.images.programs.sidecar import program

NAME, TAG, HOME = "local-path-provisioner", "v20260521-9fb22683", "local-path-storage"


class IMAGE(Image):
    names = (f"docker.io/kindest/{NAME}:{TAG}",)
    size = 21_000_000
    memory = 10 << 20
    entrypoint = (f"/usr/local/bin/{NAME}",)
    commands = {f"/usr/local/bin/{NAME}": program(NAME, TAG, HOME, expected=("--debug", "start"))}
    system = ("storage",)
    home = HOME
