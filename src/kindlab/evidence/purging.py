"""A tape, a submission and objects, without what is secret in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kindlab.evidence.redaction import Redaction, held, values_of
from kindlab.evidence.tape import Item, Tape
from kindlab.labs import Lab

LARGE = 1 << 20
"""Bytes of a file of the lab that are too many to look for public values in."""


def redaction(tape: Tape, files: Mapping[str, bytes], objects: Iterable[Any], lab: Lab) -> Redaction:
    """For all that Secrets hold of which the tape, the submission's files or the objects tell."""
    found: set[tuple[str, bytes]] = set()
    for item in tape.items:
        found |= set(_of_item(item))
    for text in files.values():
        if b"Secret" in text:
            found |= {pair for document in _documents(text) for pair in values_of(document)}
    found |= {pair for obj in objects for pair in values_of(obj)}
    if not found:
        return Redaction(())
    public = b"\n".join(_texts([*_files(lab.folder), lab.grader]))
    asked = json.dumps([item.asked for item in tape.items], default=lambda value: "").encode()
    language = b"\n".join((asked, *_texts(_files(Path(__file__).parents[1] / "checks"))))
    made_up = [drawn for item in tape.items for drawn in item.drawn]
    return Redaction(found, public=public, made_up=made_up, language=language)


def purged(item: Item, without: Redaction) -> Item:
    """The item as it may be kept."""
    return replace(item, asked=without.deep(item.asked), answer=without.deep(item.answer))


def _of_item(item: Item) -> Iterator[tuple[str, bytes]]:
    asked = item.asked or {}
    if isinstance(body := asked.get("body"), dict):
        yield from held(body) if "/secrets/" in str(asked.get("path")) else values_of(body)
    raw = (item.answer or {}).get("raw", b"")
    if b'"Secret' in raw or b'"TokenRequest"' in raw:
        for text in raw.splitlines() if item.of is not None else [raw]:
            try:
                yield from values_of(json.loads(text))
            except ValueError:
                continue


def _documents(text: bytes) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts)


def _texts(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        if file.stat().st_size <= LARGE:
            yield file.read_bytes()
