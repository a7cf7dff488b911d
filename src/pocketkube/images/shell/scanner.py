"""Where quotes, substitutions and here-documents of a shell text begin and end.

The tree-sitter grammar mistakes several kinds of here-document (two on one line, one followed by `;` or `&`, a body
line that begins with the delimiter), so they are lifted out before it sees the text: each `<<EOF` becomes `<` and a
one-word mark, each body becomes empty lines, so that line numbers stay. It takes `((` for arithmetic and knows no empty
`for x in ;`, so the former gets a space and the latter a word (EMPTY). For the same reason it gets to see masked words
only (`mask`), and no `!`, which it does not know before compound commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pocketkube.images.shell.syntax import ShellSyntaxError

MARK = "\ue000"
EMPTY = "\ue001"
"""What stands for no words at all in `for x in ;`."""
BREAKS = " \t\n;&|<>()"
RESERVED = frozenset(
    [
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "do",
        "done",
        "case",
        "esac",
        "while",
        "until",
        "for",
        "in",
        "{",
        "}",
        "!",
        "function",
    ]
)


@dataclass(frozen=True, slots=True)
class HereDocument:
    body: str
    literal: bool
    """The delimiter was quoted: nothing is expanded."""


class Scanner:
    """Walks a text once and notes what `lift` and `mask` need."""

    def __init__(self, text: str, position: int = 0, first_mark: int = 0) -> None:
        self.text = text
        self.position = position
        self.edits: list[tuple[int, int, str]] = []
        self.documents: list[HereDocument] = []
        self.words: list[tuple[int, int]] = []
        self.blanks: list[tuple[int, int]] = []
        self.negations: list[int] = []
        """Where the commands begin that a `!` stands before."""
        self.unfinished = False
        """A here-document's delimiter never came."""
        self._first_mark = first_mark
        self._pending: list[tuple[int, int, str, bool, bool]] = []

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, position) + 1

    def _unterminated(self, start: int) -> ShellSyntaxError:
        return ShellSyntaxError("unterminated quoted string", self._line(start))

    def single_quotes(self) -> None:
        """From the opening quote to behind the closing one."""
        end = self.text.find("'", self.position + 1)
        if end < 0:
            raise self._unterminated(self.position)
        self.position = end + 1

    def double_quotes(self) -> None:
        start = self.position
        self.position += 1
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == '"':
                self.position += 1
                return
            self._quoted_character(character)
        raise self._unterminated(start)

    def backquotes(self) -> None:
        start = self.position
        self.position += 1
        while self.position < len(self.text):
            character = self.text[self.position]
            self.position += 2 if character == "\\" else 1
            if character == "`":
                return
        raise ShellSyntaxError("EOF in backquote substitution", self._line(start))

    def _quoted_character(self, character: str) -> None:
        if character == "\\":
            self.position += 2
        elif character == "`":
            self.backquotes()
        elif character == "$":
            self.dollar()
        else:
            self.position += 1

    def dollar(self) -> None:
        """From `$` to behind what it introduces."""
        after = self.text[self.position + 1 : self.position + 3]
        if after == "((":
            start = self.position
            self.position += 3
            if self._arithmetic():
                return
            self.position = start
        if after[:1] == "(":
            self.position += 2
            self.command(")")
        elif after[:1] == "{":
            self.position += 2
            self.braces()
        else:
            self.position += 1

    def braces(self) -> None:
        """From behind `${` to behind its `}`."""
        start = self.position
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "}":
                self.position += 1
                return
            if character == "'":
                # Within double quotes a single quote is an ordinary character, unless it has a partner before `}`.
                end = self.text.find("'", self.position + 1)
                self.position = end + 1 if end >= 0 else self.position + 1
            elif character == '"':
                self.double_quotes()
            else:
                self._quoted_character(character)
        raise ShellSyntaxError("missing '}'", self._line(start))

    def _arithmetic(self) -> bool:
        """From behind `$((` to behind `))`; False when it turns out to be `$( (...) ... )`."""
        depth = 0
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == ")":
                if not depth:
                    if self.text.startswith("))", self.position):
                        self.position += 2
                        return True
                    return False
                depth -= 1
            elif character == "(":
                depth += 1
            elif character in "\\`$":
                self._quoted_character(character)
                continue
            elif character == '"':
                self.double_quotes()
                continue
            self.position += 1
        raise ShellSyntaxError("missing '))'", self._line(self.position))

    def command(self, closer: str) -> None:
        """From inside a list of commands to behind `closer`, or to the end of the text when that is empty."""
        start = self.position
        cases = 0
        command_next = True
        header = ""
        """The words of a `for` so far: its variable is v."""
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == closer and not cases:
                self.position += 1
                return
            if character == "\n":
                self._no_words(header)
                header = ""
                self.position += 1
                self._bodies()
                command_next = True
            elif self.text.startswith("\\\n", self.position):
                self.blanks.append((self.position, self.position + 2))
                self.position += 2
            elif character == "#":
                end = self.text.find("\n", self.position)
                end = len(self.text) if end < 0 else end
                self.blanks.append((self.position, end))
                self.position = end
            elif character == "(":
                self.position += 1
                if self.text.startswith("(", self.position):
                    self.edits.append((self.position, self.position, " "))
                self.command(")")
                command_next = True
            elif self.text.startswith("<<<", self.position):
                raise ShellSyntaxError("unexpected redirection", self._line(self.position))
            elif self.text.startswith("<<", self.position):
                self._here_document()
            elif self.text.startswith("<>", self.position):  # unknown to the grammar: it sees `<`
                self.blanks.append((self.position + 1, self.position + 2))
                self.position += 2
            elif character in BREAKS:
                if character not in " \t":
                    self._no_words(header)
                    header = ""
                self.position += 1
                command_next = command_next if character in " \t" else character not in "<>"
            else:
                word = self.word()
                if command_next and word == "!":
                    self._negation()
                header = {"": "for" if command_next and word == "for" else "", "for": "for v"}.get(
                    header, "for v in" if header == "for v" and word == "in" else ""
                )
                if command_next:
                    cases += {"case": 1, "esac": -1 if cases else 0}.get(word, 0)
                command_next = command_next and word in RESERVED
        if closer:
            raise ShellSyntaxError(f'unexpected end of file (expecting "{closer}")', self._line(start))
        self._bodies()

    def _no_words(self, header: str) -> None:
        if header == "for v in":
            self.edits.append((self.position, self.position, f" {EMPTY}"))

    def _negation(self) -> None:
        self.blanks.append(self.words.pop())
        while self.text[self.position : self.position + 1] in (" ", "\t"):
            self.position += 1
        if re.compile(r"![ \t]").match(self.text, self.position):
            raise ShellSyntaxError('unexpected "!"', self._line(self.position))
        self.negations.append(self.position)

    def word(self) -> str:
        """One word, raw."""
        start = self.position
        while self.position < len(self.text) and (character := self.text[self.position]) not in BREAKS:
            if character == "'":
                self.single_quotes()
            elif character == '"':
                self.double_quotes()
            else:
                self._quoted_character(character)
        self.position = min(self.position, len(self.text))
        self.words.append((start, self.position))
        return self.text[start : self.position]

    def _here_document(self) -> None:
        start = self.position
        self.position += 2
        strip = self.text.startswith("-", self.position)
        self.position += strip
        while self.text[self.position : self.position + 1] in (" ", "\t"):
            self.position += 1
        raw = self.word()
        if not raw:
            found = self.text[self.position : self.position + 1]
            name = "end of file" if not found else "newline" if found == "\n" else f'"{found}"'
            raise ShellSyntaxError(f"unexpected {name}", self._line(start))
        delimiter = re.sub(r"\\(.)|['\"]", r"\1", raw)
        self._pending.append((start, self.position, delimiter, strip, raw != delimiter))

    def _bodies(self) -> None:
        for start, end, delimiter, strip, literal in self._pending:
            lines = []
            begin = self.position
            while self.position < len(self.text):
                stop = self.text.find("\n", self.position)
                stop = len(self.text) if stop < 0 else stop
                line = self.text[self.position : stop]
                self.position = min(stop + 1, len(self.text))
                line = line.lstrip("\t") if strip else line
                if line == delimiter:
                    break
                lines.append(line + "\n")
            else:
                self.unfinished = True
            mark = f"< {MARK}{self._first_mark + len(self.documents)}{MARK}"
            self.edits.append((start, end, mark))
            self.edits.append((begin, self.position, "\n" * self.text.count("\n", begin, self.position)))
            self.documents.append(HereDocument("".join(lines), literal))
        self._pending.clear()


def lift(text: str, first_mark: int = 0) -> tuple[str, list[HereDocument]]:
    """The text without its here-documents, and these, numbered from `first_mark`. Raises ShellSyntaxError."""
    scanner = Scanner(text, first_mark=first_mark)
    scanner.command("")
    for start, end, replacement in sorted(scanner.edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text, scanner.documents


def mask(text: str) -> tuple[str, list[int]]:
    """`text` in plain ASCII and of the same length, with every word that is not reserved made of `w`, and where the
    commands begin that are negated.

    That leaves the grammar nothing to guess within words, and makes byte offsets of the tree offsets in `text`.
    Raises ShellSyntaxError.
    """
    scanner = Scanner(text)
    scanner.command("")
    out = list(text)
    for start, end in scanner.blanks:
        out[start:end] = " " * (end - start)
    for start, end in scanner.words:  # last: a word with a comment inside is a word
        word = text[start:end]
        digits = word.isdecimal() and text[end : end + 1] in ("<", ">")
        keep = end if word in RESERVED or digits else start
        out[start:end] = text[start:keep] + "w" * (end - keep)
    return "".join(out), scanner.negations
