"""Digests of files, by which it is known that something is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

LENGTH = 24
"""Characters: 96 bits, against accidents."""


def of(places: Iterable[Path], also: str = "") -> str:
    """Of files, and of all files in folders, with their names; `also`: what else decides."""
    whole = hashlib.sha256(also.encode())
    for place in places:
        files = [place] if place.is_file() else sorted(f for f in place.rglob("*") if f.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                whole.update(f"{file.relative_to(place.parent)}\0".encode("utf-8", "surrogateescape"))
                whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:LENGTH]
