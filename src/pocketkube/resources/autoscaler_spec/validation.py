"""Field errors of a HorizontalPodAutoscaler.

Models ValidateHorizontalPodAutoscaler* of pkg/apis/autoscaling/validation, with the options its strategy gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.autoscaler_spec.metrics import metrics
from pocketkube.resources.autoscaler_spec.reference import Lenience, reference, version_problem

LONGEST_WINDOW: Final = 3600
LONGEST_PERIOD: Final = 1800
_SELECTS: Final = ("Disabled", "Max", "Min")
_POLICIES: Final = ("Percent", "Pods")
_ABOUT: Final = Lenience(without_group=True)
"""Towards what a metric describes."""


def autoscaler(new: Obj, old: Obj | None) -> Iterator[Cause]:
    spec, before = objects.spec(new), objects.spec(old or {})
    yield from _replicas(spec, 0 if before.get("minReplicas") == 0 else 1)
    target = spec.get("scaleTargetRef") or {}
    yield from reference("spec.scaleTargetRef", target, _towards_target(target, before.get("scaleTargetRef")))
    about = Lenience(anything=True) if any(_named_badly(metric) for metric in before.get("metrics") or ()) else _ABOUT
    yield from metrics("spec.metrics", spec.get("metrics") or [], spec.get("minReplicas"), about)
    behavior = spec.get("behavior") or {}
    for direction in ("scaleUp", "scaleDown"):
        if behavior.get(direction) is not None:
            yield from _rules(f"spec.behavior.{direction}", behavior[direction])


def _replicas(spec: Obj, lowest: int) -> Iterator[Cause]:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < lowest:
        yield fields.invalid("spec.minReplicas", least, f"must be greater than or equal to {lowest}")
    if most == 0:
        yield fields.required("spec.maxReplicas", "must be set and greater than 0")
    elif most < 0:
        yield fields.invalid("spec.maxReplicas", most, "must be greater than or equal to 1")
    if least is not None and most < least:
        yield fields.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")


def _towards_target(target: Obj, before: Obj | None) -> Lenience:
    if before is not None and all(before.get(name, "") == target.get(name, "") for name in ("apiVersion", "kind")):
        return Lenience(anything=True)
    return Lenience(without_group=target.get("kind") == "ReplicationController")


def _named_badly(metric: Obj) -> bool:
    described = objects.dig(metric, "object", "describedObject")
    return described is not None and version_problem(described.get("apiVersion", ""), _ABOUT) != ""


def _rules(path: str, rules: Obj) -> Iterator[Cause]:
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    at = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        yield fields.invalid(at, window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW:
        yield fields.invalid(at, window, f"must be less than or equal to {LONGEST_WINDOW}")
    if select is not None and select not in _SELECTS:
        yield fields.not_supported(f"{path}.selectPolicy", select, _SELECTS)
    policies = rules.get("policies") or ()
    if not policies:
        yield fields.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        yield from _policy(f"{path}.policies[{index}]", policy)
    tolerance = rules.get("tolerance")
    if tolerance is not None and quantity.parse(tolerance) < 0:
        yield fields.invalid(f"{path}.tolerance", quantity.canonical(tolerance), formats.NOT_NEGATIVE)


def _policy(at: str, policy: Obj) -> Iterator[Cause]:
    if policy.get("type", "") not in _POLICIES:
        yield fields.not_supported(f"{at}.type", policy.get("type", ""), _POLICIES)
    for name in ("value", "periodSeconds"):
        if policy.get(name, 0) <= 0:
            yield fields.invalid(f"{at}.{name}", policy.get(name, 0), "must be greater than zero")
    if policy.get("periodSeconds", 0) > LONGEST_PERIOD:
        why = f"must be less than or equal to {LONGEST_PERIOD}"
        yield fields.invalid(f"{at}.periodSeconds", policy["periodSeconds"], why)
