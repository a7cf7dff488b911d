"""base64 as Go's encoding/base64 reads it: line breaks anywhere, and its text for what cannot be."""

from __future__ import annotations

import base64
import re
from typing import Final

PATTERN = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
"""base64 on one line."""


def canonical(text: str) -> str:
    """The text in canonical base64 (line breaks removed). Raises ValueError with Go's text.

    Models encoding/base64's CorruptInputError: the offset it reports is that of the first byte that cannot be.
    """
    if PATTERN.fullmatch(text):
        return base64.b64encode(base64.b64decode(text)).decode()  # spare bits of the last character become zero
    data = text.encode()
    bad = _bad_base64(data)
    if bad is not None:
        raise ValueError(f"illegal base64 data at input byte {bad}")
    return base64.b64encode(base64.b64decode(data)).decode()


_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _bad_base64(data: bytes) -> int | None:
    """The offset Go complains about, None where all is well; line breaks may stand anywhere."""
    letters = [(offset, byte) for offset, byte in enumerate(data) if byte not in b"\r\n"]
    for index, (offset, byte) in enumerate(letters):
        if byte in _ALPHABET:
            continue
        place = index % 4
        if byte != ord("=") or place < 2:
            return offset
        rest = letters[index + 1 :]
        if place == 2:
            if not rest:
                return len(data)
            if rest[0][1] != ord("="):
                return rest[0][0] - 1
            rest = rest[1:]
        return rest[0][0] if rest else None
    # Input that ends within a group is reported as far back as the group has letters.
    return len(data) - len(letters) % 4 if len(letters) % 4 else None
