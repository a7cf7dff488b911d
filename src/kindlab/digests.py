"""Digests of files, by which it is known that something is still the same: for grading, verifying, mutating."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

LENGTH = 24
"""Characters: 96 bits, against accidents."""


def of(places: Iterable[Path], also: str = "") -> str:
    """Of files, and of all files in folders, with their names, whatever their order; `also`: what else decides. Raises
    OSError."""
    whole = hashlib.sha256(also.encode())
    for name, data in sorted(pair for place in places for pair in _files(place)):
        whole.update(f"{name}\0".encode("utf-8", "surrogateescape"))
        whole.update(data)
    return whole.hexdigest()[:LENGTH]


def _files(place: Path) -> Iterable[tuple[str, bytes]]:
    """(name in the place, digest) of each."""
    for file in place.rglob("*") if place.is_dir() else [place]:
        if not file.is_dir() and "__pycache__" not in file.parts:
            yield str(file.relative_to(place.parent)), hashlib.sha256(file.read_bytes()).digest()
