"""The API's types, as the Go structs behind them: fields, which of them vanish when empty, merge keys.

Models the struct tags of staging/src/k8s.io/api (json names, omitempty, patchStrategy, patchMergeKey), read from two
packaged files: the protobuf field table (Go types, pointers, omitempty) and the group's OpenAPI v3 schemas (merge
keys).

Left out: types beyond the built-in groups. Custom resources use `UNSTRUCTURED`: typed metadata, the rest as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final

import orjson

_META: Final = "k8s.io/apimachinery/pkg/apis/meta/v1"
_CUSTOM: Final = {
    "!intstr": "intstr",
    "!quantity": "quantity",
    "!time": "time",
    "!microtime": "microtime",
    "!duration": "duration",
    "!raw": "any",
}
_SCALARS: Final = frozenset(("string", "bool", "int32", "int64", "float64"))
# What encoding an empty value of a non-pointer field writes, where the field is not left out for being empty.
_ZERO: Final[dict[str, Any]] = {
    "string": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float64": 0,
    "quantity": "0",
    "intstr": 0,
    "duration": "0s",
}


class UnknownKind(LookupError):
    """The packaged schemas have no such kind."""


@dataclass(frozen=True, eq=False)
class Field:
    """A field of a struct."""

    name: str
    type: Type
    pointer: bool
    omitempty: bool
    embedded: str = ""
    """The Go names of the embedded structs it comes through, each with a dot: `IngressRuleValue.`"""
    merge_key: str = ""
    strategies: tuple[str, ...] = ()
    """x-kubernetes-patch-strategy: merge, replace, retainKeys."""

    @property
    def keeps_empty(self) -> bool:
        """Whether an empty value that was given is written back."""
        return (
            self.pointer
            or not self.omitempty
            or self.type.kind in ("struct", "quantity", "intstr", "time", "microtime")
        )

    @property
    def always(self) -> bool:
        """Whether it is written when nobody gave it a value: no omitempty, or a struct (which never is "empty")."""
        if self.type.omits_zero:
            return False
        solid = self.type.kind in ("struct", "quantity", "intstr", "time", "microtime", "duration")
        return not self.omitempty or (solid and not self.pointer)

    def zero(self) -> Any:
        """What is written for it then."""
        return None if self.pointer else self.type.zero()


class Type:
    """A Go type. `kind` is struct, map, list, bytes, any, a scalar, or one of the types with a text form of their own
    (quantity, intstr, time, microtime, duration); `name` is what Go calls it in errors (`v1.ServiceSpec`,
    `[]string`).
    """

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        element: Type | None = None,
        fields: Callable[[], dict[str, Field]] | None = None,
        pointer_elements: bool = False,
        omits_zero: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.element = element
        self.pointer_elements = pointer_elements
        self.omits_zero = omits_zero
        self._fields = fields

    def __repr__(self) -> str:
        return f"<Type {self.name}>"

    @property
    def struct_name(self) -> str:
        """The name without its package: `ServiceSpec`."""
        return self.name.rpartition(".")[2]

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The fields of a struct by JSON name; empty for other types."""
        return self._fields() if self._fields else {}

    @cached_property
    def always(self) -> tuple[Field, ...]:
        """The fields that are written whatever was given."""
        return tuple(field for field in self.fields.values() if field.always)

    def zero(self) -> Any:
        """The JSON of the Go zero value."""
        if self.kind == "struct":
            return {field.name: field.zero() for field in self.always}
        return _ZERO.get(self.kind)

    @cached_property
    def decoder(self) -> Callable[[Any], Any]:
        """The quick decoder (see compiled.py), made on first use."""
        from pocketkube.schema.compiled import compiled

        return compiled(self)


def for_kind(api_version: str, kind: str) -> Type:
    """The type of a kind (`apps/v1`, `Deployment`); options kinds (DeleteOptions, ...) exist in every version.

    Raises UnknownKind.
    """
    return _for_kind(api_version, kind)


@cache
def _for_kind(api_version: str, kind: str) -> Type:
    table = field_table()
    package = table["gv"].get(api_version)
    if package is None:
        raise UnknownKind(f'no kind "{kind}" in version "{api_version}"')
    for go_name in (f"{package}.{kind}", f"{_META}.{kind}"):
        if isinstance(table["types"].get(go_name), dict):
            return _named(go_name, api_version, root=True)
    raise UnknownKind(f'no kind "{kind}" in version "{api_version}"')


@cache
def field_table() -> dict[str, Any]:
    """data/openapi/protobuf-fields.json: `gv` (version to Go package) and `types` (Go type to numbered fields)."""
    table: dict[str, Any] = orjson.loads(_data("protobuf-fields.json"))
    return table


@cache
def openapi(api_version: str) -> dict[str, Any]:
    """The OpenAPI v3 schemas of one version by component name; empty where there is no packaged document."""
    file = f"api_{api_version}.json" if "/" not in api_version else f"apis_{api_version.replace('/', '_')}.json"
    try:
        return orjson.loads(_data(file))["components"]["schemas"]  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}


