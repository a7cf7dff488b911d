"""One container of a pod through all its instances: what runs, what ran before, and what it waits for.

Models what pkg/kubelet keeps per container (reason cache, restart count, back-off) and convertToAPIContainerStatuses.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from pocketkube import duration, objects
from pocketkube.images.references import normalise
from pocketkube.kubelet.backoff import Backoff
from pocketkube.kubelet.container import Container
from pocketkube.kubelet.probes import Prober
from pocketkube.kubelet.pulling import image_id
from pocketkube.kubelet.status import is_sidecar
from pocketkube.objects import Obj

Role = Literal["init", "sidecar", "main", "ephemeral"]
CONTAINERS = {
    "initContainers": "initContainerStatuses",
    "containers": "containerStatuses",
    "ephemeralContainers": "ephemeralContainerStatuses",
}
"""Fields of the spec, and of the status that tells about them."""
NODE_REBOOTED = 255
"""containerd's exit code for containers that were running when the node went down."""


class Slot:
    """`field` is where in the pod's spec the container is, `stored` its status from before the kubelet started."""

    def __init__(self, spec: Obj, field: str, *, stored: Obj | None = None, now: str = "") -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.role: Role = "main"
        if field == "initContainers":
            self.role = "sidecar" if is_sidecar(spec) else "init"
        elif field == "ephemeralContainers":
            self.role = "ephemeral"
        self.current: Container | None = None
        self.previous: Container | None = None
        self.restarts = -1
        """restartCount of the current instance; -1 before the first."""
        self.waiting: tuple[str, str] | None = None
        """(reason, message) while it is not running and should be."""
        self.backoff = Backoff()
        self.fresh = False
        """The spec changed: start again without back-off."""
        self.allocated: Obj = limits_and_requests((stored or {}).get("resources") or spec.get("resources"))
        """The resources the node has set aside for it; its spec may want others."""
        self.actuated: Obj = self.allocated
        """Those the running instance has."""
        self.resized = False
        """It must start again to have what is allocated."""
        self.prober: Prober | None = None
        self.probing: set[asyncio.Task[None]] = set()
        self._ended: Obj | None = None
        self._last: Obj | None = None
        if stored is not None:
            self._restore(stored, now)

    def _restore(self, stored: Obj, now: str) -> None:
        state = stored.get("state") or {}
        self._last = (stored.get("lastState") or {}).get("terminated")
        self._ended = state.get("terminated")
        if "running" in state:
            self._ended = {
                "exitCode": NODE_REBOOTED,
                "reason": "Unknown",
                "startedAt": state["running"].get("startedAt"),
                "finishedAt": now,
                "containerID": stored.get("containerID", ""),
            }
        elif self._ended is None:
            self._ended, self._last = self._last, None
        if self._ended or stored.get("containerID"):
            self.restarts = stored.get("restartCount", 0)

    @property
    def created(self) -> bool:
        return self.current is not None or self._ended is not None

    @property
    def running(self) -> bool:
        return self.current is not None and self.current.running

    @property
    def ended(self) -> Obj | None:
        """The terminated state of the newest instance, if that is what it is."""
        if self.current is not None:
            terminated: Obj | None = self.current.state.get("terminated")
            return terminated
        return self._ended

    @property
    def exit_code(self) -> int | None:
        return int(self.ended["exitCode"]) if self.ended else None

    @property
    def ended_at(self) -> float:
        return duration.parse_time(self.ended["finishedAt"]).timestamp() if self.ended else 0.0

    @property
    def started(self) -> bool:
        return self.running and self.prober is not None and self.prober.results.started

    @property
    def ready(self) -> bool:
        if self.role == "init":
            return self.exit_code == 0
        if self.role == "ephemeral":
            return False
        return self.started and self.prober is not None and self.prober.results.ready

    def take(self, container: Container) -> None:
        """A new instance replaces the current one."""
        if self.current is not None:
            if self.previous is not None:
                self.previous.log.drop()
            self.previous, self._last = self.current, self.ended
        elif self._ended is not None:
            self._last, self._ended = self._ended, None
        self.current = container
        self.restarts = container.attempt
        self.waiting = None
        self.fresh = self.resized = False
        self.actuated = self.allocated

    def forget_probes(self) -> None:
        for task in self.probing:
            task.cancel()
        self.probing.clear()

    def status(self, default: str) -> Obj:
        """containerStatuses[]; `default` is the waiting reason of a container nothing is known of."""
        state, last = self._states(default)
        status: Obj = {
            "name": self.name,
            "state": state,
            "lastState": {"terminated": last} if last else {},
            "ready": self.ready,
            "restartCount": max(0, self.restarts),
            "image": self.spec["image"],
            "imageID": "",
        }
        if self.created:
            status["image"] = normalise(self.spec["image"])
            status["imageID"] = image_id(self.spec["image"])
            status["containerID"] = self.current.id if self.current else (self._ended or {}).get("containerID", "")
        if self.role != "ephemeral":
            status["started"] = self.started
        if self.created:
            if self.allocated.get("requests"):
                status["allocatedResources"] = self.allocated["requests"]
            status["resources"] = self.actuated
        mounts = [_mount_status(mount) for mount in self.spec.get("volumeMounts") or ()]
        if mounts:
            status["volumeMounts"] = mounts
        return status

    def _states(self, default: str) -> tuple[Obj, Obj | None]:
        if self.running and self.current is not None:
            return self.current.state, self._last
        ended = self.ended
        if self.waiting is not None:
            reason, message = self.waiting
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}, ended or self._last
        if ended is not None:
            return {"terminated": ended}, self._last
        return {"waiting": {"reason": default}}, self._last


def limits_and_requests(resources: Obj | None) -> Obj:
    """The part of a container's resources that can be given and taken."""
    return {side: amounts for side, amounts in (resources or {}).items() if side in ("limits", "requests")}


def _mount_status(mount: Obj) -> Obj:
    status = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        asked = mount.get("recursiveReadOnly") in ("Enabled", "IfPossible")
        status |= {"readOnly": True, "recursiveReadOnly": "Enabled" if asked else "Disabled"}
    return status


def slots_of(pod: Obj, now: str) -> dict[str, Slot]:
    """A pod's containers by name, init containers first, each with what its stored status knows of it."""
    spec, stored = objects.spec(pod), objects.status(pod)
    slots = {}
    for field, listed in CONTAINERS.items():
        known = objects.by_name(stored.get(listed) or ())
        for container in spec.get(field) or ():
            name = container["name"]
            slots[name] = Slot(container, field, stored=known.get(name), now=now)
    return slots
