"""Telling the API server what has become of a pod. Models pkg/kubelet/status/status_manager.go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from pocketkube import objects
from pocketkube.errors import Conflict, NotFound, StatusError
from pocketkube.kubelet import status as statuses
from pocketkube.kubelet import whole
from pocketkube.kubelet.pod_state import PodState
from pocketkube.objects import Obj
from pocketkube.podphase import TERMINAL

log = logging.getLogger(__name__)
RETRY: Final = 10.0
"""Seconds after which a status is written again that somebody (an admission policy) refused."""


class Publisher:
    """Writes one pod's status."""

    def __init__(self, state: PodState) -> None:
        self._state = state
        self._retry: asyncio.TimerHandle | None = None
        self.writing = False
        """A change of the stored pod that comes now is our own."""

    @property
    def is_over(self) -> bool:
        return self._phase(self._statuses()) in TERMINAL

    def publish(self) -> None:
        """Write the status when it differs from what is stored."""
        state = self._state
        stored = state.client.find("pods", *state.key)
        if stored is None or objects.uid(stored) != state.uid:
            return
        status = self._status(stored)
        if status == stored.get("status"):
            return
        self.writing = True
        try:
            state.client.update_status("pods", {**stored, "metadata": {**stored["metadata"]}, "status": status})
        except (NotFound, Conflict):
            pass  # when it went away, or somebody will write again, there is another look
        except StatusError as error:
            log.warning("status of pod %s/%s: %s", *state.key, error)
            self._again()
        finally:
            self.writing = False

    def _again(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        delay = RETRY / self._state.clock.speed
        self._retry = asyncio.get_running_loop().call_later(delay, self.publish)

    def _statuses(self) -> dict[str, Obj]:
        slots = self._state.slots
        default = (
            "PodInitializing"
            if any(slot.role in ("init", "sidecar") for slot in slots.values())
            else "ContainerCreating"
        )
        return {name: slot.status(default) for name, slot in slots.items()}

    def _phase(self, made: Mapping[str, Obj]) -> str:
        state = self._state
        if state.failure is not None:
            return "Failed"
        initialized = any(slot.created for slot in state.slots.values() if slot.role == "main")
        return statuses.phase(state.pod, made, terminal=state.stopped, initialized=initialized)

    def _status(self, stored: Obj) -> Obj:
        state, made = self._state, self._statuses()
        return statuses.pod_status(
            state.pod,
            made,
            before=objects.status(stored),
            phase=self._phase(made),
            failure=state.failure,
            sandbox=state.sandbox.net is not None,
            node_ips=state.kubelet.node_ips,
            pod_ips=state.sandbox.ips,
            start_time=state.start_time,
            now=state.clock.now(),
            ended=state.finished,
            whole=self._whole,
            resizing=tuple(state.resizing.values()),
        )

    def _whole(self, running: bool) -> Obj:
        state = self._state
        if not whole.asks(objects.spec(state.pod)):
            return {"resources": {}}
        return whole.status(state.allocated_spec(), state.actuated_spec(), running=running)
