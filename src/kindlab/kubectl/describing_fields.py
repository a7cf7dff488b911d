"""What the texts of `kubectl describe` have in common, and the text for every kind kubectl has no words of its own for
(custom resources, CSIDrivers, VolumeAttachments and the like): field by field. Lines with tabs, as `printers.tabbed`
lays them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from kindlab.api import Obj

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LONGEST = 140
"""Characters of an annotation on one line."""
SKIPPED = (
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.labels",
    ".metadata.annotations",
)


def labels(obj: Obj) -> Iterator[str]:
    pairs = sorted((obj["metadata"].get("labels") or {}).items())
    yield from column("Labels", [f"{k}={v}" for k, v in pairs])


def notes(obj: Obj) -> Iterator[str]:
    found: list[str] = []
    for key, value in sorted((obj["metadata"].get("annotations") or {}).items()):
        text = value.removesuffix("\n")
        if key == LAST_APPLIED:
            continue
        if len(key) + len(text) + 2 <= LONGEST and "\n" not in text:
            found.append(f"{key}: {text}")
            continue
        short = [line if len(line) <= LONGEST - 2 else line[: LONGEST - 2] + "..." for line in text.split("\n")]
        found += [f"{key}:", *(f"  {line}" for line in short)]
    yield from column("Annotations", found)


def column(title: str, values: Sequence[str]) -> Iterator[str]:
    """Values under each other; `<none>` for none."""
    yield f"{title}:\t{values[0] if values else '<none>'}"
    yield from (f"\t{value}" for value in values[1:])


def anything(obj: Obj) -> Iterator[str]:
    """Field by field, in alphabetical order."""
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata'].get('namespace', '')}"
    yield from labels(obj)
    yield from notes(obj)
    yield from fields(obj)


def fields(content: Obj, path: str = "", indent: str = "") -> Iterator[str]:
    for field, value in sorted(content.items()):
        if f"{path}.{field}" in SKIPPED:
            continue
        if not isinstance(value, dict | list):
            yield f"{indent}{words(field)}:\t{_plain(value)}"
            continue
        yield f"{indent}{words(field)}:"
        for one in [value] if isinstance(value, dict) else value:
            if isinstance(one, dict):
                yield from fields(one, f"{path}.{field}", indent + "  ")
            else:
                yield f"{indent}  {_plain(one)}"


def _plain(value: Any) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def words(field: str) -> str:
    """`apiVersion` as `API Version`; a name with digits or dots in it stays as it is."""
    if re.search(r"[^A-Za-z-]", field):
        return field
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+|[A-Z]+|[a-z]+|-+", field)
    joined: list[str] = []
    for part, before in zip(parts, ["", *parts], strict=False):
        if len(before) >= 2 and before.isupper() and part[0].isupper():
            joined[-1] += part  # CID, Rs
        elif part.upper() in ("API", "URL", "UID", "GUID"):
            joined.append(part.upper())
        else:
            joined.append(part.title() if part.islower() else part)
    return " ".join(joined)
