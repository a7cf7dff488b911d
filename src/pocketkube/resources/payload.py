"""What ConfigMaps and Secrets share: their size, and that `immutable: true` is for good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj

SIZE_LIMIT: Final = 1024 * 1024


def decoded_size(text: str) -> int:
    """Bytes behind base64 text."""
    return len(text) * 3 // 4 - text[-2:].count("=")


def size(data: Mapping[str, str], binary: Mapping[str, str]) -> int:
    """Bytes of all values; `binary` holds base64."""
    return sum(len(v.encode()) for v in data.values()) + sum(decoded_size(v) for v in binary.values())


def immutable(new: Obj, old: Obj, *names: str) -> Iterator[Cause]:
    """Field errors of changing something that was declared immutable."""
    if not old.get("immutable"):
        return
    why = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield fields.forbidden("immutable", why)
    for name in names:
        if (new.get(name) or {}) != (old.get(name) or {}):
            yield fields.forbidden(name, why)
