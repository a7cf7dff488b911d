"""The node's part of a claim's expansion: what the resizer left to the node is done when a pod has the volume.

Models pkg/volume/util/operationexecutor/node_expander.go. Folders grow by themselves, so it is the claim's status that
is finished here. Left out: a node that cannot expand.
"""

from __future__ import annotations

from contextlib import suppress

from pocketkube import claims, objects, quantity
from pocketkube.client import Client
from pocketkube.errors import Conflict, NotFound
from pocketkube.objects import Obj

_WAITS = ("NodeResizePending", "NodeResizeInProgress")


def expand(client: Client, pod: Obj, claim: Obj, volume: Obj, *, node: str, read_only: bool) -> None:
    """Finish an expansion that waits for the node; `read_only`: this pod may not write to the volume."""
    status = objects.status(claim)
    wanted = objects.dig(volume, "spec", "capacity", "storage", default="0")
    has = objects.dig(status, "capacity", "storage", default="0")
    if quantity.value(has) >= quantity.value(wanted):
        return
    if objects.dig(status, "allocatedResourceStatuses", "storage") not in _WAITS:
        return
    name = objects.name(volume)
    if read_only:
        text = f'MountVolume.NodeExpandVolume failed for volume "{name}" requested read-only file system'
        for about in (pod, claim):
            client.record(about, "Warning", "FileSystemResizeFailed", text)
        return
    with suppress(NotFound, Conflict):
        client.patch("persistentvolumeclaims", objects.key(claim), _begin, subresource="status")
        for about in (pod, claim):
            text = f'MountVolume.NodeExpandVolume succeeded for volume "{name}" {node}'
            client.record(about, "Normal", "FileSystemResizeSuccessful", text)
        client.patch("persistentvolumeclaims", objects.key(claim), _finish, subresource="status")


def _begin(claim: Obj) -> None:
    claim["status"]["allocatedResourceStatuses"]["storage"] = "NodeResizeInProgress"


def _finish(claim: Obj) -> None:
    status = claim["status"]
    status["capacity"]["storage"] = status.get("allocatedResources", {}).get("storage", status["capacity"]["storage"])
    status["allocatedResourceStatuses"].pop("storage", None)
    if not status["allocatedResourceStatuses"]:
        del status["allocatedResourceStatuses"]
    status["conditions"] = [c for c in status.get("conditions") or () if c["type"] not in claims.RESIZE_CONDITIONS]
    if not status["conditions"]:
        del status["conditions"]
