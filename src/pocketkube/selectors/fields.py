"""Field selectors: `metadata.name=x,status.phase!=Running`.

Models apimachinery's fields.ParseSelector, with its escapes and error texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pocketkube.errors import BadRequest


class FieldRequirement(NamedTuple):
    """One term of a field selector; `equal` is false for `!=`."""

    field: str
    equal: bool
    value: str

    def __str__(self) -> str:
        escaped = re.sub(r"([\\,=])", r"\\\1", self.value)
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All requirements must hold; a field the object does not have counts as empty text."""

    requirements: tuple[FieldRequirement, ...] = ()

    def __call__(self, held: Mapping[str, str] | Callable[[str], str]) -> bool:
        value = held if callable(held) else lambda name: held.get(name, "")
        return all((value(r.field) == r.value) == r.equal for r in self.requirements)

    @property
    def empty(self) -> bool:
        """Whether it matches everything."""
        return not self.requirements

    def exact(self, name: str) -> str | None:
        """The one value the field must have, where the selector says so (a watch of one object)."""
        return next((r.value for r in self.requirements if r.equal and r.field == name), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERY_FIELD: Final = FieldSelector()

_TERM = re.compile(r"(?P<field>.*?)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)|[,=]", re.DOTALL)


def parse_fields(text: str) -> FieldSelector:
    r"""`metadata.name=x,status.phase!=Running`; `\`, `,` and `=` in a value are escaped with `\`.

    Terms come in text order, as upstream sorts them. Raises BadRequest with upstream's text.
    """
    found = []
    for term in sorted(_terms(text)):
        if not term:
            continue
        match = _TERM.fullmatch(term)
        if match is None:
            raise BadRequest(f"invalid selector: '{text}'; can't understand '{term}'")
        found.append(FieldRequirement(match["field"], match["operator"] != "!=", _unescape(match["value"])))
    return FieldSelector(tuple(found))


def _terms(text: str) -> list[str]:
    """The text cut at each comma that is not escaped; escapes stay as they are."""
    terms, start = [], 0
    for match in re.finditer(r"\\.|,", text, re.DOTALL):
        if match[0] == ",":
            terms.append(text[start : match.start()])
            start = match.end()
    return [*terms, text[start:]]


def _unescape(value: str) -> str:
    def plain(match: re.Match[str]) -> str:
        if match[0] in (",", "="):
            # Upstream prints the character's number.
            raise BadRequest(f"invalid field selector: unescaped character in value: {ord(match[0])}")
        if match[1] not in ("\\", ",", "=") or not match[1]:
            raise BadRequest(f"invalid field selector: invalid escape sequence: {match[0]}")
        return match[1]

    return _ESCAPE.sub(plain, value)
