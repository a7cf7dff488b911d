"""The disruption controller: how many pods of a PodDisruptionBudget may be disrupted now.

Models pkg/controller/disruption. Its modules: disruption_scale (how many pods there should be), and
`pocketkube.budgets`, which the eviction API shares. Of our own: every budget that covers a pod is counted anew when the
pod changes; upstream counts one of them and tells in an event (MultiplePodDisruptionBudgets) that it chose.
Left out: taking back the DisruptionTarget condition of pods that stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import budgets, objects
from pocketkube.client import Client
from pocketkube.controllers import disruption_scale, pods
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.controllers.rollout import share
from pocketkube.duration import parse_time
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

BUDGETS = "poddisruptionbudgets"


class DisruptionController(Controller):
    name = "disruption-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._events = client.named("controllermanager")

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield BUDGETS, own_key
        yield "pods", self._budgets_of_pod

    def _budgets_of_pod(self, event: Event) -> Iterable[Key]:
        versions = [objects.labels(pod) for pod in (event.object, event.old) if pod is not None]
        for budget in self.client.list(BUDGETS, objects.namespace(event.object)):
            if any(budgets.covers(budget, labels) for labels in versions):
                yield objects.key(budget)

    async def reconcile(self, at: Key) -> float | None:
        budget = self.client.find(BUDGETS, *at)
        if budget is None:
            return None
        covered = [pod for pod in self.client.list("pods", at[0]) if budgets.covers(budget, objects.labels(pod))]
        if not covered:
            self._events.record(budget, "Normal", "NoPods", "No matching pods found")
        try:
            expected, desired = self._expected(budget, covered)
        except disruption_scale.Unknown as why:
            text = f"Failed to calculate the number of expected pods: {why}"
            self._events.record(budget, "Warning", "CalculateExpectedPodCountFailed", text)
            self._write(budget, {**objects.status(budget), "disruptionsAllowed": 0}, failure=str(why))
            return None
        disrupted, wait = self._disrupted(budget, covered)
        healthy = sum(
            pods.is_ready(pod) and not objects.is_terminating(pod) and objects.name(pod) not in disrupted
            for pod in covered
        )
        status: Obj = {
            "observedGeneration": budget["metadata"]["generation"],
            "disruptionsAllowed": max(0, healthy - desired) if expected > 0 else 0,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": objects.status(budget).get("conditions") or [],
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        self._write(budget, status)
        return wait

    def _expected(self, budget: Obj, covered: list[Obj]) -> tuple[int, int]:
        """(pods there should be, pods that must stay healthy); raises disruption_scale.Unknown."""
        spec = objects.spec(budget)
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if most is None and not isinstance(least, str):
            return (0, 0) if least is None else (len(covered), least)
        expected, unmanaged = disruption_scale.of(self.client, covered)
        if unmanaged:
            text = (
                f"Pods selected by this PodDisruptionBudget (selector: {disruption_scale.shown(spec.get('selector'))}) "
                "were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which "
                'may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of '
                "the PDB to an integer value."
            )
            self._events.record(budget, "Warning", "UnmanagedPods", text)
        if most is not None:
            return expected, max(0, expected - share(most, expected, up=True))
        return expected, share(str(least), expected, up=True)

    def _disrupted(self, budget: Obj, covered: list[Obj]) -> tuple[dict[str, str], float | None]:
        """(when which pods were evicted that are still expected to go, seconds until one of them should have gone)."""
        known = objects.status(budget).get("disruptedPods") or {}
        found: dict[str, str] = {}
        wait: float | None = None
        for pod in covered:
            since = known.get(objects.name(pod))
            if since is None or objects.is_terminating(pod):
                continue
            rest = parse_time(since).timestamp() + budgets.DELETION_TIMEOUT - self.clock.time()
            if rest < 0:
                space = objects.namespace(budget)  # twice, which is upstream's slip
                text = f"Pod was expected by PDB {space}/{space} to be deleted but it wasn't"
                self._events.record(pod, "Warning", "NotDeleted", text)
                continue
            found[objects.name(pod)] = since
            wait = rest if wait is None else min(wait, rest)
        return found, wait

    def _write(self, budget: Obj, status: Obj, *, failure: str = "") -> None:
        budgets.set_condition(status, self.clock.now(), failure=failure)
        if status != objects.status(budget):
            self.client.patch(
                BUDGETS, objects.key(budget), lambda copy: copy.update(status=status), subresource="status"
            )


CONTROLLER = DisruptionController
