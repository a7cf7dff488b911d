"""Values judged by a schema, in the words of kube-openapi's validator.

Models kube-openapi/pkg/validation/validate and the translation to field errors in apiextensions-apiserver's
apiserver/validation/{validation,ratcheting}.go: on an update, what is wrong but unchanged is let be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pocketkube import fields, regex
from pocketkube.errors import Cause
from pocketkube.resources.custom import formats
from pocketkube.resources.custom.correlation import Correlated, same
from pocketkube.resources.custom.schemas import INT_OR_STRING, Schema, additional, items, properties

INT32: Final = 2**31
_MakeCause = Callable[[str], Cause]


@dataclass
class Problem:
    """What is wrong at `name` (empty: at no field in particular); `cause` makes the error of the field's full path."""

    name: str
    cause: _MakeCause


@dataclass
class Result:
    """`count` is how many checks were made: of several alternatives that fail, the one that got furthest is told."""

    problems: list[Problem] = field(default_factory=list)
    count: int = 0

    def merge(self, other: Result) -> None:
        self.problems += other.problems
        self.count += other.count


def validate(value: Any, schema: Schema, *, prefix: str = "", correlated: Correlated | None = None) -> list[Cause]:
    """Field errors of a value whose path is `prefix`; `correlated` on an update."""
    causes = []
    for problem in _ratcheted(value, schema, "", correlated).problems:
        name = problem.name.lstrip(".")
        path = f"{prefix}.{name}" if prefix and name else prefix or name
        causes.append(problem.cause(path or "<nil>"))
    return causes


def _ratcheted(value: Any, schema: Schema, path: str, correlated: Correlated | None) -> Result:
    result = _check(value, schema, path, correlated)
    if result.problems and correlated is not None and correlated.unchanged:
        return Result()
    return result


