"""csi-provisioner v6.3.0 (kubernetes-csi/external-provisioner) of the hostpath driver."""

from pocketkube.images.base import Image
from pocketkube.images.programs.sidecar import program


class IMAGE(Image):
    names = ("registry.k8s.io/sig-storage/csi-provisioner:v6.3.0",)
    size = 29_000_000
    memory = 14 << 20
    entrypoint = ("/csi-provisioner",)
    commands = {"/csi-provisioner": program("csi-provisioner", "v6.3.0", Image.home)}
    system = ("storage",)
