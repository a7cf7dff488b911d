"""PriorityClasses: names for how important pods are.

Models pkg/registry/scheduling/priorityclass, ValidatePriorityClass*, SetDefaults_PriorityClass and the printer. The
two classes of the system itself are made at start (`bootstrap`); which one a pod gets is for `admission/priority.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause, Forbidden
from pocketkube.objects import Obj
from pocketkube.resources import metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

PREFIX: Final = "system-"
HIGHEST: Final = 1_000_000_000
"""The highest value of a class that is not the system's."""
SYSTEM: Final[dict[str, tuple[int, str]]] = {
    "system-cluster-critical": (
        2 * HIGHEST,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (
        2 * HIGHEST + 1000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}
"""Value and description of the classes that every cluster has."""
POLICIES: Final = ("PreemptLowerPriority", "Never")


class RESOURCE(Resource):
    group = "scheduling.k8s.io"
    kind = "PriorityClass"
    plural = "priorityclasses"
    short_names = ("pc",)
    namespaced = False
    bumps_generation = True
    revalidates_metadata = True
    columns = described(
        "priorityclasses",
        NAME,
        Column("Value", type="integer"),
        Column("Global-Default", type="boolean"),
        AGE,
        Column("PreemptionPolicy"),
    )

    def row(self, obj: Obj) -> list[Any]:
        return [
            objects.name(obj),
            obj.get("value", 0),
            bool(obj.get("globalDefault")),
            age(self.world.clock, obj),
            obj.get("preemptionPolicy", ""),
        ]

    def default(self, obj: Obj) -> None:
        obj.setdefault("preemptionPolicy", POLICIES[0])

    def check_delete(self, obj: Obj) -> None:
        if objects.name(obj) in SYSTEM:
            why = "this is a system priority class and cannot be deleted"
            raise Forbidden.of(self.qualified, objects.name(obj), why)

    def generation_basis(self, obj: Obj) -> Any:
        return None  # it stays 1

    def validate(self, obj: Obj) -> Iterator[Cause]:
        name, value = objects.name(obj), obj.get("value", 0)
        if name.startswith(PREFIX):
            if (problem := _foreign(obj)) is not None:
                why = f"priority class names with '{PREFIX}' prefix are reserved for system use only. error: {problem}"
                yield fields.forbidden("metadata.name", why)
        elif value > HIGHEST:
            yield fields.forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}")
        policy = obj["preemptionPolicy"]
        if not policy:
            yield fields.required("preemptionPolicy")
        elif policy not in POLICIES:
            yield fields.not_supported("preemptionPolicy", policy, POLICIES)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        if new.get("value", 0) != old.get("value", 0):
            yield fields.forbidden("value", "may not be changed in an update.")
        yield from metadata.immutable("preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))


def system_class(name: str) -> Obj:
    """One of SYSTEM, as the API server makes it."""
    value, description = SYSTEM[name]
    return {"metadata": {"name": name}, "value": value, "description": description}


def _foreign(obj: Obj) -> str | None:
    """Why a class named like one of the system's is none of them; None: it is one."""
    name = objects.name(obj)
    known = SYSTEM.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if obj.get("value", 0) != known[0]:
        return f"value of {name} PriorityClass must be {known[0]}"
    if obj.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    return None