def _check(value: Any, schema: Schema, path: str, correlated: Correlated | None) -> Result:
    result = Result()
    if value is None:
        result.problems += [*_type(None, schema, path), *_enum(None, schema, path)]
        return result
    result.problems += _type(value, schema, path)
    result.merge(_junctors(value, schema, path, correlated))
    if isinstance(value, str):
        result.problems += _string(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        result.problems += _number(value, schema, path)
    elif isinstance(value, list):
        result.merge(_list(value, schema, path, correlated))
    result.problems += _enum(value, schema, path)
    if isinstance(value, dict):
        result.merge(_object(value, schema, path, correlated))
    result.count += 1
    return result


# -- what a problem is


def _said(path: str, value: Any, text: str) -> Problem:
    return Problem(path, lambda at: fields.invalid(at, value, text))


def _untyped(text: str) -> Problem:
    """An error that names no field, as upstream's composite errors."""
    return Problem("", lambda at: fields.invalid(at, "", text))


def _wrong_type(path: str, wanted: str, shown: str) -> Problem:
    where = f"{path} in body" if path else " in body"
    text = f'{where} must be of type {wanted}: "{shown}"'
    return Problem(path, lambda at: fields.type_invalid(at, shown, text))


# -- types


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get(INT_OR_STRING):
        return "integer", "string"
    return (schema["type"],) if schema.get("type") else ()


def _kind(value: Any) -> tuple[str, str]:
    """(JSON schema type, format) of a value."""
    match value:
        case bool():
            return "boolean", ""
        case str():
            return "string", ""
        case int():
            return "integer", "int64"
        case float():
            return "number", "double"
        case list():
            return "array", ""
        case _:
            return "object", ""


def _type(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    wanted = _types(schema)
    if value is None:
        if wanted and not schema.get("nullable"):
            yield _wrong_type(path, ",".join(wanted), "null")
        return
    if not wanted:
        return
    kind, own = _kind(value)
    form = schema.get("format", "") if formats.recognised(schema) else ""
    whole = kind == "number" and value == int(value) and "integer" in wanted
    fits = kind in wanted or whole or (kind == "integer" and "number" in wanted)
    if kind not in ("string", "array") and form and not fits and own != form:
        yield _wrong_type(path, form, own)
    elif form and kind in ("string", "array") and not {"integer", "number"} & set(wanted):
        return  # the format's own check says it
    elif not fits:
        yield _wrong_type(path, ",".join(wanted), kind)


def _enum(value: Any, schema: Schema, path: str) -> Iterator[Problem]:
    allowed = schema.get("enum")
    if not allowed or any(_equal(value, one) for one in allowed):
        return
    shown = [one if isinstance(one, str) else json.dumps(one, separators=(",", ":")) for one in allowed]
    yield Problem(path, lambda at: fields.not_supported(at, value, shown, in_order=True))


def _equal(value: Any, allowed: Any) -> bool:
    if isinstance(value, int | float) and isinstance(allowed, int | float):
        return value == allowed and isinstance(value, bool) == isinstance(allowed, bool)
    return same(value, allowed)


# -- scalars


def _string(value: str, schema: Schema, path: str) -> Iterator[Problem]:
    text = f"{path} in body"
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        yield Problem(path, lambda at: fields.too_long(at, most))
    elif (least := schema.get("minLength")) is not None and len(value) < least:
        yield _said(path, value, f"{text} should be at least {least} chars long")
    elif (pattern := schema.get("pattern")) and not regex.go(pattern).search(value):
        yield _said(path, value, f"{text} should match '{pattern}'")
    form = schema.get("format", "")
    if form and formats.recognised(schema) and not formats.holds(form, value):
        wrong = f"{text} must be of type {form}: {fields.show(value)}"
        yield Problem(path, lambda at: fields.type_invalid(at, value, wrong))


def _number(value: float, schema: Schema, path: str) -> Iterator[Problem]:
    text = f"{path} in body"
    if isinstance(value, int) and schema.get("format") == "int32" and not -INT32 <= value < INT32:
        yield _untyped(f"Checked value must be of type integer with format int32 in {path}")
    if (step := schema.get("multipleOf")) is not None and value % step:
        yield _said(path, value, f"{text} should be a multiple of {_go(step, value)}")
    most, least = schema.get("maximum"), schema.get("minimum")
    below, above = schema.get("exclusiveMaximum"), schema.get("exclusiveMinimum")
    if most is not None and (value >= most if below else value > most):
        yield _said(path, value, f"{text} should be less than {'' if below else 'or equal to '}{_go(most, value)}")
    if least is not None and (value <= least if above else value < least):
        yield _said(path, value, f"{text} should be greater than {'' if above else 'or equal to '}{_go(least, value)}")


def _go(bound: float, value: float) -> str:
    """A bound as printed beside a value: of integers as an integer."""
    return str(int(bound)) if isinstance(value, int) or bound == int(bound) else str(bound)


# -- containers


def _list(value: list[Any], schema: Schema, path: str, correlated: Correlated | None) -> Result:
    result = Result()
    inner = items(schema)
    for index, item in enumerate(value if inner is not None else ()):
        child = correlated.index(index) if correlated is not None else None
        result.merge(_ratcheted(item, inner or {}, f"{path}[{index}]", child))
    size = len(value)
    if (least := schema.get("minItems")) is not None and size < least:
        result.problems.append(_said(path, size, f"{path} in body should have at least {least} items"))
    if (most := schema.get("maxItems")) is not None and size > most:
        result.problems.append(Problem(path, lambda at: fields.too_many(at, size, most)))
    return result


def _object(value: dict[str, Any], schema: Schema, path: str, correlated: Correlated | None) -> Result:
    result = Result()
    size = len(value)
    if (least := schema.get("minProperties")) is not None and size < least:
        result.problems.append(_said(path, size, f"{path} in body should have at least {least} properties"))
        return result
    if (most := schema.get("maxProperties")) is not None and size > most:
        result.problems.append(Problem(path, lambda at: fields.too_many(at, size, most)))
        return result
    known, values = properties(schema), additional(schema)
    if schema.get("additionalProperties") is False:
        for name in sorted(value.keys() - known.keys()):
            result.problems.append(_said(f"{path}.{name}", "", f"{path}.{name} in body is a forbidden property"))
    for name in sorted(value):
        inside = known.get(name, values)
        if inside is None:
            continue
        child = correlated.key(name) if correlated is not None else None
        if not path and name in ("kind", "apiVersion"):
            child = None  # both are of one version by now: a change would not be seen
        result.merge(_ratcheted(value[name], inside, f"{path}.{name}" if path or values is inside else name, child))
    for name in schema.get("required") or ():
        if name not in value:
            result.problems.append(Problem(f"{path}.{name}", fields.required))
    return result


# -- allOf, anyOf, oneOf, not


def _junctors(value: Any, schema: Schema, path: str, correlated: Correlated | None) -> Result:
    result = Result()

    def each(name: str) -> list[Result]:
        return [_check(value, one, path, correlated) for one in schema.get(name) or ()]

    quoted = f'"{path}"'
    if (found := each("anyOf")) and all(one.problems for one in found):
        result.problems.append(_untyped(f"{quoted} must validate at least one schema (anyOf)"))
        result.merge(max(found, key=lambda one: one.count))
    if found := each("oneOf"):
        valid = [one for one in found if not one.problems]
        if not valid:
            text = f"{quoted} must validate one and only one schema (oneOf). Found none valid"
            result.problems.append(_untyped(text))
            result.merge(max(found, key=lambda one: one.count))
        elif len(valid) > 1:
            text = f"{quoted} must validate one and only one schema (oneOf). Found {len(valid)} valid alternatives"
            result.problems.append(_untyped(text))
    if found := each("allOf"):
        wrong = [one for one in found if one.problems]
        for one in found:
            result.merge(one)
        if wrong:
            none = ". None validated" if len(wrong) == len(found) else ""
            result.problems.append(_untyped(f"{quoted} must validate all the schemas (allOf){none}"))
    if (inverse := schema.get("not")) is not None and not _check(value, inverse, path, correlated).problems:
        result.problems.append(_untyped(f"{quoted} must not validate the schema (not)"))
    return result
