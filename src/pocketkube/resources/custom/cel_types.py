"""Between schemas and CEL: names, values, and what a rule may say about them.

Models apiserver/pkg/cel/escaping.go and the type information of apiextensions-apiserver/pkg/apiserver/schema/cel
(model, values.go). The checker walks the expression the library has parsed, as the library knows no Kubernetes types:
it finds fields that are not there and comparisons of types that never match. Left out: times. The library takes none
from outside, so fields of format date, date-time and duration can only be asked for (`has`); a rule that reads one is
refused.
"""

from __future__ import annotations

import base64
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from pocketkube import wire
from pocketkube.resources.custom.schemas import EMBEDDED, INT_OR_STRING, Schema, additional, items, properties

_RESERVED: Final = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_META: Final[dict[str, Schema]] = {
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "metadata": {"type": "object", "properties": {n: {"type": "string"} for n in ("name", "generateName")}},
}
_SCALARS: Final = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
_FORMATS: Final = {"byte": "bytes", "duration": "duration", "date": "timestamp", "date-time": "timestamp"}
_EQUALITY, _ORDER = ("_==_", "_!=_"), ("_<_", "_<=_", "_>_", "_>=_")
_NUMBERS: Final = ("int", "double", "uint")
_ARITHMETIC: Final = ("_+_", "_-_", "_*_", "_/_", "_%_")
_PLAIN: Final = ("bool", "int", "double", "string", "bytes")
"""Types of which no arithmetic takes two different ones."""


def escape(name: str) -> str | None:
    """A property's name in rules; None for one that rules cannot name."""
    if name in _RESERVED:
        return f"__{name}__"
    if not name or name[0].isdigit() or re.search(r"[^a-zA-Z0-9_./-]", name):
        return None
    return re.sub(r"__|[./-]", lambda found: _ESCAPES[found[0]], name)


def with_meta(schema: Schema) -> Schema:
    """A root's schema with the metadata that rules may read."""
    return {**schema, "properties": {**properties(schema), **_META}}


def value(held: Any, schema: Schema | None) -> Any:
    """A value as the library takes it: escaped names, doubles, times; only what the schema declares."""
    if schema is None or held is None:
        return held
    if isinstance(held, dict):
        if (values := additional(schema)) is not None:
            return {name: value(item, values) for name, item in held.items()}
        known = properties(with_meta(schema) if schema.get(EMBEDDED) else schema)
        named = ((escape(name), name) for name in held if name in known)
        return {shown: value(held[name], known[name]) for shown, name in named if shown is not None}
    if isinstance(held, list):
        inner = items(schema)
        return [value(item, inner) for item in held]
    if isinstance(held, int) and not isinstance(held, bool) and schema.get("type") == "number":
        return float(held)
    if isinstance(held, str) and schema.get("format") == "byte":
        with suppress(ValueError):
            return base64.b64decode(held)
    return held


# -- the parsed expression: google.api.expr.v1alpha1.CheckedExpr, read field by field


class Node:
    """One message of the wire format; `kids` by field number, parsed when first looked at."""

    def __init__(self, kids: dict[int, list[Any]]) -> None:
        self.kids = kids
        self._nodes: dict[int, list[Node]] = {}

    def many(self, number: int) -> list[Node]:
        if number not in self.kids:
            return []
        found = self._nodes.get(number)
        if found is None:
            found = self._nodes[number] = [parse(data) for data in self.kids[number]]
        return found

    def one(self, number: int) -> Node | None:
        return self.many(number)[0] if number in self.kids else None

    def text(self, number: int) -> str:
        found = self.kids.get(number)
        return found[0].decode() if found else ""

    def number(self, number: int) -> int:
        found = self.kids.get(number)
        return int(found[0]) if found else 0


def parse(data: bytes) -> Node:
    kids: dict[int, list[Any]] = {}
    for number, value in wire.fields(data):
        kids.setdefault(number, []).append(value)
    return Node(kids)


@dataclass
class Undefined(Exception):
    """A rule says something about the schema that is never right; `offset` is where."""

    text: str
    offset: int


class Expression:
    """What the library has parsed."""

    def __init__(self, serialized: bytes) -> None:
        checked = parse(parse(serialized).kids[2][0])
        self.root = checked.one(4) or Node({})
        info = checked.one(5) or Node({})
        self.offsets = {entry.number(1): entry.number(2) for entry in info.many(4)}
        self.names = {(entry.one(2) or Node({})).text(1) for entry in checked.many(2)}
        """Every variable the expression refers to."""

    def fields_of(self, name: str) -> set[str] | None:
        """The fields that are read of a variable; None where others may be, too."""
        found: set[str] = set()
        return found if _read(self.root, name, found) else None


def _read(node: Node, name: str, found: set[str]) -> bool:
    """Add to `found` what is read of a variable; whether that is all."""
    if (ident := node.one(4)) is not None:
        return ident.text(1) != name
    if (select := node.one(5)) is not None:
        operand = select.one(1) or Node({})
        if (inner := operand.one(4)) is not None and inner.text(1) == name:
            found.add(select.text(2))
            return True
        return _read(operand, name, found)
    kids: list[Node] = []
    if (call := node.one(6)) is not None:
        kids = call.many(1) + call.many(3)
    elif (made := node.one(7)) is not None:
        kids = made.many(1)
    elif (made := node.one(8)) is not None:
        kids = [part for entry in made.many(2) for number in (3, 4) for part in entry.many(number)]
    elif (loop := node.one(9)) is not None:
        kids = [kid for number in (2, 4, 5, 6, 7) for kid in loop.many(number)]
    return all([_read(kid, name, found) for kid in kids])