def _data(file: str) -> bytes:
    from importlib import resources  # ten milliseconds that importing this module must not cost

    return (resources.files("pocketkube") / "data" / "openapi" / file).read_bytes()


_types: dict[tuple[str, bool], Type] = {}


def _named(go_name: str, api_version: str, *, root: bool = False) -> Type:
    """The type of a Go name, shared between kinds; a root has kind and apiVersion besides its own fields."""
    found = _types.get((go_name, root))
    if found is None:
        found = _types[go_name, root] = _build(go_name, api_version, root)
    return found


def _build(go_name: str, api_version: str, root: bool) -> Type:
    name = go_name.rpartition("/")[2]
    if go_name in _SCALARS:
        return Type(go_name, go_name)
    if go_name == "[]byte":
        return Type("[]uint8", "bytes")
    shape = field_table()["types"].get(go_name)
    if shape is None:  # NodeName, UID and the like
        return Type(name, "string")
    if isinstance(shape, str):
        if kind := _CUSTOM.get(shape):
            return Type(name, kind)
        return _renamed(_expression(shape, api_version)[0], name)
    if isinstance(shape, list):
        return _renamed(_expression(shape, api_version)[0], name)
    if _is_union(shape):
        return Type(name, "any")
    return Type(name, "struct", fields=lambda: _fields(go_name, api_version, root))


def _is_union(shape: dict[str, list[Any]]) -> bool:
    """The few types with several embedded alternatives write JSON of their own (JSONSchemaPropsOrBool)."""
    return any(not name and (isinstance(type_, list) or type_ in _SCALARS) for name, type_, _, _ in shape.values())


def _renamed(type_: Type, name: str) -> Type:
    return Type(name, type_.kind, element=type_.element, fields=type_._fields, pointer_elements=type_.pointer_elements)


def _expression(expression: Any, api_version: str) -> tuple[Type, bool]:
    """The type of a type expression of the field table, and whether it is a pointer."""
    if isinstance(expression, str):
        return _named(expression, api_version), False
    word, *arguments = expression
    if word == "ptr":
        return _expression(arguments[0], api_version)[0], True
    element, pointer = _expression(arguments[-1], api_version)
    shown = f"*{element.name}" if pointer else element.name
    if word == "list":
        return Type(f"[]{shown}", "list", element=element, pointer_elements=pointer), False
    key = _named(arguments[0], api_version)
    return Type(f"map[{key.name}]{shown}", "map", element=element, pointer_elements=pointer), False


def _fields(go_name: str, api_version: str, root: bool) -> dict[str, Field]:
    schema = openapi(api_version).get(_component(go_name)) or openapi("v1").get(_component(go_name)) or {}
    properties = schema.get("properties", {})
    found: dict[str, Field] = {}
    if root or ("kind" in properties and "apiVersion" in properties):
        string = _named("string", api_version)
        for name in ("kind", "apiVersion"):
            found[name] = Field(name, string, pointer=False, omitempty=True, embedded="TypeMeta.")
    found.update(_own_fields(go_name, api_version, properties, ""))
    return found


def _own_fields(go_name: str, api_version: str, properties: dict[str, Any], embedded: str) -> dict[str, Field]:
    found: dict[str, Field] = {}
    shape = field_table()["types"][go_name]
    for name, expression, _, omitempty in shape.values():
        if not name:
            inner = f"{embedded}{expression.rpartition('.')[2]}."
            found.update(_own_fields(expression, api_version, properties, inner))
            continue
        type_, pointer = _expression(expression, api_version)
        if name == "creationTimestamp" and go_name == f"{_META}.ObjectMeta":
            type_ = Type(type_.name, type_.kind, omits_zero=True)  # the one `omitzero` of the API
        hints = properties.get(name, {})
        strategy = hints.get("x-kubernetes-patch-strategy", "")
        found[name] = Field(
            name,
            type_,
            pointer=pointer,
            omitempty=bool(omitempty),
            embedded=embedded,
            merge_key=hints.get("x-kubernetes-patch-merge-key", ""),
            strategies=tuple(strategy.split(",")) if strategy else (),
        )
    return found


def _component(go_name: str) -> str:
    """The OpenAPI name of a Go type: k8s.io/api/core/v1.Pod is io.k8s.api.core.v1.Pod."""
    domain, _, rest = go_name.partition("/")
    return ".".join([*reversed(domain.split(".")), rest.replace("/", ".")])


def _unstructured_fields() -> dict[str, Field]:
    string = Type("string", "string")
    fields = {name: Field(name, string, pointer=False, omitempty=True) for name in ("kind", "apiVersion")}
    meta = _named(f"{_META}.ObjectMeta", "v1")
    return {**fields, "metadata": Field("metadata", meta, pointer=False, omitempty=False)}


class _Unstructured(Type):
    """Keeps fields it does not know."""


UNSTRUCTURED: Final[Type] = _Unstructured("unstructured.Unstructured", "struct", fields=_unstructured_fields)
