"""What a HorizontalPodAutoscaler that does not say it gets.

Models pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

from typing import Any, Final

from pocketkube import objects
from pocketkube.objects import Obj

CPU_UTILIZATION: Final = 80
_PERIOD: Final = 15
SCALE_UP: Final[Obj] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": _PERIOD},
        {"type": "Percent", "value": 100, "periodSeconds": _PERIOD},
    ],
}
SCALE_DOWN: Final[Obj] = {
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": _PERIOD}],
}
"""Without a window: how long that is, the controller's settings say."""


def autoscaler(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    _fill(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        spec["metrics"] = [cpu(CPU_UTILIZATION)]
    behavior = spec.get("behavior")
    if behavior is not None:
        for direction, rules in (("scaleUp", SCALE_UP), ("scaleDown", SCALE_DOWN)):
            given = {name: value for name, value in (behavior.get(direction) or {}).items() if value is not None}
            behavior[direction] = objects.copy({**rules, **given})


def cpu(percent: int) -> Obj:
    """The metric that most have."""
    return {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}},
    }


def _fill(obj: Obj, name: str, value: Any) -> None:
    if obj.get(name) is None:
        obj[name] = value
