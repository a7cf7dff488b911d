"""FlowSchemas: which requests are of which flow, and how important that is.

Models pkg/registry/flowcontrol/flowschema, pkg/apis/flowcontrol/{v1,validation} and the printer. Requests are told
their flow (apiserver/flows.py); none ever waits for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal
from pocketkube.resources.base import Column
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.flow_spec import rules
from pocketkube.resources.flow_spec.configuration import EXEMPT, FLOWSCHEMAS, MANDATORY, Configuration, specs

DEFAULT_PRECEDENCE, LAST = 1000, 10000
METHODS: Final = ("ByNamespace", "ByUser")
DANGLING: Final = "Dangling"


class RESOURCE(Configuration):
    kind = "FlowSchema"
    plural = FLOWSCHEMAS
    columns = described(
        FLOWSCHEMAS,
        NAME,
        Column("PriorityLevel", description="The PriorityLevelConfiguration of its requests."),
        Column("MatchingPrecedence", description="Which schema a request is of that several match: the lowest."),
        Column("DistinguisherMethod", description="What makes requests of different flows."),
        AGE,
        Column("MissingPL", description="references a broken or non-existent PriorityLevelConfiguration"),
    )

    def row(self, obj: Obj) -> list[Any]:
        spec, dangling = objects.spec(obj), objects.condition(obj, DANGLING)
        return [
            objects.name(obj),
            objects.dig(spec, "priorityLevelConfiguration", "name", default=""),
            spec.get("matchingPrecedence", 0),
            (spec.get("distinguisherMethod") or {"type": "<none>"}).get("type", ""),
            age(self.world.clock, obj),
            "?" if dangling is None else dangling.get("status", ""),
        ]

    def ordered(self, items: Iterable[Obj]) -> Iterable[Obj]:
        return sorted(items, key=order)

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec["matchingPrecedence"] = spec.get("matchingPrecedence") or DEFAULT_PRECEDENCE
        spec.setdefault("priorityLevelConfiguration", {"name": ""})

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec, name = objects.spec(obj), objects.name(obj)
        yield from _precedence(name, spec["matchingPrecedence"])
        method = spec.get("distinguisherMethod")
        if method is not None and method.get("type", "") not in METHODS:
            shown = internal.value_of("FlowDistinguisherMethod", method)
            yield fields.not_supported("spec.distinguisherMethod.type", shown, METHODS)
        level = spec["priorityLevelConfiguration"].get("name", "")
        for problem in formats.dns1123_subdomain(level) if level else ():
            yield fields.invalid("spec.priorityLevelConfiguration.name", level, problem)
        if not level:
            yield fields.required("spec.priorityLevelConfiguration.name", "must reference a priority level")
        for index, rule in enumerate(spec.get("rules") or ()):
            yield from rules.validate(f"spec.rules[{index}]", rule)
        fixed = specs(MANDATORY, FLOWSCHEMAS).get(name)
        if fixed is not None and not internal.equal("FlowSchemaSpec", spec, fixed):
            why = f"spec of '{name}' must equal the fixed value"
            yield fields.invalid("spec", internal.value_of("FlowSchemaSpec", spec), why)


def order(schema: Obj) -> tuple[int, str]:
    """By it schemas are sorted: the first that matches a request takes it."""
    return objects.spec(schema).get("matchingPrecedence", 0), objects.name(schema)


def _precedence(name: str, value: int) -> Iterator[Cause]:
    path = "spec.matchingPrecedence"
    if value <= 0:
        yield fields.invalid(path, value, "must be a positive value")
    if value > LAST:
        yield fields.invalid(path, value, f"must not be greater than {LAST}")
    if value == 1 and name != EXEMPT:
        yield fields.invalid(path, value, "only the schema named 'exempt' may have matchingPrecedence 1")
