"""Whether an applied configuration is of its type: fields that there are, values of their kinds, lists with keys.

Models structured-merge-diff's typed/validate.go with its texts, in which values look as Go prints them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube.fieldmanager import comparing, fieldsets
from pocketkube.fieldmanager.shapes import Shape
from pocketkube.strategic import go_text

Problem = tuple[str, str]
"""(path, what is wrong)."""


def problems(shape: Shape, config: Any) -> str:
    """What is wrong with it, "" for nothing."""
    found = [f"{path}: {text}" if path else text for path, text in _problems(shape, config)]
    if len(found) <= 1:
        return "".join(found)
    return "\n".join(["errors:", *(f"  {text}" for text in found)])


def _problems(shape: Shape, value: Any) -> Iterator[Problem]:
    if value is None:
        return
    match shape.kind:
        case "scalar":
            yield from _scalar(shape.scalar, value)
        case "list":
            yield from _list(shape, value)
        case "map":
            yield from _map(shape, value)


def _scalar(wanted: str, value: Any) -> Iterator[Problem]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted == "numeric" and not number:
        yield "", f"expected numeric (int or float), got {_go_type(value)}"
    elif wanted == "string" and not isinstance(value, str):
        yield "", f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    elif wanted == "boolean" and not isinstance(value, bool):
        yield "", f"expected boolean, got &{{{go_text(value)}}}"
    elif wanted == "untyped" and isinstance(value, dict | list):
        yield "", f"expected any scalar, got &{{{go_text(value)}}}"


def _list(shape: Shape, value: Any) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield "", f"expected list, got &{{{go_text(value)}}}"
        return
    element = shape.element
    assert element is not None
    seen = set()
    for index, item in enumerate(value):
        name = f"i:{index}"
        if not shape.atomic:
            try:
                name = comparing.element_of(shape, item)
            except comparing.Unkeyed as error:
                yield "", f"element {index}: {error}"
                return
            if name in seen:
                yield "", f"duplicate entries for key {fieldsets.element_text(name)}"
            seen.add(name)
        yield from _below(fieldsets.element_text(name), element, item)


def _map(shape: Shape, value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield "", f"expected map, got &{{{go_text(value)}}}"
        return
    for name, item in value.items():
        found = shape.of(name)
        if found is None:
            yield f".{name}", "field not declared in schema"
            return
        yield from _below(f".{name}", found, item)


def _below(prefix: str, shape: Shape, value: Any) -> Iterator[Problem]:
    for path, text in _problems(shape, value):
        yield f"{prefix}{path}", text


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    return "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"


def _go_syntax(value: Any) -> str:
    """As Go's %#v prints it."""
    if isinstance(value, dict):
        inside = ", ".join(f"{_go_syntax(name)}:{_go_syntax(item)}" for name, item in sorted(value.items()))
        return f"map[string]interface {{}}{{{inside}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if isinstance(value, str):
        return fieldsets.quoted(value)
    return "interface {}(nil)" if value is None else go_text(value)
