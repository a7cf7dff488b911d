"""csi-attacher v4.12.0 (kubernetes-csi/external-attacher) of the hostpath driver."""

from pocketkube.images.base import Image
from pocketkube.images.programs.sidecar import program


class IMAGE(Image):
    names = ("registry.k8s.io/sig-storage/csi-attacher:v4.12.0",)
    size = 27_000_000
    memory = 12 << 20
    entrypoint = ("/csi-attacher",)
    commands = {"/csi-attacher": program("csi-attacher", "v4.12.0", Image.home)}
    system = ("storage",)
