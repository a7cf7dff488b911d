"""Autoscalers: whom they scale, between which numbers, and whether they see anything."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.mutate.fact import Fact
from kindlab.mutate.scene import Scene

ORDER = 80


def look(scene: Scene) -> Iterator[Fact]:
    for space in scene.cast.spaces.values():
        for hpa in scene.api.list("HorizontalPodAutoscaler.autoscaling", space):
            spec, status = hpa["spec"], hpa.get("status") or {}
            whom = scene.cast.called(spec["scaleTargetRef"]["name"], space)
            seen = {c["type"]: c["status"] for c in status.get("conditions") or ()}
            yield Fact(f"{whom} is scaled", f"sees {seen.get('ScalingActive', 'nothing')}")
            yield Fact(f"{whom} has at least", str(spec.get("minReplicas", 1)), strong=False)
            yield Fact(f"{whom} has at most", str(spec["maxReplicas"]), strong=False)
            aims = [
                (m.get("resource") or {}).get("target", {}).get("averageUtilization") for m in spec.get("metrics") or ()
            ]
            yield Fact(f"{whom} grows at", str(aims), strong=False)


LOOK = look
