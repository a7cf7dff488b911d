"""Words that are not known: which known one was meant, or which there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

FEW = 12
"""So many words are listed; of more only the first."""


def meant(word: str, known: Iterable[str]) -> str:
    """A sentence: the known words that are near, else all there are."""
    words = list(dict.fromkeys(known))
    by_small = {one.casefold(): one for one in words}
    near = [by_small[small] for small in difflib.get_close_matches(word.casefold(), by_small, n=3)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if not words:
        return "There are none."
    return f"There are: {', '.join(words[:FEW])}{', ...' if len(words) > FEW else ''}."
