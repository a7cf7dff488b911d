"""What a HorizontalPodAutoscaler is about, and what it sees."""

from __future__ import annotations

from kindlab.api import Obj
from kindlab.checks.live import LiveLab
from kindlab.conditions import condition

HPA = "HorizontalPodAutoscaler"


def target_of(hpa: Obj) -> tuple[str, str]:
    """(kind, name) of what it scales."""
    ref = hpa["spec"]["scaleTargetRef"]
    return ref["kind"], ref["name"]


def autoscaler_of(lab: LiveLab, deployment: str) -> Obj | None:
    """The autoscaler for a Deployment; None for none."""
    return next((h for h in lab.list(HPA) if target_of(h) == ("Deployment", deployment)), None)


def targets(hpa: Obj) -> list[Obj]:
    """The resources it goes by (`{"name": "cpu", "target": {...}}`), of whole Pods or of one container."""
    return [m.get("resource") or m.get("containerResource") or {} for m in hpa["spec"].get("metrics") or ()]


def goes_by_cpu(hpa: Obj) -> bool:
    return any(source.get("name") == "cpu" for source in targets(hpa))


def share(hpa: Obj) -> int | None:
    """The percentage of the request that it has worked out; None when it could not."""
    for metric in (hpa.get("status") or {}).get("currentMetrics") or ():
        for kind in ("resource", "containerResource"):
            current = (metric.get(kind) or {}).get("current") or {}
            if "averageUtilization" in current:
                return int(current["averageUtilization"])
    return None


def is_hopeless(lab: LiveLab, hpa: Obj) -> bool:
    """Whether no waiting helps: a request that is missing, or nothing there to scale. What the autoscaler says may be
    older than the learner's mend, so what it speaks of is looked at, too."""
    target = lab.get(*target_of(hpa))
    if target is None or condition(hpa, "AbleToScale").get("status") == "False":
        return target is None
    containers = target["spec"]["template"]["spec"]["containers"]
    asked = [(c.get("resources") or {}) for c in containers]
    without = any("cpu" not in {**(r.get("limits") or {}), **(r.get("requests") or {})} for r in asked)
    return "missing request" in condition(hpa, "ScalingActive").get("message", "") and without
