"""The horizontal pod autoscaler: as many replicas as the use of their pods calls for.

Models pkg/controller/podautoscaler/horizontal.go. Its modules, all horizontalpodautoscaler_*: target (what is scaled),
pods (whose use counts), metrics (what a metric says), replicas (how many that calls for), limits (how many are set),
status (what is told). As upstream it looks at each autoscaler once a period, whatever happens between; the period is
shorter here.
Left out: scaling to zero and back (the gate HPAScaleToZero is off in v1.36, too).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pocketkube import objects, quantity
from pocketkube.client import Client
from pocketkube.controllers import horizontalpodautoscaler_target as targets
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.controllers.horizontalpodautoscaler_limits import Bounds, History, decide
from pocketkube.controllers.horizontalpodautoscaler_metrics import Metrics, Unavailable
from pocketkube.controllers.horizontalpodautoscaler_pods import Selected, Unselected
from pocketkube.controllers.horizontalpodautoscaler_replicas import Patience, Tolerance
from pocketkube.controllers.horizontalpodautoscaler_status import Status
from pocketkube.controllers.horizontalpodautoscaler_target import NoScale, Target
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import ADDED, DELETED, Event

AUTOSCALERS: Final = "horizontalpodautoscalers"
SYNC_PERIOD: Final = 1.0
"""Seconds; upstream's --horizontal-pod-autoscaler-sync-period is 15 s by default."""
DOWNSCALE_STABILIZATION: Final = 300.0
CPU_INITIALIZATION: Final = 300.0
INITIAL_READINESS: Final = 30.0
TOLERANCE: Final = 0.1
TELLING: Final = 15.0
"""Seconds until a warning is repeated: upstream's period, for events that say the same every second help nobody."""


class _Failed(Exception):
    """No number of replicas could be computed: whom it concerns has been told why."""


