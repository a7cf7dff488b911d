"""The volume plugins inside the controller-manager: which provisioner or volume is theirs, and what they answer.

Models pkg/volume/plugins.go for the plugins the binder is built with (host-path, nfs, local, csi), the names that were
migrated to CSI drivers (pkg/volume/csimigration) and the deleter of pkg/volume/hostpath. Provisioning by host-path is
switched off, as it is by default.
"""

from __future__ import annotations

import re
from typing import Final

from pocketkube import objects
from pocketkube.claims import PROVISIONED_BY
from pocketkube.objects import Obj

IN_TREE_PREFIX: Final = "kubernetes.io/"
HOST_PATH: Final = "kubernetes.io/host-path"
MIGRATED: Final = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
"""What classes of old name -> the CSI driver that has taken over."""
_PLUGINS: Final = {HOST_PATH, "kubernetes.io/nfs", "kubernetes.io/local-volume", "kubernetes.io/csi"}
_SOURCES: Final = ("hostPath", "nfs", "local", "csi")
_DELETABLE: Final = re.compile("/tmp/.+")


class PluginError(Exception):
    """No plugin does it, or the plugin refuses; the text is upstream's."""


def external_provisioner(provisioner: str) -> str | None:
    """The name of the program outside that provisions for a class; None: host-path. Raises PluginError."""
    if not provisioner.startswith(IN_TREE_PREFIX):
        return provisioner
    if provisioner in MIGRATED:
        return MIGRATED[provisioner]
    if provisioner == HOST_PATH:
        return None
    if provisioner in _PLUGINS:
        raise PluginError("no provisionable volume plugin matched")
    raise PluginError(f"no volume plugin matched name: {provisioner}")


def deletes(volume: Obj) -> bool:
    """Whether a plugin of the controller-manager deletes the volume; false: a program outside does.

    Raises PluginError when nobody does.
    """
    provisioner = objects.annotations(volume).get(PROVISIONED_BY)
    if provisioner:
        if provisioner == HOST_PATH:
            return True
        if not provisioner.startswith(IN_TREE_PREFIX):
            return False
        if provisioner in _PLUGINS:
            raise PluginError("no deletable volume plugin matched")
        raise PluginError(f"no volume plugin matched name: {provisioner}")
    spec = objects.spec(volume)
    if "csi" in spec:
        return False
    if "hostPath" in spec:
        return True
    why = "no deletable volume plugin matched" if any(s in spec for s in _SOURCES) else "no volume plugin matched"
    raise PluginError(f'error getting deleter volume plugin for volume "{objects.name(volume)}": {why}')


def delete(volume: Obj) -> None:
    """The host-path deleter: it works below /tmp of the controller-manager's own file system, where nothing of a node
    lies, so that nothing but the object goes. Raises PluginError for any other path."""
    path = objects.dig(volume, "spec", "hostPath", "path", default="")
    if not _DELETABLE.search(path):
        raise PluginError(f"host_path deleter only supports /tmp/.+ but received provided {path}")
