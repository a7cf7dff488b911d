"""What a shell script means, as data: commands and words. `parser` makes it, `interpreter` runs it.

Models the grammar of the POSIX shell command language (IEEE 1003.1, 2.10). Left out: arrays, process substitution,
`select`, C-style `for` and the rest of bash, which BusyBox ash has not either.
"""

from __future__ import annotations

from dataclasses import dataclass


class ShellSyntaxError(Exception):
    """Text as ash prints it after `syntax error: `."""

    def __init__(self, text: str, line: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.line = line


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as they are; quoted ones are neither patterns nor split."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` and `${name<operator>word}`; `operator` is "" for the plain form, "length" for `${#name}`."""

    name: str
    operator: str = ""
    word: Word = ()
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(...)` and backquotes."""

    body: Sequence
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((...))`; the expression is expanded as if in double quotes before it is evaluated."""

    expression: Word
    quoted: bool = False


Part = Text | Parameter | Substitution | Arithmetic
Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """`operator` is one of < > >> >| <> <& >& <<; a here-document's word is its text."""

    descriptor: int
    operator: str
    word: Word


@dataclass(frozen=True, slots=True)
class Simple:
    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Pipeline:
    commands: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """`first && second` or `first || second`."""

    first: Node
    operator: str
    second: Node


@dataclass(frozen=True, slots=True)
class Sequence:
    """Commands one after the other; those marked True run in the background."""

    items: tuple[tuple[Node, bool], ...]


@dataclass(frozen=True, slots=True)
class If:
    condition: Sequence
    then: Sequence
    otherwise: Node | None


@dataclass(frozen=True, slots=True)
class While:
    condition: Sequence
    body: Sequence
    until: bool


@dataclass(frozen=True, slots=True)
class For:
    """`words` is None for the form without `in`, which walks the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Sequence


@dataclass(frozen=True, slots=True)
class Case:
    word: Word
    items: tuple[tuple[tuple[Word, ...], Sequence], ...]


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    body: Node


@dataclass(frozen=True, slots=True)
class Subshell:
    body: Sequence


@dataclass(frozen=True, slots=True)
class Group:
    body: Sequence


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections."""

    body: Node
    redirects: tuple[Redirect, ...]


Node = Simple | Pipeline | AndOr | Sequence | If | While | For | Case | Function | Subshell | Group | Redirected
