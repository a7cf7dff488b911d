"""csi-resizer v2.2.1 (kubernetes-csi/external-resizer) of the hostpath driver."""

from pocketkube.images.base import Image
from pocketkube.images.programs.sidecar import program


class IMAGE(Image):
    names = ("registry.k8s.io/sig-storage/csi-resizer:v2.2.1",)
    size = 27_000_000
    memory = 12 << 20
    entrypoint = ("/csi-resizer",)
    commands = {"/csi-resizer": program("csi-resizer", "v2.2.1", Image.home)}
    system = ("storage",)
