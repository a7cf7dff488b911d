"""The text of `kubectl describe` for HorizontalPodAutoscalers. Lines with tabs, as `printers.tabbed` lays them out."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.kubectl import ages
from kindlab.kubectl.describing_fields import labels, notes

_UNKNOWN = "<unknown>"


def autoscaler(obj: Obj) -> Iterator[str]:
    """A HorizontalPodAutoscaler of autoscaling/v2 as it is, without its events."""
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    target, seen = spec["scaleTargetRef"], status.get("currentMetrics") or []
    yield f"Name:\t{meta['name']}"
    yield f"Namespace:\t{meta.get('namespace', '')}"
    yield from labels(obj)
    yield from notes(obj)
    yield f"CreationTimestamp:\t{ages.moment(meta['creationTimestamp'])}"
    yield f"Reference:\t{target['kind']}/{target['name']}"
    yield "Metrics:\t( current / target )"
    for index, metric in enumerate(spec.get("metrics") or []):
        yield f"  {_metric(metric, seen[index] if index < len(seen) else {})}"
    yield f"Min replicas:\t{spec.get('minReplicas', '<unset>')}"
    yield f"Max replicas:\t{spec['maxReplicas']}"
    if spec.get("behavior") is not None:
        yield "Behavior:"
        for title, direction in (("Scale Up", "scaleUp"), ("Scale Down", "scaleDown")):
            yield from _rules(title, spec["behavior"].get(direction))
    current, desired = status.get("currentReplicas", 0), status.get("desiredReplicas", 0)
    yield f"{target['kind']} pods:\t{current} current / {desired} desired"
    if status.get("conditions"):
        yield "Conditions:"
        yield "  Type\tStatus\tReason\tMessage"
        yield "  ----\t------\t------\t-------"
        for one in status["conditions"]:
            yield f"  {one['type']}\t{one['status']}\t{one.get('reason', '')}\t{one.get('message', '')}"


def _metric(metric: Obj, status: Obj) -> str:
    type_ = metric["type"]
    field = type_[:1].lower() + type_[1:]
    source, current = metric.get(field), (status.get(field) or {}).get("current") or {}
    if source is None:
        return f"<unknown metric type {json.dumps(type_)}>"
    target = source["target"]
    if type_ in ("Resource", "ContainerResource"):
        of = f' of container "{source["container"]}"' if "container" in source else ""
        return f"resource {source['name']}{of} on pods{_amount(target, current)}"
    name, average = json.dumps(source["metric"]["name"]), "averageValue" in target
    kind = "average value" if average else "value"
    aim = "averageValue" if average else "value"
    numbers = f"{current.get(aim, _UNKNOWN)} / {target.get(aim, '0')}"
    if type_ == "Pods":
        return f"{name} on pods:\t{numbers}"
    about = source.get("describedObject")
    where = f" on {about['kind']}/{about['name']}" if about else ""
    return f"{name}{where} (target {kind}):\t{numbers}"


def _amount(target: Obj, current: Obj) -> str:
    """Of a resource: so much, or so much of what is asked for."""
    if "averageValue" in target:
        return f":\t{current.get('averageValue', _UNKNOWN)} / {target['averageValue']}"
    percent, aim = current.get("averageUtilization"), target.get("averageUtilization")
    now = _UNKNOWN if percent is None else f"{percent}% ({current.get('averageValue', '<nil>')})"
    return f"  (as a percentage of request):\t{now} / {'<auto>' if aim is None else f'{aim}%'}"


def _rules(title: str, rules: Obj | None) -> Iterator[str]:
    if rules is None:
        return
    yield f"  {title}:"
    if rules.get("stabilizationWindowSeconds") is not None:
        yield f"    Stabilization Window: {rules['stabilizationWindowSeconds']} seconds"
    if rules.get("policies"):
        yield f"    Select Policy: {rules.get('selectPolicy', 'Max')}"
        yield "    Policies:"
        for one in rules["policies"]:
            yield f"      - Type: {one['type']}\tValue: {one['value']}\tPeriod: {one['periodSeconds']} seconds"
