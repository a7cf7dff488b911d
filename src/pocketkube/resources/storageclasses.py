"""StorageClasses: how volumes are provisioned.

Models pkg/registry/storage/storageclass, ValidateStorageClass*, SetDefaults_StorageClass and the printer. What a
provisioner thinks of the parameters shows when it is asked for a volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import claims, fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata, nodelabels
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_IMMUTABLE: Final = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
_RECLAIM_POLICIES: Final = ("Delete", "Retain")
_BINDING_MODES: Final = ("Immediate", "WaitForFirstConsumer")
_MOST_PARAMETERS: Final = 512
_LONGEST_PARAMETERS: Final = 256 * 1024


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "StorageClass"
    plural = "storageclasses"
    returns_deleted = True
    short_names = ("sc",)
    namespaced = False
    revalidates_metadata = True
    columns = described(
        "storageclasses",
        NAME,
        Column("Provisioner"),
        Column("ReclaimPolicy"),
        Column("VolumeBindingMode"),
        Column("AllowVolumeExpansion"),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        return [
            objects.name(obj) + (" (default)" if claims.is_default(obj) else ""),
            obj.get("provisioner", ""),
            obj.get("reclaimPolicy", "Delete"),
            obj.get("volumeBindingMode", "Immediate"),
            obj.get("allowVolumeExpansion", False),
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        obj.setdefault("reclaimPolicy", "Delete")
        obj.setdefault("volumeBindingMode", "Immediate")

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from provisioner("provisioner", obj.get("provisioner", ""))
        yield from parameters("parameters", obj.get("parameters") or {})
        policy, mode = obj["reclaimPolicy"], obj["volumeBindingMode"]
        if policy and policy not in _RECLAIM_POLICIES:
            yield fields.not_supported("reclaimPolicy", policy, _RECLAIM_POLICIES)
        if mode not in _BINDING_MODES:
            yield fields.not_supported("volumeBindingMode", mode, _BINDING_MODES)
        yield from _topologies("allowedTopologies", obj.get("allowedTopologies") or [])

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        for name in _IMMUTABLE:
            yield from metadata.immutable(name, new.get(name), old.get(name))

    def warnings(self, new: Obj, old: Obj | None) -> Iterator[str]:
        for i, term in enumerate(new.get("allowedTopologies") or ()):
            for j, expression in enumerate(term.get("matchLabelExpressions") or ()):
                if message := nodelabels.DEPRECATED.get(expression.get("key", "")):
                    yield f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {message}"


def provisioner(at: str, name: str) -> Iterator[Cause]:
    """Field errors of the name of a provisioner or driver."""
    if not name:
        yield fields.required(at)
        return
    for problem in formats.qualified_name(name.lower()):
        yield fields.invalid(at, name.lower(), problem)  # upstream shows it so


def parameters(at: str, held: dict[str, str]) -> Iterator[Cause]:
    """Field errors of parameters handed to a driver."""
    if len(held) > _MOST_PARAMETERS:
        yield fields.too_long(at, _MOST_PARAMETERS)
        return
    if "" in held:
        yield fields.invalid(at, "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in held.items()) > _LONGEST_PARAMETERS:
        yield fields.too_long(at, _LONGEST_PARAMETERS)


def _topologies(at: str, terms: list[Obj]) -> Iterator[Cause]:
    # Upstream's list starts with as many empty terms as there are terms: so an empty term is refused, that many times.
    seen: list[dict[str, set[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        wanted: dict[str, set[str]] = {}
        for position, expression in enumerate(term.get("matchLabelExpressions") or ()):
            path = f"{at}[{index}].matchLabelExpressions[{position}]"
            key, values = expression.get("key", ""), expression.get("values") or []
            yield from _expression(path, key, values)
            if key in wanted:
                yield fields.duplicate(f"{path}.key", key)
            wanted[key] = set(values)
        for _ in range(seen.count(wanted)):
            yield fields.duplicate(f"{at}[{index}].matchLabelExpressions", "")
        seen.append(wanted)


def _expression(at: str, key: str, values: list[str]) -> Iterator[Cause]:
    if not values:
        yield fields.required(f"{at}.values")
    for index, value in enumerate(values):
        if value in values[:index]:
            yield fields.duplicate(f"{at}.values[{index}]", value)
    for problem in formats.qualified_name(key):
        yield fields.invalid(f"{at}.key", key, problem)
