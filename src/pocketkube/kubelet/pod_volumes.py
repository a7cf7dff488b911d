"""The volumes of one pod: set up before its containers start, refreshed as objects change, removed with the pod.

Models pkg/kubelet/volumemanager with the events of a mount that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.kubelet.filesystem.host import remove_folder
from pocketkube.kubelet.volumes import plugins
from pocketkube.kubelet.volumes.base import Context, MountError, Volume
from pocketkube.objects import Key, Obj

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet

RETRY, RETRY_LONGEST = 0.5, 122.0
"""Seconds before a failed mount is tried again: doubling."""


class PodVolumes:
    """`addresses` gives what fieldRefs to the pod's status see."""

    def __init__(self, kubelet: Kubelet, uid: str, addresses: Callable[[], Mapping[str, str]]) -> None:
        self.mounted: dict[str, Volume] = {}
        self._kubelet = kubelet
        self._folder: Path = kubelet.state_dir / "pods" / uid
        self._addresses = addresses
        self._failures = 0

    def refresh(self, pod: Obj, touched: set[tuple[str, Key]]) -> float | None:
        """Set up what is missing, show what was touched. None when all are there, else seconds until the next try."""
        missing = False
        for source in objects.spec(pod).get("volumes") or ():
            name = source["name"]
            known = self.mounted.get(name)
            try:
                if known is None:
                    volume = self._volume(pod, source)
                    volume.set_up()
                    self.mounted[name] = volume
                elif touched and set(known.depends_on()) & touched:
                    known.refresh()
            except MountError as error:
                text = f'MountVolume.SetUp failed for volume "{name}" : {error}'
                self._kubelet.client.record(pod, "Warning", "FailedMount", text)
                missing = missing or known is None  # a mounted volume keeps what it shows
        self._failures = self._failures + 1 if missing else 0
        return float(min(RETRY * 2 ** (self._failures - 1), RETRY_LONGEST)) if missing else None

    def _volume(self, pod: Obj, source: Obj) -> Volume:
        kind = next((field for field in source if field != "name" and source[field] is not None), "emptyDir")
        plugin = plugins().get(kind)
        if plugin is None:
            raise MountError(f"pocketkube: volumes of type {kind} are not supported")
        kubelet = self._kubelet
        context = Context(
            client=kubelet.client,
            clock=kubelet.clock,
            pod=pod,
            folder=self._folder / source["name"],
            node_folder=kubelet.state_dir / "disk",
            host_trees=kubelet.host_trees,
            field_status=self._addresses,
            allocatable=kubelet.node.allocatable,
            services=kubelet.services,
            fs_group=(objects.spec(pod).get("securityContext") or {}).get("fsGroup"),
        )
        return plugin(context, source["name"], source.get(kind) or {})

    def follow(self, pod: Obj) -> None:
        """The stored pod changed."""
        for volume in self.mounted.values():
            volume.context.pod = pod

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        for volume in self.mounted.values():
            yield from volume.depends_on()

    def drop(self) -> None:
        """The pod needs them no more: what lived with the pod is deleted."""
        for volume in self.mounted.values():
            volume.tear_down()
        self.mounted.clear()
        if self._folder.exists():
            remove_folder(self._folder)
