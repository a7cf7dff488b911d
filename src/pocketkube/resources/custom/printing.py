"""The Table columns of a custom kind: `additionalPrinterColumns`, or Name and Age.

Models apiextensions-apiserver/pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from pocketkube import duration
from pocketkube.clock import Clock
from pocketkube.objects import Obj
from pocketkube.resources.base import Column
from pocketkube.resources.columns import NAME, described, since
from pocketkube.resources.custom import jsonpath

Printer = tuple[Column, str]
"""A column and the path of its cells."""
_AGE: Final[Obj] = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def printers(declared: Iterable[Obj]) -> tuple[Printer, ...]:
    """The columns after Name. A path that cannot be followed ends them there, as upstream."""
    found = []
    for column in declared or (_AGE,):
        path = column["jsonPath"]
        try:
            jsonpath.parse(path)
        except jsonpath.BadPath:
            break
        text = column.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
        if column is _AGE:
            text = described("*", Column("Age"))[0].description
        shown = Column(column["name"], column["type"], column.get("format", ""), text, column.get("priority", 0))
        found.append((shown, path))
    return tuple(found)


def columns(found: tuple[Printer, ...]) -> tuple[Column, ...]:
    return (*described("*", NAME), *(column for column, _ in found))


def cell(clock: Clock, column: Column, path: str, obj: Obj) -> Any:
    """One cell; None where there is nothing of the column's type."""
    values = jsonpath.find(obj, path)
    if not values or values[0] is None:
        return None
    value = values[0]
    match column.type:
        case "string":
            return value if isinstance(value, str) else _text(value)
        case "integer" if _is_number(value):
            return int(value)
        case "number" if _is_number(value):
            return float(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "date" if isinstance(value, str):
            try:
                duration.parse_time(value)
            except ValueError:
                return "<invalid>"
            return since(clock, value)
    return None


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
