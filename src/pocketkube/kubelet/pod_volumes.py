"""The volumes of one pod: set up before its containers start, refreshed as objects change, removed with the pod.

Models pkg/kubelet/volumemanager with the events of a mount that fails, and of a wait for an attachment that takes long.
A volume no container uses is not set up, as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pocketkube import objects
from pocketkube.kubelet.environment import most_of
from pocketkube.kubelet.volumes import plugins
from pocketkube.kubelet.volumes.base import Context, MountError, NotAttached, NotProcessed, NotReady, Volume
from pocketkube.kubelet.volumes.csi import unpublish
from pocketkube.objects import Key, Obj
from pocketkube.removal import discard

if TYPE_CHECKING:
    from pocketkube.kubelet.kubelet import Kubelet

RETRY, RETRY_LONGEST = 0.5, 122.0
"""Seconds before a failed mount is tried again: doubling."""
SYNC = 10.0
"""Seconds before a pod whose volumes cannot be processed says so again."""
PATIENCE = 123.0
"""Seconds a pod waits for its volumes before it says so."""


@dataclass
class _Failure:
    count: int
    again: float
    """When it is tried again, in cluster time."""


class PodVolumes:
    """`addresses` gives what fieldRefs to the pod's status see; `wake` is called when the pod should be looked at."""

    def __init__(
        self, kubelet: Kubelet, uid: str, addresses: Callable[[], Mapping[str, str]], wake: Callable[[], None]
    ) -> None:
        self.mounted: dict[str, Volume] = {}
        self._known: dict[str, Volume] = {}
        """These, and those that are still waited for."""
        self._kubelet = kubelet
        self._folder: Path = kubelet.state_dir / "pods" / uid
        self._addresses = addresses
        self._wake = wake
        self._failures: dict[str, _Failure] = {}
        self._waiting_since: float | None = None
        self._told: tuple[str, float] = "", 0.0
        """What was last said of volumes that could not be processed, and when."""

    def refresh(self, pod: Obj, touched: set[tuple[str, Key]]) -> float | None:
        """Set up what is missing, show what was touched. None when all are there, else seconds until the next try."""
        now = self._kubelet.clock.time()
        problems: dict[str, str] = {}
        unattached: list[str] = []
        busy = False
        mounts, devices = used_by(pod)
        used = [source for source in objects.spec(pod).get("volumes") or () if source["name"] in mounts | devices]
        for source in used:
            name = source["name"]
            failure = self._failures.get(name)
            known = self._known.get(name)
            news = known is not None and bool(touched) and bool(set(known.depends_on()) & touched)
            if name in self.mounted and (due := self.mounted[name].due) is not None:
                news = news or now >= due
            if name in self.mounted and not news:
                continue
            if failure is not None and now < failure.again and not news:
                continue
            try:
                if name in self.mounted:
                    self.mounted[name].refresh()
                    continue
                volume = known or self._volume(pod, source, name in mounts, name in devices)
                volume.set_up()
            except MountError as error:
                self._failed(pod, name, error, now)
            except NotProcessed as error:
                problems[name] = str(error)
            except NotReady:
                busy = True
            except NotAttached:
                unattached.append(name)
            else:
                self.mounted[name] = volume
                self._failures.pop(name, None)
        missing = sorted(source["name"] for source in used if source["name"] not in self.mounted)
        if not missing:
            self._waiting_since = None
            return None
        if busy:
            return 0.0
        return max(0.0, self._tell(pod, missing, sorted(unattached), problems, now) - now)

    def _failed(self, pod: Obj, name: str, error: MountError, now: float) -> None:
        known = self._known.get(name)
        label = known.spec_name if known is not None else name
        text = f'{error.step} for volume "{label}" : {error}'
        self._kubelet.client.record(pod, "Warning", error.reason, text)
        if name not in self.mounted:  # a mounted volume keeps what it shows
            count = self._failures[name].count + 1 if name in self._failures else 0
            self._failures[name] = _Failure(count, now + min(RETRY * 2**count, RETRY_LONGEST))

    def _tell(
        self, pod: Obj, missing: list[str], unattached: list[str], problems: Mapping[str, str], now: float
    ) -> float:
        """Say what has to be said of volumes that are missing. Returns when to look again without news."""
        if self._waiting_since is None:
            self._waiting_since = now
        again = [due for due in (failure.again for failure in self._failures.values()) if due > now]
        cause = "; ".join(problems.values())
        due = self._waiting_since + PATIENCE
        if cause:
            said, at = self._told
            if cause == said and now < at + SYNC:
                return min([at + SYNC, *again])
            self._told = cause, now
            due = now + SYNC
        elif now >= due:
            cause, due = "context deadline exceeded", now + PATIENCE
        if cause:
            self._waiting_since = now
            text = (
                f"unmounted volumes=[{' '.join(missing)}], unattached volumes=[{' '.join(unattached)}], "
                f"failed to process volumes=[{' '.join(sorted(problems))}]: {cause}"
            )
            self._kubelet.client.record(pod, "Warning", "FailedMount", f"Unable to attach or mount volumes: {text}")
        return min([due, *again])

    def _volume(self, pod: Obj, source: Obj, mounted: bool, mapped: bool) -> Volume:
        kind = next((field for field in source if field != "name" and source[field] is not None), "emptyDir")
        plugin = plugins().get(kind)
        if plugin is None:
            raise MountError(f"pocketkube has no {kind} volumes; a Pod can use {', '.join(sorted(plugins()))}")
        kubelet = self._kubelet
        context = Context(
            client=kubelet.client,
            clock=kubelet.clock,
            pod=pod,
            folder=self._folder / source["name"],
            disk=kubelet.disk,
            node_name=kubelet.node_name,
            in_use=kubelet.in_use,
            wake=self._wake,
            field_status=self._addresses,
            allocatable=most_of(objects.spec(pod), kubelet.node.allocatable),
            services=kubelet.services,
            fs_group=(objects.spec(pod).get("securityContext") or {}).get("fsGroup"),
            mounted=mounted,
            mapped=mapped,
        )
        self._known[source["name"]] = volume = plugin(context, source["name"], source.get(kind) or {})
        return volume

    @property
    def due(self) -> float | None:
        """When a mounted volume is to be refreshed, in cluster time."""
        return min((due for volume in self.mounted.values() if (due := volume.due) is not None), default=None)

    @property
    def excess(self) -> str:
        """Why the pod has to be evicted; "" when it has not."""
        return next(filter(None, (volume.excess for volume in self.mounted.values())), "")

    def follow(self, pod: Obj) -> None:
        """The stored pod changed."""
        for volume in self._known.values():
            volume.context.pod = pod

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        for volume in self._known.values():
            yield from volume.depends_on()

    def drop(self) -> None:
        """The pod needs them no more: what lived with the pod is deleted."""
        for volume in self._known.values():
            volume.tear_down()
        self._known.clear()
        self.mounted.clear()
        remove_pod_folder(self._folder, self._kubelet.services)


def remove_pod_folder(folder: Path, services: Mapping[str, object]) -> None:
    """Delete what a pod had of its own on the node's disk and at CSI drivers; what is not there is fine."""
    if folder.exists():
        unpublish(folder, services)
        discard(folder)


def used_by(pod: Obj) -> tuple[set[str], set[str]]:
    """The names of the volumes its containers mount, and of those they have as devices."""
    spec = objects.spec(pod)
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    mounts = {mount["name"] for container in containers for mount in container.get("volumeMounts") or ()}
    devices = {device["name"] for container in containers for device in container.get("volumeDevices") or ()}
    return mounts, devices
