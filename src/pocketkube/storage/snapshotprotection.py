"""A snapshot keeps the provisioner's finalizer only as long as a claim that is made of it is Pending.

Models external-provisioner's SnapshotFinalizerController, which catches what the provisioner leaves behind (claims
deleted before they had a volume). Of our own: by event instead of by sweep.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping, own_key
from pocketkube.objects import Key
from pocketkube.storage.base import Program
from pocketkube.storage.csisources import RESTORED, snapshot_of
from pocketkube.storage.snapshots import SNAPSHOTS
from pocketkube.store import Event


class SnapshotProtection(Program):
    name = "snapshot-finalizer-protection"
    image = "csi-provisioner"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "persistentvolumeclaims", _snapshot
        yield SNAPSHOTS, own_key

    async def reconcile(self, at: Key) -> None:
        snapshot = self.client.find(SNAPSHOTS, *at)
        if snapshot is None or not finalizers.is_held(snapshot, RESTORED):
            return
        for claim in self.client.list("persistentvolumeclaims", at[0]):
            if snapshot_of(claim) == at and objects.status(claim).get("phase") in (None, "Pending"):
                return  # it comes back when that one changes
        self.client.patch(SNAPSHOTS, at, lambda copy: finalizers.release(copy, RESTORED))


def _snapshot(event: Event) -> Iterable[Key]:
    if (source := snapshot_of(event.object)) is not None:
        yield source


PROGRAM = SnapshotProtection
