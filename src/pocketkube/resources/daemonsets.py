"""DaemonSets.

Models pkg/registry/apps/daemonset, pkg/apis/apps (defaults, ValidateDaemonSet*, the conversion of the template's
generation to an annotation) and the printer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects, selectors
from pocketkube.errors import BadRequest, Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata, workload
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, containers, described, labels_text, selector_text
from pocketkube.resources.pod_spec import defaults, validation, warnings

TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"
"""Annotation: how often the template has changed; pods carry it as the label pod-template-generation."""
STRATEGIES: Final = ("RollingUpdate", "OnDelete")
_COUNTS: Final = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
_FURTHER: Final = (
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


class RESOURCE(Resource):
    group = "apps"
    kind = "DaemonSet"
    plural = "daemonsets"
    short_names = ("ds",)
    categories = ("all",)
    has_status = True
    bumps_generation = True
    columns = described(
        "daemonsets",
        NAME,
        Column("Desired", "integer"),
        Column("Current", "integer"),
        Column("Ready", "integer"),
        Column("Up-to-date", "integer"),
        Column("Available", "integer"),
        Column("Node Selector"),
        AGE,
        Column("Containers", priority=1),
        Column("Images", priority=1),
        Column("Selector", priority=1),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, status = objects.spec(obj), objects.status(obj)
        pod = objects.dig(spec, "template", "spec", default={})
        counts = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady")
        return [
            objects.name(obj),
            *(status.get(field, 0) for field in (*counts, "updatedNumberScheduled", "numberAvailable")),
            labels_text(pod.get("nodeSelector")),
            age(self.world.clock, obj),
            *containers(pod),
            selector_text(spec.get("selector")),
        ]

    def default(self, obj: Obj) -> None:
        _check_generation(obj)
        spec = obj.setdefault("spec", {})
        spec.setdefault("selector", None)
        defaults.template(spec.setdefault("template", {}))
        strategy = spec.setdefault("updateStrategy", {})
        strategy["type"] = strategy.get("type") or "RollingUpdate"
        if strategy["type"] == "RollingUpdate":
            rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
            rolling.setdefault("maxUnavailable", 1)
            rolling.setdefault("maxSurge", 0)
        spec.setdefault("revisionHistoryLimit", 10)

    def initial_status(self, obj: Obj) -> Obj:
        return dict.fromkeys(_COUNTS, 0)

    def prepare_create(self, obj: Obj) -> None:
        _set_generation(obj, max(1, template_generation(obj)))

    def prepare_update(self, new: Obj, old: Obj) -> None:
        changed = objects.spec(new)["template"] != objects.spec(old)["template"]
        _set_generation(new, template_generation(old) + changed)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        _set_generation(new, template_generation(old))
        status = new.setdefault("status", {})
        for field in _COUNTS:
            status.setdefault(field, 0)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from _selected(spec)
        template = spec.get("template") or {}
        yield from validation.template("spec.template", template)
        yield from workload.restarting("spec.template", template, "DaemonSet")
        yield from workload.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        yield from _strategy(spec["updateStrategy"])
        yield from workload.not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        before, after = objects.spec(old).get("selector"), objects.spec(new).get("selector")
        yield from metadata.immutable("spec.selector", after, before)
        yield from self.validate(new)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        status = objects.status(new)
        for field in (*_COUNTS, *_FURTHER):
            yield from workload.not_negative(f"status.{field}", status.get(field))
        collisions = status.get("collisionCount") or 0
        if collisions < (objects.status(old).get("collisionCount") or 0):
            yield fields.invalid("status.collisionCount", collisions, "cannot be decremented")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        if old is None or template_generation(new) != template_generation(old):
            yield from warnings.of_template("spec.template", objects.spec(new).get("template") or {})


def template_generation(obj: Obj) -> int:
    """How often the template has changed; 0 before the set is stored."""
    return int(objects.annotations(obj).get(TEMPLATE_GENERATION, "0"))


def _set_generation(obj: Obj, number: int) -> None:
    annotations = {**objects.annotations(obj), TEMPLATE_GENERATION: str(number)}
    obj["metadata"]["annotations"] = annotations


def _check_generation(obj: Obj) -> None:
    """Refuse an object whose annotation is no number, as upstream's decoder does."""
    text = objects.annotations(obj).get(TEMPLATE_GENERATION)
    if text is None:
        return
    problem = "invalid syntax"
    if re.fullmatch(r"[+-]?[0-9]+", text):
        if -(2**63) <= int(text) < 2**63:
            return
        problem = "value out of range"
    why = f"strconv.ParseInt: parsing {fields.show(text)}: {problem}"
    raise BadRequest(f'DaemonSet in version "v1" cannot be handled as a DaemonSet: {why}')


def _selected(spec: Obj) -> Iterator[Cause]:
    selector = spec.get("selector")
    if selector is not None:
        yield from metadata.label_selector("spec.selector", selector)
    try:
        matches = selectors.from_label_selector(selector)
    except BadRequest:
        pass
    else:
        yield from workload.selected("spec.template", spec.get("template") or {}, matches)
    if selector is not None and not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield fields.invalid("spec.selector", selector, "empty selector is invalid for daemonset")


def _strategy(strategy: Obj) -> Iterator[Cause]:
    type_, rolling, path = strategy["type"], strategy.get("rollingUpdate"), "spec.updateStrategy"
    if type_ == "RollingUpdate":
        yield from _rolling(f"{path}.rollingUpdate", strategy["rollingUpdate"])
    elif type_ != "OnDelete":
        internal = None
        if rolling is not None:
            internal = {"MaxUnavailable": rolling.get("maxUnavailable", 0), "MaxSurge": rolling.get("maxSurge", 0)}
        shown = {"Type": type_, "RollingUpdate": internal}
        yield fields.not_supported(path, shown, STRATEGIES, in_order=True)


def _rolling(path: str, rolling: Obj) -> Iterator[Cause]:
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    for check in (workload.int_or_percent, workload.at_most_all):
        yield from check(f"{path}.maxUnavailable", unavailable)
        yield from check(f"{path}.maxSurge", surge)
    some_unavailable, some_surge = (workload.number(value) != 0 for value in (unavailable, surge))
    if some_unavailable and some_surge:
        yield fields.invalid(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif not some_unavailable and not some_surge:
        yield fields.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
