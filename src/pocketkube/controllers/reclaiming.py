"""What becomes of a volume whose claim is gone: kept, deleted or wiped.

Models reclaimVolume and deleteVolumeOperation of pkg/controller/volume/persistentvolume. Volumes that a program outside
has made wait for that program: it sees the phase Released.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import binding, volumeplugins
from pocketkube.controllers.recycling import Recycler
from pocketkube.objects import Obj


def reclaim(client: Client, recycler: Recycler, volume: Obj) -> float | None:
    """Do what the reclaim policy says. Returns seconds after which to look again, or None."""
    if objects.status(volume).get("phase") not in ("Released", "Failed"):
        volume = binding.set_volume_phase(client, volume, "Released")
    policy = objects.spec(volume).get("persistentVolumeReclaimPolicy", "Retain")
    if policy == "Delete":
        _delete(client, volume)
    elif policy == "Recycle":
        return recycler.recycle(volume)
    return None


def _delete(client: Client, volume: Obj) -> None:
    if objects.is_terminating(volume):
        return
    try:
        if not volumeplugins.deletes(volume):
            return
        volumeplugins.delete(volume)
    except volumeplugins.PluginError as error:
        binding.fail_volume(client, volume, "VolumeFailedDelete", str(error))
    else:
        client.delete("persistentvolumes", objects.key(volume))
