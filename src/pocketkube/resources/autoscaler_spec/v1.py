"""autoscaling/v1: a view of what is stored as v2. What v1 has no fields for is in annotations, which only v1 shows.

Models pkg/apis/autoscaling/v1/conversion.go: texts in annotations have Go's order of fields, so that clients that
compare them as texts see no change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from pocketkube import fields, objects, schema
from pocketkube.objects import Obj
from pocketkube.resources import internal
from pocketkube.resources.autoscaler_spec import defaults

_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
_BEHAVIOR, _CONDITIONS = f"{_PREFIX}behavior", f"{_PREFIX}conditions"
ANNOTATIONS: Final = (
    _METRICS,
    _BEHAVIOR,
    f"{_PREFIX}scale-down-tolerance",
    f"{_PREFIX}scale-up-tolerance",
    _CURRENT,
    _CONDITIONS,
)
_SOURCES: Final = ("object", "pods", "resource", "containerResource", "external")
_SPEC: Final = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS: Final = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


def without_annotations(obj: Obj) -> Obj:
    """The object without what only another version puts into its annotations; a new one if there is any."""
    held = objects.annotations(obj)
    if not any(name in held for name in ANNOTATIONS):
        return obj
    kept = {name: text for name, text in held.items() if name not in ANNOTATIONS}
    return {**obj, "metadata": _with_annotations(obj["metadata"], kept)}


def from_v2(obj: Obj) -> Obj:
    """A stored object as v1."""
    spec, status = objects.spec(obj), objects.status(obj)
    utilization = next((percent for metric in spec.get("metrics") or () if (percent := _cpu_target(metric))), None)
    current = [_cpu_current(metric) for metric in status.get("currentMetrics") or ()]
    shown: Obj = {name: spec[name] for name in _SPEC if spec.get(name) is not None}
    if utilization is not None:
        shown["targetCPUUtilizationPercentage"] = utilization
    seen: Obj = {"currentReplicas": 0, "desiredReplicas": 0}
    seen |= {name: status[name] for name in _STATUS if status.get(name) is not None}
    for percent in current:
        if percent is not None:
            seen["currentCPUUtilizationPercentage"] = percent
    held = {name: text for name, text in objects.annotations(obj).items() if name not in ANNOTATIONS}
    meta = _with_annotations(obj["metadata"], held | _annotations(spec, status))
    return {**obj, "apiVersion": "autoscaling/v1", "metadata": meta, "spec": shown, "status": seen}


def to_v2(obj: Obj) -> Obj:
    """A v1 object as it is stored. Annotations that cannot be read are ignored, and dropped like the others."""
    spec, status, held = objects.spec(obj), objects.status(obj), objects.annotations(obj)
    percent = spec.get("targetCPUUtilizationPercentage")
    metrics = [] if percent is None else [defaults.cpu(percent)]
    metrics = (_read(held, _METRICS, ("spec", "metrics"), _each(_spec_to_v2)) or []) + metrics
    wanted: Obj = {name: spec[name] for name in _SPEC if name in spec}
    wanted["metrics"] = metrics or [defaults.cpu(defaults.CPU_UTILIZATION)]
    behavior = _read(held, _BEHAVIOR, ("spec", "behavior"), _behavior_to_v2)
    if behavior:
        wanted["behavior"] = behavior
    seen: Obj = {"desiredReplicas": 0, "currentMetrics": None}
    seen |= {name: status[name] for name in _STATUS if status.get(name) is not None}
    if status.get("currentCPUUtilizationPercentage") is not None:
        current = {"averageUtilization": status["currentCPUUtilizationPercentage"]}
        seen["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    seen["currentMetrics"] = (
        _read(held, _CURRENT, ("status", "currentMetrics"), _each(_status_to_v2)) or seen["currentMetrics"]
    )
    conditions = _read(held, _CONDITIONS, ("status", "conditions"), lambda found: found)
    if conditions:
        seen["conditions"] = conditions
    return without_annotations({**obj, "apiVersion": "autoscaling/v2", "spec": wanted, "status": seen})


def _with_annotations(meta: Obj, held: dict[str, str]) -> Obj:
    rest = {name: value for name, value in meta.items() if name != "annotations"}
    return {**rest, "annotations": held} if held else rest


def _cpu_target(metric: Obj) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    return objects.dig(resource, "target", "averageUtilization")  # type: ignore[no-any-return]


def _cpu_current(metric: Obj) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    return objects.dig(resource, "current", "averageUtilization")  # type: ignore[no-any-return]


# -- to v1: texts of Go structs


def _annotations(spec: Obj, status: Obj) -> dict[str, str]:
    found: dict[str, Any] = {}
    others = [_spec_to_v1(metric) for metric in spec.get("metrics") or () if _cpu_target(metric) is None]
    if others:
        found[_METRICS] = others
    if status.get("currentMetrics"):
        found[_CURRENT] = [_status_to_v1(metric) for metric in status["currentMetrics"]]
    if spec.get("behavior") is not None:
        found[_BEHAVIOR] = _behavior_to_v1(spec["behavior"])
    if status.get("conditions"):
        order = ("type", "status", "lastTransitionTime", "reason", "message")
        found[_CONDITIONS] = [_ordered(condition, order) for condition in status["conditions"]]
    return {name: fields.show(value) for name, value in found.items()}


def _ordered(found: Obj, names: Iterable[str]) -> Obj:
    return {name: found[name] for name in names if name in found}


def _given(**found: Any) -> Obj:
    return {name: value for name, value in found.items() if value is not None}


def _metric_to_v1(metric: Obj, number: str, least: str | None) -> Obj:
    """`number`: what the metric's number is called, `target` in a spec and `current` in a status. `least`: what v1 says
    where there is none; None, it says nothing."""
    shown: Obj = {"type": metric.get("type", "")}
    for field in _SOURCES:
        source = metric.get(field)
        if source is None:
            continue
        numbers, name = source.get(number) or {}, objects.dig(source, "metric", "name", default="")
        selector = internal.selector(objects.dig(source, "metric", "selector"))
        percent, value, average = (numbers.get(f) for f in ("averageUtilization", "value", "averageValue"))
        if field == "object":
            about = _ordered(source.get("describedObject") or {}, ("kind", "name", "apiVersion"))
            more = _given(selector=selector, averageValue=average)
            shown[field] = {"target": about, "metricName": name, f"{number}Value": value or "0", **more}
        elif field == "pods":
            more = _given(selector=selector)
            shown[field] = {"metricName": name, f"{number}AverageValue": average or "0", **more}
        elif field == "external":
            values = {f"{number}Value": value or least, f"{number}AverageValue": average}
            shown[field] = {"metricName": name, **_given(metricSelector=selector, **values)}
        else:
            values = {f"{number}AverageUtilization": percent, f"{number}AverageValue": average or least}
            shown[field] = {"name": source.get("name", ""), **_given(**values, container=source.get("container"))}
    return shown


def _spec_to_v1(metric: Obj) -> Obj:
    return _metric_to_v1(metric, "target", None)


def _status_to_v1(metric: Obj) -> Obj:
    return _metric_to_v1(metric, "current", "0")


def _behavior_to_v1(behavior: Obj) -> Obj:
    """Upstream writes an internal type here: Go's names, null for what is absent."""

    def rules(found: Obj | None) -> Obj | None:
        if found is None:
            return None
        policies = [
            {"Type": policy.get("type", ""), "Value": policy.get("value", 0), "PeriodSeconds": policy["periodSeconds"]}
            for policy in found.get("policies") or ()
        ]
        return {
            "StabilizationWindowSeconds": found.get("stabilizationWindowSeconds"),
            "SelectPolicy": found.get("selectPolicy"),
            "Policies": policies or None,
            "Tolerance": found.get("tolerance"),
        }

    return {"ScaleUp": rules(behavior.get("scaleUp")), "ScaleDown": rules(behavior.get("scaleDown"))}


