"""What a version's `openAPIV3Schema` may say.

Models ValidateCustomResourceDefinitionOpenAPISchema (apiextensions/validation/validation.go) and
apiserver/schema/defaulting/validation.go: structural, defaults that validate and are pruned, lists and maps that can be
told apart, rules that compile. Left out: cost limits of rules (upstream estimates how long a rule may take).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.resources.custom import embedded, pruning, structural, values
from pocketkube.resources.custom.correlation import same
from pocketkube.resources.custom.paths import BadFieldPath, follow
from pocketkube.resources.custom.schemas import (
    EMBEDDED,
    JUNCTORS,
    LIST_KEYS,
    LIST_TYPE,
    MAP_TYPE,
    META,
    PRESERVE,
    RULES,
    Schema,
    additional,
    as_root,
    items,
    properties,
    walk,
)

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_REASONS: Final = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_AT_ROOT: Final = {
    "description": "Description",
    "type": "Type",
    "format": "Format",
    "title": "Title",
    "maximum": "Maximum",
    "exclusiveMaximum": "ExclusiveMaximum",
    "minimum": "Minimum",
    "exclusiveMinimum": "ExclusiveMinimum",
    "maxLength": "MaxLength",
    "minLength": "MinLength",
    "pattern": "Pattern",
    "maxItems": "MaxItems",
    "minItems": "MinItems",
    "uniqueItems": "UniqueItems",
    "multipleOf": "MultipleOf",
    "required": "Required",
    "items": "Items",
    "properties": "Properties",
    "externalDocs": "ExternalDocs",
    "example": "Example",
    PRESERVE: "XPreserveUnknownFields",
    RULES: "XValidations",
}
"""Fields of a root schema beside a status subresource, and what Go calls them."""
_UNSUPPORTED: Final = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


@dataclass(frozen=True)
class _Place:
    """Where in the schema we are: what is forbidden there, and whether rules can be compiled."""

    root: bool = False
    no_default: str | None = None
    inside_meta: bool = False
    no_old_self: str | None = None
    rules: bool = True


def validate(schema: Schema, at: str, has_status: bool) -> Iterator[Cause]:
    """Field errors of the schema at path `at`; `has_status`: the version has a status subresource."""
    found = list(_root(schema, at, has_status))
    wrong = structural.validate(schema, at) or list(_defaults(schema, at))
    found += wrong
    schema_causes, rule_causes = _schema(schema, at, _Place(root=True, rules=not wrong))
    yield from (*found, *schema_causes, *rule_causes)


def _root(schema: Schema, at: str, has_status: bool) -> Iterator[Cause]:
    if has_status:
        if (schema.get("type") or "object") != "object":
            text = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
            yield fields.invalid(f"{at}.type", schema["type"], text)
        elif any(value for name, value in schema.items() if name not in _AT_ROOT):
            listed = " ".join(_AT_ROOT.values())
            text = f"only [{listed}] fields are allowed at the root of the schema if the status subresource is enabled"
            yield fields.invalid(at, schema, text)
    if schema.get("nullable"):
        yield fields.forbidden(f"{at}.nullable", "nullable cannot be true at the root")


def _schema(schema: Schema, at: str, place: _Place) -> tuple[list[Cause], list[Cause]]:
    """(errors of the schema, errors of its rules), here and further inside."""
    wrong, broken = list(_node(schema, at, place)), []
    for inside, where, next_place in _children(schema, at, place):
        more, rules = _schema(inside, where, next_place)
        wrong += more
        broken += rules
    wrong += _extensions(schema, at)
    wrong += _rules(schema, at)
    if schema.get(RULES) and not wrong and place.rules:
        broken += _compile(schema, at, place)
    return wrong, broken


def _children(schema: Schema, at: str, place: _Place) -> Iterator[tuple[Schema, str, _Place]]:
    inner = replace(place, root=False)
    if (values_ := additional(schema)) is not None:
        why = "inside additionalProperties applying to object metadata"
        yield values_, f"{at}.additionalProperties", replace(inner, no_default=why) if place.inside_meta else inner
    for name, inside in properties(schema).items():
        here = inner
        if schema.get(MAP_TYPE) not in (None, "granular", "atomic"):
            here = _without_old_self(here, at)
        if name in META and (place.root or schema.get(EMBEDDED)):
            here = replace(here, inside_meta=True)
            if place.root:
                here = replace(here, no_default=f"in top-level {name}")
        yield inside, f"{at}.properties[{name}]", here
    unruled = replace(inner, rules=False)
    if schema.get("not") is not None:
        yield schema["not"], f"{at}.not", unruled
    for name in JUNCTORS:
        for index, one in enumerate(schema.get(name) or ()):
            yield one, f"{at}.{name}[{index}]", unruled
    if (inside_list := items(schema)) is not None:
        yield inside_list, f"{at}.items", inner if schema.get(LIST_TYPE) == "map" else _without_old_self(inner, at)


def _without_old_self(place: _Place, at: str) -> _Place:
    return place if place.no_old_self is not None else replace(place, no_old_self=at)


def _node(schema: Schema, at: str, place: _Place) -> Iterator[Cause]:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        yield fields.not_supported(f"{at}.type", kind, _TYPES)
    if schema.get("default") is not None and place.no_default is not None:
        yield fields.forbidden(f"{at}.default", f"must not be set {place.no_default}")
    for name in _UNSUPPORTED:
        if schema.get(name):
            yield fields.forbidden(f"{at}.{name}", f"{name} is not supported")
    if kind == "null":
        yield fields.forbidden(f"{at}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield fields.forbidden(f"{at}.items", "items must be a schema object and not an array")
    if place.inside_meta and schema.get(EMBEDDED):
        yield fields.forbidden(f"{at}.{EMBEDDED}", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield fields.forbidden(f"{at}.uniqueItems", text)
    if schema.get("additionalProperties") not in (None, True) and properties(schema):
        text = "additionalProperties and properties are mutual exclusive"
        yield fields.forbidden(f"{at}.additionalProperties", text)


def _extensions(schema: Schema, at: str) -> Iterator[Cause]:
    kind, list_type, map_type = schema.get("type") or "", schema.get(LIST_TYPE), schema.get(MAP_TYPE)
    inner, keys = items(schema), schema.get(LIST_KEYS) or []
    if schema.get(PRESERVE) is False:
        yield fields.invalid(f"{at}.{PRESERVE}", False, "must be true or undefined")
    if map_type is not None:
        yield from _must_be(kind, "object", f"{at}.type", MAP_TYPE)
        if map_type not in ("atomic", "granular"):
            yield fields.not_supported(f"{at}.{MAP_TYPE}", map_type, ("atomic", "granular"), in_order=True)
    if list_type is not None:
        yield from _must_be(kind, "array", f"{at}.type", LIST_TYPE)
        if kind == "array" and list_type == "set" and inner is not None:
            yield from _atomic(inner, f"{at}.items")
        if list_type not in ("atomic", "set", "map"):
            yield fields.not_supported(f"{at}.{LIST_TYPE}", list_type, ("atomic", "set", "map"), in_order=True)
    if keys and list_type != "map":
        text = f"must be map if {LIST_KEYS} is non-empty"
        where = f"{at}.{LIST_TYPE}"
        yield fields.required(where, text) if list_type is None else fields.invalid(where, list_type, text)
    if list_type == "map":
        yield from _list_map(inner, keys, at)
    if list_type in ("set", "map") and inner is not None:
        yield from _identity(inner, keys if list_type == "map" else [], list_type, at)


def _must_be(kind: str, wanted: str, at: str, extension: str) -> Iterator[Cause]:
    text = f"must be {wanted} if {extension} is specified"
    if not kind:
        yield fields.required(at, text)
    elif kind != wanted:
        yield fields.invalid(at, kind, text)


def _atomic(inner: Schema, at: str) -> Iterator[Cause]:
    text = f"must be atomic as item of a list with {LIST_TYPE}=set"
    if inner.get("type") == "array" and inner.get(LIST_TYPE, "atomic") != "atomic":
        yield fields.invalid(f"{at}.{LIST_TYPE}", inner.get(LIST_TYPE), text)
    if inner.get("type") == "object" and inner.get(MAP_TYPE) != "atomic":
        yield fields.invalid(f"{at}.{MAP_TYPE}", inner.get(LIST_TYPE), text)


def _list_map(inner: Schema | None, keys: list[str], at: str) -> Iterator[Cause]:
    if not keys:
        yield fields.required(f"{at}.{LIST_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if inner is None:
        yield fields.required(f"{at}.items", f"must have a schema if {LIST_TYPE} is map")
        return
    if inner.get("type") != "object":
        text = f"must be object if parent array's {LIST_TYPE} is map"
        yield fields.invalid(f"{at}.items.type", inner.get("type") or "", text)
        return
    for index, key in enumerate(keys):
        inside = properties(inner).get(key)
        if inside is None:
            yield fields.invalid(f"{at}.{LIST_KEYS}", keys, "entries must all be names of item properties")
        elif inside.get("type") in ("array", "object"):
            text = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield fields.invalid(f"{at}.items.properties[{key}].type", inner["type"], text)
        if key in keys[:index]:
            yield fields.invalid(f"{at}.{LIST_KEYS}", keys, "must not contain duplicate entries")


def _identity(inner: Schema, keys: list[str], list_type: str, at: str) -> Iterator[Cause]:
    if inner.get("nullable"):
        yield fields.forbidden(f"{at}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {list_type}")
    for key in keys:
        inside, where = properties(inner).get(key), f"{at}.items.properties[{key}]"
        if inside is None:
            continue
        if key not in (inner.get("required") or ()) and inside.get("default") is None:
            text = f"this property is in {LIST_KEYS}, so it must have a default or be a required property"
            yield fields.required(f"{where}.default", text)
        if inside.get("nullable"):
            yield fields.forbidden(f"{where}.nullable", f"this property is in {LIST_KEYS}, so it cannot be nullable")


# -- rules


def _rules(schema: Schema, at: str) -> Iterator[Cause]:
    for index, rule in enumerate(schema.get(RULES) or ()):
        yield from _rule(schema, rule, f"{at}.{RULES}[{index}]")


def _rule(schema: Schema, rule: dict[str, Any], at: str) -> Iterator[Cause]:
    text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
    if not text:
        yield fields.required(f"{at}.rule", "rule is not specified")
    elif message and not message.strip():
        yield fields.invalid(f"{at}.message", message, "must be non-empty if specified")
    elif _has_line_break(message.strip()):
        yield fields.invalid(f"{at}.message", message, "must not contain line breaks")
    elif _has_line_break(text) and not message.strip():
        yield fields.required(f"{at}.message", "message must be specified if rule contains line breaks")
    if rule.get("messageExpression") and not rule["messageExpression"].strip():
        yield fields.required(f"{at}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in _REASONS:
        yield fields.not_supported(f"{at}.reason", rule["reason"], _REASONS)
    if path := rule.get("fieldPath") or "":
        if not path.strip():
            yield fields.invalid(f"{at}.fieldPath", path, "must be non-empty if specified")
        if _has_line_break(path):
            yield fields.invalid(f"{at}.fieldPath", path, "must not contain line breaks")
        try:
            follow(path, schema)
        except BadFieldPath:
            yield fields.invalid(f"{at}.fieldPath", path, "must be a valid path")


def _has_line_break(text: str) -> bool:
    return re.search(r"[\n\r]", text) is not None


def _compile(schema: Schema, at: str, place: _Place) -> Iterator[Cause]:
    from pocketkube.resources.custom import rules

    for index, compiled in enumerate(rules.compile_all(schema, root=place.root or bool(schema.get(EMBEDDED)))):
        rule, where = schema[RULES][index], f"{at}.{RULES}[{index}]"
        if compiled.problem:
            yield fields.invalid(f"{where}.rule", rule, compiled.problem)
        if compiled.message_problem:
            yield fields.invalid(f"{where}.messageExpression", rule, compiled.message_problem)
        if compiled.uses_old_self:
            if place.no_old_self is not None:
                text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.no_old_self}"
                yield fields.invalid(f"{where}.rule", rule["rule"], text)
        elif rule.get("optionalOldSelf") is not None and not compiled.problem:
            text = "may not be set if oldSelf is not used in rule"
            yield fields.invalid(f"{where}.optionalOldSelf", rule["optionalOldSelf"], text)


# -- defaults


def _defaults(schema: Schema, at: str) -> Iterator[Cause]:
    if any(inside.get("default") is not None for inside in walk(schema)):
        yield from _default(as_root(schema), at, False)


def _default(schema: Schema, at: str, inside_meta: bool) -> Iterator[Cause]:
    inside_meta = inside_meta and not schema.get(EMBEDDED)
    given = schema.get("default")
    if given is not None:
        yield from _judge(schema, given, f"{at}.default", inside_meta)
    if (inner := items(schema)) is not None:
        yield from _default(inner, f"{at}.items", inside_meta)
    for name, inside in properties(schema).items():
        is_meta = bool(schema.get(EMBEDDED)) and name in META
        yield from _default(inside, f"{at}.properties[{name}]", inside_meta or is_meta)


def _judge(schema: Schema, given: Any, at: str, inside_meta: bool) -> Iterator[Cause]:
    pruned = objects.copy(given)
    if not inside_meta:
        pruning.prune(pruned, schema, root=bool(schema.get(EMBEDDED)))
        if not same(pruned, given):
            yield fields.invalid(at, given, "must not have unknown fields")
    try:
        embedded.coerce(objects.copy(given), schema, at)
    except embedded.Malformed as error:
        yield error.cause
        return
    if wrong := [*embedded.validate(given, schema, at)] or values.validate(given, schema, prefix=at):
        yield from wrong
        return
    if any(inside.get(RULES) for inside in walk(schema)):
        from pocketkube.resources.custom.rules import Rules

        yield from Rules(schema).causes(given, given, at)
