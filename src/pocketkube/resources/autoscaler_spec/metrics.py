"""Field errors of the metrics of a HorizontalPodAutoscaler.

Models validateMetrics and what it calls (pkg/apis/autoscaling/validation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.autoscaler_spec.reference import Lenience, reference
from pocketkube.resources.resource_names import validate_of_container

SOURCES: Final = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
"""Metric type -> the field that describes it, in the order in which upstream looks at them."""
_TARGETS: Final = ("Utilization", "Value", "AverageValue")


def metrics(path: str, found: list[Obj], least: int | None, lenience: Lenience) -> Iterator[Cause]:
    """`least`: minReplicas; `lenience`: towards the objects that metrics describe."""
    for index, metric in enumerate(found):
        yield from _metric(f"{path}[{index}]", metric, lenience)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in found):
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield fields.forbidden(path, why)


def _metric(at: str, metric: Obj, lenience: Lenience) -> Iterator[Cause]:
    type_ = metric.get("type", "")
    unsupported = fields.not_supported(f"{at}.type", type_, SOURCES)
    if not type_:
        yield fields.required(f"{at}.type", "must specify a metric source type")
    if type_ not in SOURCES:
        yield unsupported
    present = [name for name in SOURCES.values() if metric.get(name) is not None]
    for name in present[:1]:
        if name == "object":
            described = metric[name].get("describedObject") or {}
            yield from reference(f"{at}.object.describedObject", described, lenience)
        yield from _CHECKS[name](f"{at}.{name}", metric[name])
    expected = SOURCES.get(type_, "")
    if not expected:
        yield unsupported
    elif expected not in present:
        yield fields.required(f"{at}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for name in present:
            if name != expected:
                yield fields.forbidden(f"{at}.{name}", "must populate the given metric source only")


def _object(at: str, source: Obj) -> Iterator[Cause]:
    yield from _identifier(f"{at}.metric", source.get("metric") or {})
    target = source.get("target") or {}
    yield from _target(f"{at}.target", target)
    if target.get("value") is None and target.get("averageValue") is None:
        yield fields.required(f"{at}.target.averageValue", "must set either a target value or averageValue")


def _external(at: str, source: Obj) -> Iterator[Cause]:
    yield from _identifier(f"{at}.metric", source.get("metric") or {})
    target = source.get("target") or {}
    yield from _target(f"{at}.target", target)
    value, average = target.get("value"), target.get("averageValue")
    if value is None and average is None:
        why = "must set either a target value for metric or a per-pod target"
        yield fields.required(f"{at}.target.averageValue", why)
    if value is not None and average is not None:
        yield fields.forbidden(f"{at}.target.value", "may not set both a target value for metric and a per-pod target")


def _pods(at: str, source: Obj) -> Iterator[Cause]:
    yield from _identifier(f"{at}.metric", source.get("metric") or {})
    target = source.get("target") or {}
    yield from _target(f"{at}.target", target)
    if target.get("averageValue") is None:
        yield fields.required(f"{at}.target.averageValue", "must specify a positive target averageValue")


def _resource(at: str, source: Obj) -> Iterator[Cause]:
    if not source.get("name"):
        yield fields.required(f"{at}.name", "must specify a resource name")
    yield from _amount(at, source)


def _container_resource(at: str, source: Obj) -> Iterator[Cause]:
    name, container = source.get("name", ""), source.get("container", "")
    if not name:
        yield fields.required(f"{at}.name", "must specify a resource name")
    else:
        yield from validate_of_container(f"{at}.name", name)
    if not container:
        yield fields.required(f"{at}.container", "must specify a container")
    else:
        yield from (
            fields.invalid(f"{at}.container", container, problem) for problem in formats.dns1123_label(container)
        )
    yield from _amount(at, source)


def _amount(at: str, source: Obj) -> Iterator[Cause]:
    """The target of a resource: so much, or so much of what is asked for."""
    target = source.get("target") or {}
    yield from _target(f"{at}.target", target)
    utilization, value = target.get("averageUtilization"), target.get("averageValue")
    if utilization is None and value is None:
        why = "must set either a target raw value or a target utilization"
        yield fields.required(f"{at}.target.averageUtilization", why)
    if utilization is not None and value is not None:
        why = "may not set both a target raw value and a target utilization"
        yield fields.forbidden(f"{at}.target.averageValue", why)


def _target(at: str, target: Obj) -> Iterator[Cause]:
    type_ = target.get("type", "")
    if not type_:
        yield fields.required(f"{at}.type", "must specify a metric target type")
    if type_ not in _TARGETS:
        yield fields.invalid(f"{at}.type", type_, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        amount = target.get(name)
        if amount is not None and quantity.parse(amount) <= 0:
            yield fields.invalid(f"{at}.{name}", quantity.canonical(amount), "must be positive")
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        yield fields.invalid(f"{at}.averageUtilization", utilization, "must be greater than 0")


def _identifier(at: str, metric: Obj) -> Iterator[Cause]:
    name = metric.get("name", "")
    if not name:
        yield fields.required(f"{at}.name", "must specify a metric name")
    else:
        yield from (fields.invalid(f"{at}.name", name, problem) for problem in formats.path_segment(name))


_CHECKS: Final[dict[str, Callable[[str, Obj], Iterator[Cause]]]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