class HorizontalPodAutoscalerController(Controller):
    name = "horizontal-pod-autoscaler-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._events = client.named("horizontal-pod-autoscaler")
        zone = client.registry.zone
        self._period = float(zone.get("hpa_sync_period", SYNC_PERIOD))
        self._downscale = float(zone.get("hpa_downscale_stabilization", DOWNSCALE_STABILIZATION))
        self._patience = Patience(
            float(zone.get("hpa_cpu_initialization_period", CPU_INITIALIZATION)),
            float(zone.get("hpa_initial_readiness_delay", INITIAL_READINESS)),
        )
        self._histories: dict[Key, tuple[str, History]] = {}
        """By name, each with the uid of the autoscaler whose it is."""
        self._selected = Selected(client)
        self._warned: dict[Key, dict[str, float]] = {}
        """When each was last told what."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield AUTOSCALERS, self._of_autoscaler

    def _of_autoscaler(self, event: Event) -> Iterable[Key]:
        """A new one waits for a period like the others; changes wait for the next one."""
        at = objects.key(event.object)
        if event.type == ADDED:
            self.enqueue_after(at, self._period)
        elif event.type == DELETED:
            yield at

    async def reconcile(self, at: Key) -> float | None:
        autoscaler = self.client.find(AUTOSCALERS, *at)
        if autoscaler is None:
            self._histories.pop(at, None)
            self._warned.pop(at, None)
            self._selected.forget(at)
            return None
        status = Status(autoscaler, self.clock.now())
        try:
            target = targets.find(self.client, autoscaler)
        except NoScale as why:
            self._warn(autoscaler, "FailedGetScale", str(why))
            text = f"the HPA controller was unable to get the target's current scale: {why}"
            status.set("AbleToScale", False, "FailedGetScale", text)
        else:
            status.set(
                "AbleToScale",
                True,
                "SucceededGetScale",
                "the HPA controller was able to get the target's current scale",
            )
            await self._scale(autoscaler, target, status)
        self._write(autoscaler, status)
        return self._period

    async def _scale(self, autoscaler: Obj, target: Target, status: Status) -> None:
        """Set what the target should have, and note what there is to tell."""
        history = self._history(autoscaler)
        history.start(target.replicas, self.clock.monotonic())
        spec = objects.spec(autoscaler)
        least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
        metrics: list[Obj] | None = None
        if target.replicas == 0:
            wanted, reason = 0, ""
            text = "scaling is disabled since the replica count of the target is zero"
            status.set("ScalingActive", False, "ScalingDisabled", text)
        elif target.replicas > most:
            wanted, reason = most, "Current number of replicas above Spec.MaxReplicas"
        elif target.replicas < least:
            wanted, reason = least, "Current number of replicas below Spec.MinReplicas"
        else:
            try:
                asked, name, metrics = await self._asked_for(autoscaler, target, status)
            except _Failed:
                return
            reason = _why(asked, target.replicas, name)
            bounds = Bounds(least, most, self._downscale, spec.get("behavior"))
            decision = decide(history, bounds, target.replicas, asked, self.clock.monotonic())
            status.set("AbleToScale", True, *decision.able)
            status.set("ScalingLimited", decision.limited, *decision.limit)
            wanted = decision.replicas
        if wanted != target.replicas:
            try:
                target.rescale(self.client, wanted)
            except StatusError as error:
                self._warn(autoscaler, "FailedRescale", f"New size: {wanted}; reason: {reason}; error: {error.message}")
                text = f"the HPA controller was unable to update the target scale: {error.message}"
                status.set("AbleToScale", False, "FailedUpdateScale", text)
                status.replicas(target.replicas, None, metrics)
                return
            text = f"the HPA controller was able to update the target scale to {wanted}"
            status.set("AbleToScale", True, "SucceededRescale", text)
            self._events.record(autoscaler, "Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {reason}")
            history.rescaled(target.replicas, wanted, spec.get("behavior"), self.clock.monotonic())
            status.rescaled()
        status.replicas(target.replicas, wanted, metrics)

    def _history(self, autoscaler: Obj) -> History:
        """Its own: one that is made anew under the name of another, before anybody noticed, does not inherit (upstream
        goes by the name)."""
        uid, history = self._histories.get(objects.key(autoscaler), ("", History()))
        if uid != objects.uid(autoscaler):
            history = History()
            self._histories[objects.key(autoscaler)] = (objects.uid(autoscaler), history)
        return history

    async def _asked_for(self, autoscaler: Obj, target: Target, status: Status) -> tuple[int, str, list[Obj]]:
        """(the most replicas a metric calls for, that metric, what is known of all). Raises _Failed."""
        try:
            pods = self._selected.pods(objects.key(autoscaler), target.selector)
        except Unselected as why:
            self._warn(autoscaler, why.event, str(why))
            status.set("ScalingActive", False, why.reason, why.message)
            raise self._failed(autoscaler, target, status, str(why), None) from None
        specs = objects.spec(autoscaler).get("metrics") or []
        asking = Metrics(self.client, objects.namespace(autoscaler), target.selector, self._patience)
        replicas, name, told, failures = 0, "", [], list[Unavailable]()
        for metric in specs:
            try:
                found = await asking.measure(metric, pods, target.replicas, _tolerance(autoscaler))
            except Unavailable as failure:
                self._warn(autoscaler, failure.reason, failure.why)
                failures.append(failure)
                told.append({"type": ""})
                continue
            told.append(found.status)
            if replicas == 0 or found.replicas > replicas:
                replicas, name = found.replicas, found.name
        if failures and (len(failures) == len(specs) or replicas < target.replicas):
            text = f"the HPA was unable to compute the replica count: {failures[0].why}"
            status.set("ScalingActive", False, failures[0].reason, text)
            counted = f"invalid metrics ({len(failures)} invalid out of {len(specs)})"
            raise self._failed(autoscaler, target, status, f"{counted}, first error is: {failures[0]}", told)
        text = f"the HPA was able to successfully calculate a replica count from {name}"
        status.set("ScalingActive", True, "ValidMetricFound", text)
        return replicas, name, told

    def _failed(self, autoscaler: Obj, target: Target, status: Status, why: str, metrics: list[Obj] | None) -> _Failed:
        status.replicas(target.replicas, None, metrics)
        self._warn(autoscaler, "FailedComputeMetricsReplicas", why)
        return _Failed(why)

    def _warn(self, autoscaler: Obj, reason: str, text: str) -> None:
        now, told = self.clock.monotonic(), self._warned.setdefault(objects.key(autoscaler), {})
        if now - told.get(f"{reason} {text}", -TELLING) >= TELLING:
            self._events.record(autoscaler, "Warning", reason, text)
            told[f"{reason} {text}"] = now

    def _write(self, autoscaler: Obj, status: Status) -> None:
        """Unless nothing is new, or the autoscaler has gone while its metrics were asked for."""
        found = self.client.find(AUTOSCALERS, *objects.key(autoscaler))
        if found is None or objects.uid(found) != objects.uid(autoscaler) or status.current == objects.status(found):
            return
        self.client.patch(
            AUTOSCALERS,
            objects.key(autoscaler),
            lambda copy: copy.update(status=status.current),
            subresource="status",
        )


def _why(asked: int, current: int, metric: str) -> str:
    if asked > current:
        return f"{metric} above target"
    return "All metrics below target" if asked < current else ""


def _tolerance(autoscaler: Obj) -> Tolerance:
    behavior = objects.spec(autoscaler).get("behavior") or {}

    def of(direction: str) -> float:
        given = objects.dig(behavior, direction, "tolerance")
        return TOLERANCE if given is None else float(quantity.parse(given))

    return Tolerance(of("scaleDown"), of("scaleUp"))


CONTROLLER = HorizontalPodAutoscalerController
