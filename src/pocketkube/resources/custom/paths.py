"""Field paths as schemas' rules and selectable fields write them: `.spec.list['key.with.dots'].x`.

Models ValidFieldPath of apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

import re
from typing import Final

from pocketkube.resources.custom.schemas import Schema, additional, properties

_TOKEN: Final = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+")


class BadFieldPath(ValueError):
    """The path does not lead to a field of the schema; the message is upstream's."""


def follow(path: str, schema: Schema, *, brackets: bool = True) -> tuple[str, Schema]:
    """(the path as errors write it, the schema there). Raises BadFieldPath."""
    tokens, named, here = _TOKEN.findall(path), "", schema
    position = 0

    def take() -> str:
        nonlocal position
        if position >= len(tokens):
            raise BadFieldPath("unexpected end of JSON path")
        position += 1
        return str(tokens[position - 1])

    while position < len(tokens):
        token = take()
        if token == "[":
            if not brackets:
                raise BadFieldPath("array notation is not allowed")
            name = take()
            if len(name) < 2 or name[0] != "'" or name[-1] != "'":
                raise BadFieldPath(f"expected single quoted string but got {name}")
            named, here = _enter(named, here, re.sub(r"\\(.)", r"\1", name[1:-1]))
            closing = take()
            if closing != "]":
                raise BadFieldPath(f"expected ] but got {closing}")
        elif token == ".":
            named, here = _enter(named, here, take())
        else:
            raise BadFieldPath(f"expected [ or . but got: {token}")
    return named, here


def _enter(named: str, schema: Schema, name: str) -> tuple[str, Schema]:
    if schema.get("properties") is not None:
        if name not in properties(schema):
            raise BadFieldPath("does not refer to a valid field")
        return (f"{named}.{name}" if named else name), properties(schema)[name]
    values = additional(schema)
    if values is None:
        raise BadFieldPath("does not refer to a valid field")
    return f"{named}[{name}]", values
