"""Objects from YAML and JSON files, as people write them: whatever is wrong with a file is said in words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from kindlab.api import Obj
from kindlab.errors import Problem

_LARGEST = 200_000
"""Values of a file, aliases written out."""
_MOST_ALIASES, _MOST_MERGED = 500, 5_000
"""Aliases of a file, and keys of one mapping after `<<` has merged others into it."""


class _Bounded(Composer, SafeConstructor):
    """PyYAML's, which alone writes out what `<<` merges before anybody can count it: nine such lines are billions."""

    aliases = 0
    check_event: Any  # the reader's
    peek_event: Any

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > _MOST_ALIASES:
                why = f"there are more than {_MOST_ALIASES} aliases (*name)"
                raise yaml.composer.ComposerError(None, None, why, self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _MOST_MERGED:
            why = f"more than {_MOST_MERGED} keys are merged (<<) into one mapping"
            raise yaml.constructor.ConstructorError(None, None, why, node.start_mark)


class _Loader(_Bounded, yaml.SafeLoader):
    """All in Python, whose words for what is wrong are better than those of the C library."""


def _loaders() -> Iterator[Any]:
    """The quick one first: libyaml reads, and the nodes are made as always: in a fifth of the time."""
    if yaml.__with_libyaml__:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]

        class _Quick(_Bounded, CParser, Resolver):
            def __init__(self, stream: Any) -> None:
                CParser.__init__(self, stream)
                Composer.__init__(self)
                SafeConstructor.__init__(self)
                Resolver.__init__(self)

        yield _Quick
    yield _Loader


def _documents(text: str) -> list[Any]:
    """Raises YAMLError, ValueError, RecursionError."""
    *quick, careful = _LOADERS
    for loader in quick:
        with contextlib.suppress(yaml.YAMLError, ValueError):
            return list(yaml.load_all(text, loader))
    return list(yaml.load_all(text, careful))


_LOADERS = tuple(_loaders())


def read(files: Iterable[Path], text: Callable[[Path], str] | None = None) -> list[Obj]:
    """Every object in YAML or JSON files, Lists unpacked; `text`: what reads a file (Lab.text for a lab's own). Raises
    Problem with the file and the line."""
    return [obj for file in files for obj in parse((text or text_of)(file), file.name)]


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
    found = []
    for one in each(text, source):
        if isinstance(one, Problem):
            raise one
        found.append(one)
    return found


def each(text: str, source: str) -> list[Obj | Problem]:
    """As `parse`, with the Problem of what is no object in its place among the others. Raises Problem where the text
    itself cannot be read."""
    try:
        documents = [json.loads(text)] if text.lstrip().startswith("{") else _documents(text)
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
    return [one for document in documents if document is not None for one in _objects(document, source)]


def _is_endless(documents: list[Any]) -> bool:
    """Whether there are too many values: a few aliases of aliases are enough for billions, or for a value in itself."""
    count, pending = 0, list(documents)
    while pending and count <= _LARGEST:
        one = pending.pop()
        count += 1
        if isinstance(one, dict | list) and len(one) <= _LARGEST:
            pending += one.values() if isinstance(one, dict) else one
    return count > _LARGEST


def _objects(document: Any, source: str) -> Iterator[Obj | Problem]:
    if isinstance(document, dict) and document.get("kind") == "List":
        items = document.get("items") or []
        for item in items if isinstance(items, list) else [items]:
            yield from _objects(item, source)
    elif not isinstance(document, dict) or not all(_is_text(document.get(key)) for key in ("kind", "apiVersion")):
        yield Problem(
            f"{source}: one of its documents is not a Kubernetes object.",
            "An object needs at least apiVersion, kind and metadata.name.",
            "Check that the file begins with apiVersion: and that documents are separated by ---",
        )
    elif not isinstance(meta := document.get("metadata"), dict) or not meta.get("name"):
        yield Problem(f"{source}: a {document['kind']} has no metadata.name.", "", "Give it a name and try again.")
    elif not isinstance(meta["name"], str):
        why = f"{meta['name']!r} without quotes is a number, a date or a list for YAML, and names are texts."
        yield Problem(f"{source}: the name of a {document['kind']} is not a text.", why, "Put it in quotes.")
    else:
        yield document


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
