"""Reclaim policy Recycle: a pod wipes a host-path volume, which is then free again. Other volumes cannot be recycled.

Models recycleVolumeOperation of pkg/controller/volume/persistentvolume, the recycler of pkg/volume/hostpath and
pkg/volume/util/recyclerclient: the pod `recycler-for-<volume>` in namespace default, whose events are told again about
the volume. Left out: nfs volumes, which no node here mounts.
"""

from __future__ import annotations

from typing import Final

from pocketkube import claims, objects, quantity
from pocketkube.client import Client
from pocketkube.controllers import binding
from pocketkube.controllers.volumeindex import claim_key
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.podphase import is_terminal
from pocketkube.store import Event

NAMESPACE: Final = "default"
PREFIX: Final = "recycler-for-"
IMAGE: Final = "registry.k8s.io/build-image/debian-base:bookworm-v1.0.6"
WIPE: Final = 'test -e /scrub && find /scrub -mindepth 1 -delete && test -z "$(ls -A /scrub)" || exit 1'
MINIMUM, INCREMENT = 60, 30
"""Seconds a recycler pod may take: at least, and for each Gi of the volume."""
RETRY: Final = 15.0
"""Seconds (cluster time) until a failed attempt is repeated."""


class Recycler:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._working: set[str] = set()
        """Volumes whose pod was made by this controller since it started."""
        self._heard: dict[str, list[tuple[str, str]]] = {}
        """Volume -> (type, message) of events about its pod that are to be told again."""

    def volume_of(self, event: Event) -> str | None:
        """The volume a pod, or an event about one, is the recycler of. Takes note of the event."""
        about = event.object.get("involvedObject") or event.object["metadata"]
        name = str(about.get("name", ""))
        if about.get("namespace") != NAMESPACE or not name.startswith(PREFIX):
            return None
        volume = name.removeprefix(PREFIX)
        if "involvedObject" in event.object and event.type == "ADDED" and volume in self._working:
            self._heard.setdefault(volume, []).append((event.object["type"], event.object["message"]))
        return volume

    def recycle(self, volume: Obj) -> float | None:
        """The next step. Returns seconds after which to look again, or None."""
        name = objects.name(volume)
        for type_, message in self._heard.pop(name, ()):
            self._client.record(volume, type_, "RecyclerPod", f"Recycler pod: {message}")
        if "hostPath" not in objects.spec(volume):
            binding.fail_volume(self._client, volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
            return None
        pod = self._client.find("pods", NAMESPACE, PREFIX + name)
        if name not in self._working:
            return self._begin(volume, pod)
        if pod is not None and not is_terminal(pod):
            return None
        self._working.discard(name)
        if pod is None:
            return self._failed(volume, "failed to recycle volume: recycler pod was deleted")
        self._client.delete("pods", objects.key(pod))
        if objects.status(pod)["phase"] == "Failed":
            why = objects.status(pod).get("message") or "pod failed, pod.Status.Message unknown"
            return self._failed(volume, f"failed to recycle volume: {why}")
        self._client.record(volume, "Normal", "VolumeRecycled", "Volume recycled")
        binding.unbind(self._client, volume)
        return None

    def _begin(self, volume: Obj, old: Obj | None) -> float | None:
        users = self._users(volume)
        if users:
            message = f"Volume is used by pods: {','.join(users)}"
            self._client.record(volume, "Normal", "VolumeFailedRecycle", message)
            return RETRY
        if old is not None:
            self._client.delete("pods", objects.key(old))
            return self._failed(volume, "old recycler pod found, will retry later")
        name = objects.name(volume)
        self._working.add(name)
        try:
            self._client.create("pods", _pod(volume))
        except StatusError as error:
            self._working.discard(name)
            return self._failed(volume, f"unexpected error creating recycler pod:  {error.message}")
        return None

    def _users(self, volume: Obj) -> list[str]:
        """Pods that still run with the claim the volume had, unless there is a new claim of that name."""
        claim = claim_key(volume)
        if claim is None or self._client.find("persistentvolumeclaims", *claim) is not None:
            return []
        found: list[Key] = [
            objects.key(pod)
            for pod in self._client.list("pods", claim[0])
            if claim[1] in claims.used_by(pod) and not claims.is_done(pod)
        ]
        return sorted("/".join(at) for at in found)

    def _failed(self, volume: Obj, why: str) -> float:
        binding.fail_volume(self._client, volume, "VolumeFailedRecycle", f"Recycle failed: {why}")
        return RETRY


def _pod(volume: Obj) -> Obj:
    size = int(claims.capacity(volume) // quantity.parse("1Gi"))
    return {
        "metadata": {"name": PREFIX + objects.name(volume), "namespace": NAMESPACE},
        "spec": {
            "activeDeadlineSeconds": max(MINIMUM, size * INCREMENT),
            "restartPolicy": "Never",
            "volumes": [{"name": "vol", "hostPath": {"path": objects.spec(volume)["hostPath"]["path"]}}],
            "containers": [
                {
                    "name": "pv-recycler",
                    "image": IMAGE,
                    "command": ["/bin/sh"],
                    "args": ["-c", WIPE],
                    "volumeMounts": [{"name": "vol", "mountPath": "/scrub"}],
                }
            ],
        },
    }
