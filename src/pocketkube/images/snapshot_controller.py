"""snapshot-controller v8.6.0 (kubernetes-csi/external-snapshotter)."""

from pocketkube.images.base import Image
from pocketkube.images.programs.sidecar import program


class IMAGE(Image):
    names = ("registry.k8s.io/sig-storage/snapshot-controller:v8.6.0",)
    size = 26_000_000
    memory = 12 << 20
    entrypoint = ("/snapshot-controller",)
    commands = {"/snapshot-controller": program("snapshot-controller", "v8.6.0", Image.home)}
    system = ("storage",)
