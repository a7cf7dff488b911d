"""What a mutation makes of an object: an applied configuration, or a JSON patch.

Models apiserver/pkg/admission/plugin/policy/mutating/patch. Fields that are changed so are nobody's, as upstream. Left
out: why a JSON patch does not apply, beyond that it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import patch, schema
from pocketkube.errors import InternalError, Invalid
from pocketkube.fieldmanager import configuration, merging
from pocketkube.fieldmanager.shapes import Shape, Unfit
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.literals import Mismatch, unwrapped
from pocketkube.resources.base import Resource


class Unpatched(Exception):
    """A mutation that cannot be made; failurePolicy says what then."""


def apply_configuration(kind: Resource, obj: Obj, value: Any) -> Obj:
    """`value`: what the expression gave. Raises Unpatched."""
    try:
        config = {**_json(unwrapped(value)), "apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    except Mismatch as error:
        raise Unpatched(f"type mismatch: {error}") from None
    if wrong := configuration.problems(kind.shape, config):
        raise Unpatched(f"error applying patch: failed to convert patch object to typed object: {wrong}")
    if atomic := list(_atomics(kind.shape, config, "")):
        text = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise Unpatched(f"error applying patch: invalid ApplyConfiguration: {text}")
    try:
        return kind.decode(merging.merge(kind.shape, obj, config))[0]
    except Unfit as error:
        text = f"error applying patch: failed to convert original object to typed object: {error}"
        raise Unpatched(text) from None
    except schema.DecodeError as error:
        raise Unpatched(f"error applying patch: failed to convert typed object to object: {error}") from None


def apply_json_patch(kind: Resource, obj: Obj, value: Any) -> Obj:
    """`value`: what the expression gave. The object as it is where a test fails. Raises Unpatched, InternalError."""
    patched = obj
    for given in value:
        operation = {name: held for name, held in given.items() if name in ("op", "path", "from")}
        if "value" in given:
            try:
                operation["value"] = _json(unwrapped(given["value"], _root(given["value"])))
            except Mismatch as error:
                raise Unpatched(f"type mismatch: {error}") from None
        try:
            patched = patch.json_patch(patched, [operation])
        except Invalid:
            if operation.get("op") == "test":
                return obj
            shown = f"{operation.get('op', '')} operation does not apply: {operation.get('path', '')}"
            raise Unpatched(f"JSON Patch: {shown}") from None
    try:
        made, problems = kind.decode(patched)
    except schema.DecodeError as error:
        raise InternalError(str(error)) from None
    if problems:
        raise InternalError(schema.strict_text(problems))
    return made


def _root(value: Any) -> tuple[str, ...] | None:
    """The path that the types inside a value must go on from; None: any."""
    named = value.get("__type__") if isinstance(value, dict) else None
    return tuple(str(named).split(".")) if named is not None else None


def _atomics(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """The paths in a configuration at which it would replace more than it says."""
    if isinstance(value, dict) and shape.kind == "map":
        if shape.atomic:
            yield path
        for name, inner in value.items():
            if name in shape.fields:
                yield from _atomics(shape.fields[name], inner, f"{path}.{name}")
    elif isinstance(value, list) and shape.kind == "list":
        if shape.atomic:
            yield path
        for index, inner in enumerate(value):
            if shape.element is not None:
                yield from _atomics(shape.element, inner, f"{path}[{index}]")


def _json(value: Any) -> Any:
    """Raises Mismatch for what JSON does not have."""
    if isinstance(value, dict):
        return {str(name): _json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise Mismatch(f"a value of type {type(value).__name__} could not marshal to JSON")
