"""Which pods of a node use which volumes, and node.status.volumesInUse: what must not be detached yet.

Models the actual state of the world of pkg/kubelet/volumemanager as far as others ask for it.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress

from pocketkube.client import Client
from pocketkube.errors import NotFound
from pocketkube.objects import Obj


class VolumesInUse:
    """Of one node. Volumes have unique names: `kubernetes.io/csi/<driver>^<handle>` and the like."""

    def __init__(self, client: Client, node_name: str) -> None:
        self._client = client
        self._node_name = node_name
        self._wanted: defaultdict[str, set[str]] = defaultdict(set)
        """Attachable volumes -> uids of the pods that need them."""
        self._mounted: defaultdict[str, set[str]] = defaultdict(set)

    def take(self, volume: str, uid: str) -> None:
        """A pod needs this attachable volume from now on."""
        known = volume in self._wanted
        self._wanted[volume].add(uid)
        if not known:
            self.write()

    def mount(self, volume: str, uid: str) -> None:
        self._mounted[volume].add(uid)

    def mounted_elsewhere(self, volume: str, uid: str) -> bool:
        """Whether a pod other than that one has it mounted."""
        return bool(self._mounted.get(volume, set()) - {uid})

    def release(self, volume: str, uid: str) -> None:
        """The pod has it no more. What it never had is fine."""
        for users in (self._mounted, self._wanted):
            users.get(volume, set()).discard(uid)
            if not users.get(volume, True):
                del users[volume]
                if users is self._wanted:
                    self.write()

    def write(self) -> None:
        """Tell the node's status."""
        names = sorted(self._wanted)

        def change(node: Obj) -> None:
            status = node.setdefault("status", {})
            if names:
                status["volumesInUse"] = names
            else:
                status.pop("volumesInUse", None)

        with suppress(NotFound):  # deleted: it is written when the node registers again
            self._client.patch("nodes", ("", self._node_name), change, subresource="status")
