"""The types of the API as merging sees them: what is one value, what has fields, and by what the items of a list are
known.

Read from OpenAPI schemas: those of the built-in kinds (`of_kind`), those of a CustomResourceDefinition (`of_custom`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, Final

from pocketkube.schema import types

Schema = Mapping[str, Any]
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_RAW: Final = "io.k8s.apimachinery.pkg.runtime.RawExtension"
_SCALARS: Final = {"string": "string", "boolean": "boolean", "integer": "numeric", "number": "numeric"}


class Unfit(ValueError):
    """A value that is not of its shape: validation, which comes later, has words for it."""


class Shape:
    """`kind` is scalar, map, list or any (by the value: maps have fields, lists are one value).

    `atomic`: it is one value, whatever is in it. A map has `fields` it declares and may have others, of the shape
    `element` (None: it may not). A list that is not atomic is a set without `keys`; with keys its items are maps known
    by the values of those, of which `defaults` stand for those that are left out. `scalar` is string, boolean,
    numeric or untyped.
    """

    def __init__(
        self,
        kind: str,
        *,
        atomic: bool = False,
        fields: Callable[[], dict[str, Shape]] | None = None,
        element: Callable[[], Shape] | None = None,
        keys: tuple[str, ...] = (),
        defaults: Mapping[str, Any] | None = None,
        scalar: str = "",
    ) -> None:
        self.kind, self.atomic, self.keys, self.scalar = kind, atomic, tuple(sorted(keys)), scalar
        self.given_keys = keys
        """In the order of the schema, as messages name them."""
        self.defaults = defaults or {}
        self._fields, self._element = fields, element
        self._below: dict[str, tuple[str, Shape]] = {}

    @cached_property
    def fields(self) -> dict[str, Shape]:
        return self._fields() if self._fields else {}

    @cached_property
    def element(self) -> Shape | None:
        return self._element() if self._element else None

    def below(self, name: str) -> tuple[str, Shape]:
        """A field of a map: its path element and its shape. Raises Unfit for one that it cannot have."""
        found = self._below.get(name)
        if found is None:
            shape = self.of(name)
            if shape is None:
                raise Unfit(f"no field {name}")
            found = f"f:{name}", shape
            if name in self.fields:
                self._below[name] = found
        return found

    def of(self, name: str) -> Shape | None:
        """The shape of a field of a map; None for one that it cannot have."""
        return self.fields.get(name) or self.element

    def is_value(self, value: Any) -> bool:
        """Whether such a value is owned as one, with all that is in it."""
        if self.kind == "any":
            return not isinstance(value, dict)
        return self.atomic or self.kind == "scalar"


UNTYPED: Final = Shape("scalar", scalar="untyped")
ANY: Final[Shape] = Shape("any", element=lambda: ANY)
OPAQUE: Final[Shape] = Shape("any", atomic=True, element=lambda: OPAQUE)
"""Anything, as one value."""


@cache
def of_kind(api_version: str, kind: str) -> Shape:
    """The shape of a built-in kind. Raises LookupError."""
    group, _, version = api_version.rpartition("/")
    for schema in types.openapi(api_version).values():
        for named in schema.get("x-kubernetes-group-version-kind", ()):
            if (named["group"], named["version"], named["kind"]) == (group, version, kind):
                return of_schema(schema, types.openapi(api_version))
    raise LookupError(f"no schema of {api_version} {kind}")


def of_custom(schema: Schema) -> Shape:
    """The shape of a custom kind by its structural schema."""
    found = of_schema(schema, {})
    heads = {"apiVersion": Shape("scalar", scalar="string"), "kind": Shape("scalar", scalar="string")}
    known = types.openapi("v1")
    metadata = {"metadata": of_schema(known[_META], known)}
    return Shape(
        "map",
        fields=lambda: {**found.fields, **heads, **metadata},
        element=(lambda: ANY) if found.kind == "any" or found.element is ANY else None,
    )


def of_schema(schema: Schema, known: Mapping[str, Schema], map_type: str = "") -> Shape:
    """`known`: the schemas that references name; `map_type`: what the field says that refers to this one."""
    if name := _referred(schema):
        if name == _RAW:
            return OPAQUE
        return of_schema(known.get(name, {}), known, schema.get("x-kubernetes-map-type", ""))
    type_ = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string") or (not type_ and "oneOf" in schema):
        return UNTYPED
    if type_ == "array":
        return _list(schema, known)
    if type_ in _SCALARS:
        return Shape("scalar", scalar=_SCALARS[type_])
    if type_ == "object" or "properties" in schema:
        return _map(schema, known, map_type)
    return ANY


def _list(schema: Schema, known: Mapping[str, Schema]) -> Shape:
    items = schema.get("items", {})
    list_type = schema.get("x-kubernetes-list-type", "atomic")
    keys = tuple(schema.get("x-kubernetes-list-map-keys", ())) if list_type == "map" else ()
    name = _referred(items)
    properties = (known.get(name, {}) if name else items).get("properties", {}) if keys else {}
    defaults = {key: properties[key]["default"] for key in keys if "default" in properties.get(key, {})}
    return Shape(
        "list",
        atomic=list_type == "atomic",
        element=lambda: of_schema(items, known),
        keys=keys,
        defaults={key: value for key, value in defaults.items() if value is not None},
    )


def _map(schema: Schema, known: Mapping[str, Schema], map_type: str) -> Shape:
    atomic = (map_type or schema.get("x-kubernetes-map-type")) == "atomic"
    properties, others = schema.get("properties"), schema.get("additionalProperties")
    element: Callable[[], Shape] | None = None
    if schema.get("x-kubernetes-preserve-unknown-fields") or others is True or (properties is None and not others):
        element = lambda: ANY  # noqa: E731 - one word for each case
    elif isinstance(others, Mapping):
        element = lambda: of_schema(others, known)  # noqa: E731
    declared: Mapping[str, Schema] = dict(properties or {})
    if schema.get("x-kubernetes-embedded-resource"):
        meta = {"metadata": {"$ref": f"#/{_META}"}, "apiVersion": {"type": "string"}, "kind": {"type": "string"}}
        declared, known = {**declared, **meta}, types.openapi("v1")
    fields = known
    return Shape(
        "map",
        atomic=atomic,
        fields=lambda: {name: of_schema(one, fields) for name, one in declared.items()},
        element=element,
    )


def _referred(schema: Schema) -> str:
    """The name of the schema that this one refers to, "" for none."""
    reference = schema.get("$ref") or next((one["$ref"] for one in schema.get("allOf", ()) if "$ref" in one), "")
    return str(reference).rpartition("/")[2]