# -- to v2


def _read(held: dict[str, str], name: str, at: tuple[str, str], convert: Callable[[Any], Any]) -> Any:
    """What an annotation says, as v2 has it at `at`; None when it is not there or cannot be read."""
    if name not in held:
        return None
    type_ = schema.for_kind("autoscaling/v2", "HorizontalPodAutoscaler").fields[at[0]].type
    try:
        decoded, _ = schema.decode({at[1]: convert(json.loads(held[name]))}, type_)
    except (ValueError, TypeError, AttributeError, KeyError, schema.DecodeError):
        return None
    return decoded.get(at[1])


def _each(convert: Callable[[Obj], Obj]) -> Callable[[Any], list[Obj]]:
    return lambda found: [convert(one) for one in found]


def _spec_to_v2(metric: Obj) -> Obj:
    shown: Obj = {"type": metric["type"]}
    for field in _SOURCES:
        source = metric.get(field)
        if source is None:
            continue
        percent, value = source.get("targetAverageUtilization"), source.get("targetValue")
        average = source.get("averageValue") if field == "object" else source.get("targetAverageValue")
        if field == "object" and average is not None and value == "0":
            value = None  # v1 cannot leave it out, and v2 refuses it
        type_ = "Utilization" if percent is not None else "Value" if average is None else "AverageValue"
        if field == "external" and value is not None:
            type_ = "Value"
        target = {"type": type_, **_given(value=value, averageValue=average, averageUtilization=percent)}
        shown[field] = {**_about(field, source), "target": target}
    return shown


def _status_to_v2(metric: Obj) -> Obj:
    shown: Obj = {"type": metric["type"]}
    for field in _SOURCES:
        source = metric.get(field)
        if source is None:
            continue
        average = source.get("averageValue") if field == "object" else source.get("currentAverageValue")
        current = _given(
            value=source.get("currentValue"),
            averageValue=average,
            averageUtilization=source.get("currentAverageUtilization"),
        )
        shown[field] = {**_about(field, source), "current": current}
    return shown


def _about(field: str, source: Obj) -> Obj:
    """What a metric is of, without its number."""
    if field in ("resource", "containerResource"):
        return _ordered(source, ("name", "container"))
    metric = _given(name=source.get("metricName"), selector=source.get("selector") or source.get("metricSelector"))
    return {"metric": metric, **({"describedObject": source.get("target")} if field == "object" else {})}


def _behavior_to_v2(found: Any) -> Any:
    """Go's names to those of manifests, whatever their case."""
    names = ("scaleUp", "scaleDown", "stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance")
    spelled = {name.lower(): name for name in (*names, "type", "value", "periodSeconds")}
    if isinstance(found, list):
        return [_behavior_to_v2(item) for item in found]
    if isinstance(found, dict):
        return {
            spelled.get(name.lower(), name): _behavior_to_v2(value)
            for name, value in found.items()
            if value is not None
        }
    return found
