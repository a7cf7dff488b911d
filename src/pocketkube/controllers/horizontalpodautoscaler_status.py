"""The status of a HorizontalPodAutoscaler while it is looked after.

Models setCondition and setStatus of pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.objects import Obj


class Status:
    """`current`: what is to be written; it starts as what is there."""

    def __init__(self, autoscaler: Obj, now: str) -> None:
        """`now`: the time of everything that changes."""
        self.current: Obj = objects.copy(objects.status(autoscaler))
        self._now = now

    def set(self, type_: str, holds: bool, reason: str, message: str) -> None:
        """A condition; it keeps its time while it keeps its status."""
        conditions = self.current.setdefault("conditions", [])
        found = next((one for one in conditions if one["type"] == type_), None)
        if found is None:
            found = {"type": type_}
            conditions.append(found)
        status = "True" if holds else "False"
        if found.get("status") != status:
            found.update(status=status, lastTransitionTime=self._now)
        found.update(reason=reason, message=message)

    def replicas(self, current: int, desired: int | None, metrics: list[Obj] | None) -> None:
        """`desired` None: what it was; `metrics` None: none were asked for."""
        self.current.pop("currentReplicas", None)
        if current:  # omitempty
            self.current["currentReplicas"] = current
        if desired is not None:
            self.current["desiredReplicas"] = desired
        self.current["currentMetrics"] = metrics

    def rescaled(self) -> None:
        self.current["lastScaleTime"] = self._now
