"""csi-snapshotter v8.6.0 (kubernetes-csi/external-snapshotter) of the hostpath driver."""

from pocketkube.images.base import Image
from pocketkube.images.programs.sidecar import program


class IMAGE(Image):
    names = ("registry.k8s.io/sig-storage/csi-snapshotter:v8.6.0",)
    size = 27_000_000
    memory = 12 << 20
    entrypoint = ("/csi-snapshotter",)
    commands = {"/csi-snapshotter": program("csi-snapshotter", "v8.6.0", Image.home)}
    system = ("storage",)
