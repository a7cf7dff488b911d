"""Probing a running container: when, how often, and what follows.

Models pkg/kubelet/prober. One task per probe of a running container instance; it ends with the instance. A real kubelet
first looks at a new container about a second after its start; here the first looks come at once and what they see in
that first second counts only when it is good, so a container is ready as soon as it serves. On a machine too slow for
all of them probes are rarer than asked for, and do not fail for it: see `turnstile`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pocketkube.kubelet import grpc_check, lifecycle, verdicts
from pocketkube.kubelet.container import Container
from pocketkube.kubelet.http_get import HttpGet
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.network.fabric import PodNetwork

STARTUP, READINESS, LIVENESS = "startupProbe", "readinessProbe", "livenessProbe"
KINDS = (STARTUP, READINESS, LIVENESS)
_TITLES = {STARTUP: "Startup", READINESS: "Readiness", LIVENESS: "Liveness"}
FIRST_LOOK = 1.0
"""Seconds after the start within which failures are not told."""
FIRST_RETRY = 0.02


@dataclass
class Results:
    """What the probes of one container instance say; None: nothing yet."""

    started: bool
    ready: bool
    live: bool = True

    @classmethod
    def initial(cls, spec: Obj) -> Results:
        return cls(started=not spec.get(STARTUP), ready=False)


class Prober:
    """`change` is called whenever a result changes; `record` writes an event about the container."""

    def __init__(
        self,
        spec: Obj,
        container: Container,
        *,
        node: PodNetwork,
        pod_ip: str,
        record: Callable[[str, str, str], None],
        change: Callable[[], None],
    ) -> None:
        self.results = Results.initial(spec)
        self._spec = spec
        self._container = container
        self._node = node
        self._pod_ip = pod_ip
        self._record = record
        self._change = change
        self.update_ready()

    def update_ready(self) -> None:
        if not self._spec.get(READINESS):
            self.results.ready = self.results.started

    def kinds(self) -> tuple[str, ...]:
        """Which probes to run now: the others wait for the startup probe."""
        if not self.results.started:
            return (STARTUP,)
        return tuple(kind for kind in (READINESS, LIVENESS) if self._spec.get(kind))

    async def run(self, kind: str) -> None:
        """Probe until the verdict is final (startup, failed liveness) or the container ends."""
        probe = self._spec[kind]
        clock, container = self._container.clock, self._container
        period = probe.get("periodSeconds") or 10
        wanted = {True: probe.get("successThreshold") or 1, False: probe.get("failureThreshold") or 3}
        last, run = None, 0
        again = FIRST_RETRY
        await clock.sleep(max(0.0, container.started_time + (probe.get("initialDelaySeconds") or 0) - clock.time()))
        while container.running:
            await container.rounds.probes.enter()
            asked = clock.time()
            early = asked - container.started_time < FIRST_LOOK
            good = await self._probe(kind, probe, quiet=early)
            if not container.running:
                return
            if not good and early:
                await clock.sleep(again)
                again *= 2
                continue
            if good is not None:
                run = run + 1 if good == last else 1
                last = good
                if run >= wanted[good] and self._conclude(kind, good):
                    return
            await clock.sleep(max(0.0, asked + period - clock.time()))

    def _conclude(self, kind: str, good: bool) -> bool:
        """Take over a result; True when nothing is left to probe."""
        results = self.results
        before = (results.started, results.ready, results.live)
        if kind == READINESS:
            results.ready = good
        elif kind == LIVENESS:
            results.live = good
        elif good:
            results.started = True
            self.update_ready()
        else:
            results.live = False
        if (results.started, results.ready, results.live) != before:
            self._change()
        return kind == STARTUP or (kind == LIVENESS and not good)

    async def _probe(self, kind: str, probe: Obj, *, quiet: bool) -> bool | None:
        """One look; None when it could not be made (that counts neither way)."""
        title = _TITLES[kind]
        try:
            await self._look(probe)
        except verdicts.Doubt as doubt:
            self._record("Warning", "ProbeWarning", f"{title} probe warning: {doubt}")
        except verdicts.Failure as failed:
            if not quiet and self._container.running:
                self._record("Warning", "Unhealthy", f"{title} probe failed: {failed}")
            return False
        except verdicts.HandlerError as error:
            if not quiet and self._container.running:
                text = f"{title} probe errored and resulted in unknown state: {error}"
                self._record("Warning", "Unhealthy", text)
            return None
        return True

    async def _look(self, probe: Obj) -> None:
        timeout = float(probe.get("timeoutSeconds") or 1)
        if probe.get("exec") is not None:
            await lifecycle.run_exec(self._container, probe["exec"], timeout)
        elif probe.get("httpGet") is not None:
            action = probe["httpGet"]
            get = HttpGet(self._node, action, self._spec, self._pod_ip, timeout=timeout, agent="probe")
            await get.probe()
        elif probe.get("tcpSocket") is not None:
            action = probe["tcpSocket"]
            port = verdicts.port_number(action["port"], self._spec)
            await lifecycle.run_tcp(self._node, action.get("host") or self._pod_ip, port, timeout)
        elif probe.get("grpc") is not None:
            action = probe["grpc"]
            await grpc_check.run(self._node, self._pod_ip, action["port"], action.get("service") or "", timeout)
        else:
            raise verdicts.HandlerError("missing probe handler")
