r"""Regular expressions that users write, by RE2: their time grows with the text, never exponentially.

Everything of the cluster shares one event loop, and Python's `re` backtracks: one `(a+)+$` in a manifest would stop
it for minutes. RE2 is also what Kubernetes and Traefik have (Go's regexp), so `go` gives their syntax and their error
texts. `posix` is for grep, sed and their kind (the leftmost longest match, dots match newlines), `perl` for nginx. What
RE2 has no algorithm for, back-references and look-around, is refused in all of them, with a text that says so.

Lone surrogates in a text (bytes that are no UTF-8) match as U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

_MEMORY: Final = 1 << 20
"""Bytes of one compiled pattern: RE2's own 8 MiB, times the patterns that are kept, would be a gigabyte."""
_LONGEST: Final = 10_000
"""Characters of a pattern; the longest of Kubernetes' own has some hundreds."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_GO_TEXTS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "trailing \\": "trailing backslash at end of expression",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "pattern too large - compile failed": "expression too large",
}


class BadPattern(ValueError):
    """A pattern that cannot be compiled; the text is Go's."""


class Match:
    """Where a pattern was found: spans of characters, (-1, -1) for a group that took no part."""

    __slots__ = ("spans", "text")

    def __init__(self, text: str, spans: tuple[tuple[int, int], ...]) -> None:
        self.text = text
        self.spans = spans

    def group(self, number: int = 0) -> str:
        """ "" for a group that took no part. Raises IndexError."""
        start, end = self.spans[number]
        return self.text[start:end] if start >= 0 else ""

    def start(self) -> int:
        return self.spans[0][0]

    def end(self) -> int:
        return self.spans[0][1]


class Pattern:
    """A compiled pattern. `source` is what the user wrote."""

    __slots__ = ("_compiled", "groups", "source")

    def __init__(self, source: str, compiled: Any) -> None:
        self.source = source
        self.groups: int = compiled.groups
        self._compiled = compiled

    def search(self, text: str) -> Match | None:
        return self._match(self._compiled.search(_whole(text)), text)

    def match(self, text: str) -> Match | None:
        """Anchored at the beginning."""
        return self._match(self._compiled.match(_whole(text)), text)

    def fullmatch(self, text: str) -> Match | None:
        return self._match(self._compiled.fullmatch(_whole(text)), text)

    def finditer(self, text: str) -> Iterator[Match]:
        for found in self._compiled.finditer(_whole(text)):
            yield Match(text, self._spans(found))

    def _match(self, found: Any, text: str) -> Match | None:
        return Match(text, self._spans(found)) if found is not None else None

    def _spans(self, found: Any) -> tuple[tuple[int, int], ...]:
        return tuple(found.span(group) for group in range(self.groups + 1))


def go(pattern: str) -> Pattern:
    """As Go's regexp.Compile. Raises BadPattern with its text (`error parsing regexp: ...`)."""
    if any(found.endswith("C") for found in re.findall(r"\\.", pattern)):
        raise BadPattern(r"error parsing regexp: invalid escape sequence: `\C`")
    return _compiled(pattern)


def perl(pattern: str, *, fold: bool = False) -> Pattern:
    """As PCRE, without back-references and look-around. Raises BadPattern."""
    return _compiled(pattern, fold=fold)


def posix(pattern: str, *, fold: bool = False) -> Pattern:
    """The leftmost longest match; `pattern` is a POSIX one in Python's syntax. Raises BadPattern."""
    return _compiled(pattern.replace(r"\Z", r"\z"), fold=fold, longest=True, dot_newline=True)


@lru_cache(maxsize=128)
def _compiled(pattern: str, *, fold: bool = False, longest: bool = False, dot_newline: bool = False) -> Pattern:
    import re2  # here: it takes 14 ms, and most clusters never see a pattern

    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    options.case_sensitive = not fold
    options.longest_match = longest
    options.dot_nl = dot_newline
    if len(pattern) > _LONGEST:
        raise BadPattern(f"error parsing regexp: expression too large: `{pattern[:40]}...`")
    try:
        return Pattern(pattern, re2.compile(_whole(pattern), options))
    except re2.error as error:
        (why,) = error.args
        raise BadPattern(_go_text(why.decode(errors="replace") if isinstance(why, bytes) else str(why))) from None


def _go_text(why: str) -> str:
    """RE2's words for a mistake in those of Go's regexp/syntax."""
    kind, _, what = why.partition(": ")
    return f"error parsing regexp: {_GO_TEXTS.get(kind, kind)}: `{what}`"


def _whole(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
