"""Objects from YAML and JSON files, as people write them: whatever is wrong with a file is said in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from kindlab.api import Obj
from kindlab.errors import Problem

_LARGEST = 200_000
"""Values of a file, aliases written out."""


def read(files: Iterable[Path]) -> list[Obj]:
    """Every object in YAML or JSON files, Lists unpacked. Raises Problem with the file and the line."""
    return [obj for file in files for obj in parse(text_of(file), file.name)]


def text_of(file: Path) -> str:
    """A file's text. Raises Problem when it is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Problem(
            f"{file.name} is not text in UTF-8.",
            f"Byte {error.start} is {error.object[error.start]:#04x}, which cannot be there.",
            "Save it anew with the encoding UTF-8.",
        ) from error


def parse(text: str, source: str) -> list[Obj]:
    """The objects of one YAML or JSON text; `source` names it in messages. Raises Problem."""
    try:
        documents = [json.loads(text)] if text.lstrip().startswith("{") else list(yaml.safe_load_all(text))
    except RecursionError:
        raise Problem(f"{source}: its lists and objects are nested too deep.", "", "Write it flatter.") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        why = getattr(error, "problem", None) or str(error)
        raise Problem(
            f"{where}: this is not valid YAML.", f"{why}.", "Look at the indentation and quotes there."
        ) from error
    if _is_endless(documents):
        raise Problem(
            f"{source}: it is too large once its aliases (*name) are written out.",
            f"More than {_LARGEST} values.",
            "Write out what is needed, or use fewer aliases.",
        )
    return [obj for document in documents if document is not None for obj in _objects(document, source)]


def _is_endless(documents: list[Any]) -> bool:
    """Whether there are too many values: a few aliases of aliases are enough for billions, or for a value in itself."""
    count, pending = 0, list(documents)
    while pending and count <= _LARGEST:
        one = pending.pop()
        count += 1
        if isinstance(one, dict | list) and len(one) <= _LARGEST:
            pending += one.values() if isinstance(one, dict) else one
    return count > _LARGEST


def _objects(document: Any, source: str) -> list[Obj]:
    if isinstance(document, dict) and document.get("kind") == "List":
        return [obj for item in document.get("items") or [] for obj in _objects(item, source)]
    if not isinstance(document, dict) or "kind" not in document or "apiVersion" not in document:
        raise Problem(
            f"{source}: one of its documents is not a Kubernetes object.",
            "An object needs at least apiVersion, kind and metadata.name.",
            "Check that the file begins with apiVersion: and that documents are separated by ---",
        )
    if not (document.get("metadata") or {}).get("name"):
        raise Problem(f"{source}: a {document['kind']} has no metadata.name.", "", "Give it a name and try again.")
    return [document]