class Checker:
    """Follows one expression through the schema of `self` and `oldSelf`, or of other variables (`scope`): their values
    are as they are written, so times are texts, and names are not escaped."""

    def __init__(
        self, expression: Expression, schema: Schema | None = None, scope: dict[str, Schema | None] | None = None
    ) -> None:
        self._expression = expression
        self._plain = scope is not None
        self.scope = scope if scope is not None else {"self": schema, "oldSelf": schema}

    def check(self) -> str:
        """The expression's type where the schema tells it, else "". Raises Undefined."""
        return type_of(self.infer())

    def infer(self) -> Schema | None:
        """What the expression gives, None where that is open. Raises Undefined."""
        return self._infer(self._expression.root, self.scope)

    def _at(self, node: Node) -> int:
        return self._expression.offsets.get(node.number(2), 0)

    def _infer(self, node: Node, scope: dict[str, Schema | None]) -> Schema | None:
        if (constant := node.one(3)) is not None:
            kinds = {2: "boolean", 3: "integer", 5: "number", 6: "string"}
            return next(({"type": name} for number, name in kinds.items() if number in constant.kids), None)
        if (ident := node.one(4)) is not None:
            return self._readable(scope.get(ident.text(1)), node)
        if (select := node.one(5)) is not None:
            held = self._infer(select.one(1) or Node({}), scope)
            found = self._select(held, select.text(2), node)
            return {"type": "boolean"} if select.number(3) else self._readable(found, node)
        if (call := node.one(6)) is not None:
            return self._call(call, node, scope)
        if (made := node.one(7)) is not None:
            inner = [self._infer(element, scope) for element in made.many(1)]
            return {"type": "array", "items": inner[0]} if inner and inner[0] is not None else None
        if (loop := node.one(9)) is not None:
            return self._comprehension(loop, scope)
        return None

    def _readable(self, held: Schema | None, node: Node) -> Schema | None:
        if not self._plain and type_of(held) in ("timestamp", "duration") and held is not None:
            text = f"fields of format {held['format']} cannot be read in rules by this cluster"
            raise Undefined(text, self._at(node))
        return held

    def _select(self, held: Schema | None, name: str, node: Node) -> Schema | None:
        if held is None or held.get(INT_OR_STRING):
            return None
        if (values := additional(held)) is not None:
            return values
        kind = held.get("type")
        if kind == "object":
            for own, inside in properties(with_meta(held) if held.get(EMBEDDED) else held).items():
                if escape(own) == name or (self._plain and own == name):
                    return inside
            raise Undefined(f"undefined field '{name}'", self._at(node))
        if kind in _SCALARS or kind == "array":
            raise Undefined(f"type '{type_of(held)}' does not support field selection", self._at(node))
        return None

    def _call(self, call: Node, node: Node, scope: dict[str, Schema | None]) -> Schema | None:
        target = call.one(1)
        if target is not None:
            self._infer(target, scope)
        function = call.text(2)
        given = [self._infer(argument, scope) for argument in call.many(3)]
        if function == "_[_]" and given[0] is not None:
            return items(given[0]) if given[0].get("type") == "array" else additional(given[0])
        if function == "_?_:_":
            return given[1]
        if function in (*_EQUALITY, *_ORDER):
            left, right = type_of(given[0]), type_of(given[1])
            alike = left == right or (function in _ORDER and left in _NUMBERS and right in _NUMBERS)
            if left and right and not alike:
                text = f"found no matching overload for '{function}' applied to '({left}, {right})'"
                raise Undefined(text, self._at(node))
            return {"type": "boolean"}
        if function in _ARITHMETIC and len(given) == 2:
            left, right = type_of(given[0]), type_of(given[1])
            if left in _PLAIN and right in _PLAIN and left != right:
                text = f"found no matching overload for '{function}' applied to '({left}, {right})'"
                raise Undefined(text, self._at(node))
            return given[0] if left in _PLAIN and left == right else None
        return None

    def _comprehension(self, loop: Node, scope: dict[str, Schema | None]) -> Schema | None:
        held = self._infer(loop.one(2) or Node({}), scope)
        first, second, accumulated = loop.text(1), loop.text(8), loop.text(3)
        inner = {**scope, accumulated: None}
        if held is not None and held.get("type") == "array":
            inner |= {second or first: items(held)}
            if second:
                inner[first] = {"type": "integer"}
        else:
            inner |= {first: None}
            if second:
                inner[second] = additional(held) if held is not None else None
        self._infer(loop.one(4) or Node({}), inner)
        self._infer(loop.one(5) or Node({}), inner)
        self._infer(loop.one(6) or Node({}), inner)
        return self._infer(loop.one(7) or Node({}), {**scope, accumulated: None})


def type_of(schema: Schema | None) -> str:
    """CEL's name of a schema's type; "" where it is open."""
    if schema is None or schema.get(INT_OR_STRING) or schema.get("nullable"):
        return ""
    kind = schema.get("type", "")
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "string")
    if kind == "array":
        return f"list({type_of(items(schema)) or 'dyn'})"
    return _SCALARS.get(kind, "")
