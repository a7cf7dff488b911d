"""Whether a node is meant: the terms by which Pods and volumes name nodes (node affinity)."""

from __future__ import annotations

from kindlab.api import Obj


def matches(term: Obj, node: Obj) -> bool:
    """Whether the node fulfils all of a term; an empty one means no node."""
    labels, name = node["metadata"].get("labels") or {}, node["metadata"]["name"]
    expressions = [(e, labels) for e in term.get("matchExpressions") or ()]
    expressions += [(e, {"metadata.name": name}) for e in term.get("matchFields") or ()]
    return bool(expressions) and all(_holds(expression, held) for expression, held in expressions)


def _holds(expression: Obj, held: dict[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    value = held.get(key)
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if operator in ("In", "NotIn"):
        return (value in values) is (operator == "In")
    if value is None or not value.lstrip("-").isdecimal():
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
