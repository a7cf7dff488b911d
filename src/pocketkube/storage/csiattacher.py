"""external-attacher for the hostpath driver: every VolumeAttachment is fulfilled at once.

Models external-attacher v4.12 for a driver that publishes volumes without a controller (its trivial handler), as
csi-driver-host-path is deployed: no finalizers are put on volumes and attachments, nothing has to be undone.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.storage.base import Program
from pocketkube.storage.driver import NAME


class CsiAttacher(Program):
    name = "csi-attacher"
    image = "csi-attacher"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "volumeattachments", own_key

    async def reconcile(self, at: Key) -> float | None:
        attachment = self.client.find("volumeattachments", *at)
        if attachment is None or objects.spec(attachment)["attacher"] != NAME:
            return None
        if not objects.status(attachment).get("attached"):
            self.client.patch("volumeattachments", at, _attached, subresource="status")
            self.log.info('"Attached" VolumeAttachment="%s"', at[1])
        return None


def _attached(attachment: Obj) -> None:
    attachment["status"] = {"attached": True}


PROGRAM = CsiAttacher
