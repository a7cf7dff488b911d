"""How kubectl prints: tables with three spaces between the columns, YAML, JSON, names, custom columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import yaml

from kindlab.api import Obj
from kindlab.kubectl.jsonpath import evaluate

MIN_WIDTH, PADDING = 6, 3
TEXT = "tag:yaml.org,2002:str"
_TEXTS = (TEXT, "tag:yaml.org,2002:yaml")
"""What is no number, date or the like: the second are `*`, `&` and `!`, which YAML itself keeps."""
FORMATS = "custom-columns,json,jsonpath,name,wide,yaml"


def table(rows: Sequence[Sequence[str]], *, padding: int = PADDING) -> str:
    """Rows of cells as aligned columns. As text/tabwriter does it for kubectl: a column is as wide as its widest cell
    and the padding, at least six; what stands last in a row is not padded."""
    return Columns(padding).table(rows)


class Columns:
    """Columns that are as wide as anything that has stood in them."""

    def __init__(self, padding: int = PADDING) -> None:
        self._padding = padding
        self._widths: dict[int, int] = {}

    def table(self, rows: Sequence[Sequence[str]]) -> str:
        least = MIN_WIDTH if self._padding == PADDING else 0
        widths = self._widths
        for row in rows:
            for n, cell in enumerate(row[:-1]):
                widths[n] = max(widths.get(n, least), len(cell) + self._padding)
        lines = []
        for row in rows:
            head = "".join(cell.ljust(widths[n]) for n, cell in enumerate(row[:-1]))
            lines.append(head + (row[-1] if row else ""))
        return "\n".join(lines)


def tabbed(lines: Sequence[str], *, padding: int = 2) -> str:
    """Lines with tabs, laid out as text/tabwriter does it for `kubectl describe`: a column goes on for as long as the
    lines that follow have it, and is as wide as its widest cell and the padding."""
    rows = [line.split("\t") for line in lines]
    for column in range(max((len(row) - 1 for row in rows), default=0)):
        for has, group in groupby(rows, key=lambda row: len(row) - 1 > column):
            if has:
                block = list(group)
                width = max(len(row[column]) for row in block) + padding
                for row in block:
                    row[column] = row[column].ljust(width)
    return "\n".join("".join(row) for row in rows)


def server_table(
    found: Obj,
    *,
    wide: bool = False,
    headers: bool = True,
    namespaces: bool = False,
    labels: bool = False,
    label_columns: Sequence[str] = (),
    prefix: str = "",
) -> list[list[str]]:
    """The rows (header first) of a Table the API server made. `prefix` goes before each name (`service/`)."""
    columns = found["columnDefinitions"]
    shown = [n for n, column in enumerate(columns) if wide or not column.get("priority")]
    rows: list[list[str]] = []
    if headers:
        head = [columns[n]["name"].upper() for n in shown]
        head = [*(["NAMESPACE"] if namespaces else []), *head]
        rows.append([*head, *(c.rsplit("/", 1)[-1].upper() for c in label_columns), *(["LABELS"] if labels else [])])
    for row in found.get("rows") or []:
        meta = row["object"]["metadata"]
        own = meta.get("labels") or {}
        cells = [_cell(row["cells"][n]) for n in shown]
        if prefix and cells:
            cells[0] = prefix + cells[0]
        cells = [*([meta.get("namespace", "")] if namespaces else []), *cells]
        cells += [own.get(name, "") for name in label_columns]
        if labels:
            cells.append(",".join(f"{k}={own[k]}" for k in sorted(own)) or "<none>")
        rows.append(cells)
    return rows


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    first, *more = str(value).split("\n", 1)
    return first + ("..." if more else "")


def custom_columns(objects: Sequence[Obj], spec: str, *, headers: bool = True) -> str:
    """`NAME:.metadata.name,...`. Raises ValueError in kubectl's words."""
    return table(custom_rows(objects, spec, headers=headers))


def custom_rows(objects: Sequence[Obj], spec: str, *, headers: bool = True) -> list[list[str]]:
    """The cells of `custom_columns`."""
    pairs = [part.split(":", 1) for part in spec.split(",")]
    for part in pairs:
        if len(part) != 2:
            raise ValueError(f"unexpected custom-columns spec: {part[0]}, expected <header>:<json-path-expr>")
    rows = [[name for name, _ in pairs]] if headers else []
    for obj in objects:
        values = [evaluate(path, obj, missing_ok=True) for _, path in pairs]
        rows.append([",".join(map(_value, found)) if found else "<none>" for found in values])
    return rows


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_json(value: Any) -> str:
    text = json.dumps(value, indent=4, ensure_ascii=False, sort_keys=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class _Dumper(yaml.SafeDumper):
    """YAML as kubectl writes it: keys in order, lists not indented, words that look like something else quoted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style: str | None = None
    if "\n" in value:
        style = "|" if not any(line != line.rstrip() for line in value.split("\n")) else '"'
    elif value in ("y", "Y", "n", "N") or dumper.resolve(yaml.ScalarNode, value, (True, False)) not in _TEXTS:  # type: ignore[no-untyped-call]
        style = '"'
    return dumper.represent_scalar(TEXT, value, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=80).rstrip("\n")


def without_managed_fields(obj: Obj) -> Obj:
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k != "managedFields"}
    return {**obj, "metadata": meta} if "metadata" in obj else obj


def as_list(objects: Sequence[Obj]) -> Obj:
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}
