"""Words that are not known: which known one was meant, or which there are."""

from __future__ import annotations

from collections.abc import Iterable

FEW = 12
"""So many words are listed; of more only the first."""


def nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known words that are near, at most so many, the nearest first; capital letters do not count."""
    import difflib  # only now: most words are known

    by_small = {one.casefold(): one for one in known}
    return [by_small[small] for small in difflib.get_close_matches(word.casefold(), by_small, n=most)]


def meant(word: str, known: Iterable[str]) -> str:
    """A sentence: the known words that are near, else all there are."""
    words = list(dict.fromkeys(known))
    if near := nearest(word, words, most=3):
        return f"Did you mean {' or '.join(near)}?"
    if not words:
        return "There are none."
    return f"There are: {', '.join(words[:FEW])}{', ...' if len(words) > FEW else ''}."
