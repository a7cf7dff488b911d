"""Word expansion: parameters, substitutions, arithmetic, then fields, file names, quotes (IEEE 1003.1, 2.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pocketkube.images.shell import patterns
from pocketkube.images.shell.arithmetic import ArithmeticFailure, evaluate
from pocketkube.images.shell.state import ExpansionFailure
from pocketkube.images.shell.syntax import Arithmetic, Parameter, Substitution, Text, Word

if TYPE_CHECKING:
    from pocketkube.images.shell.core import Core

Piece = tuple[str, bool, bool]
"""(text, quoted, to be split): quoted text is no pattern; only what an unquoted expansion gave is split."""
BREAK: Piece = ("", False, False)
"""Between the fields of `$@`; compared by identity."""


async def fields(shell: Core, words: Iterable[Word]) -> list[str]:
    """The arguments a list of words gives."""
    out: list[str] = []
    for word in words:
        if len(word) == 1 and isinstance(word[0], Text):
            text = word[0]
            if text.quoted or not (set(text.text) & set("*?[~")):
                out.append(text.text)
                continue
        for field in _split(await _pieces(shell, word, tilde=True), shell.variables.get("IFS", " \t\n")):
            out += await _file_names(shell, field)
    return out


async def single(shell: Core, word: Word) -> str:
    """The one string a word gives where nothing is split: assignments, redirections, `case`."""
    if len(word) == 1 and isinstance(word[0], Text) and not word[0].text.startswith("~"):
        return word[0].text
    return "".join(" " if piece is BREAK else piece[0] for piece in await _pieces(shell, word, tilde=True))


async def assignment(shell: Core, word: Word) -> str:
    """As `single`; a tilde counts after each colon too."""
    if word and isinstance(word[0], Text) and not word[0].quoted and ":~" in word[0].text:
        text = ":".join(_tilde(shell, part) for part in word[0].text.split(":"))
        word = (Text(text), *word[1:])
    return await single(shell, word)


async def pattern(shell: Core, word: Word) -> str:
    """A pattern: quoted characters are marked by backslashes."""
    pieces = await _pieces(shell, word, tilde=True)
    return "".join(" " if p is BREAK else patterns.quote(p[0]) if p[1] else p[0] for p in pieces)


async def _pieces(shell: Core, word: Word, *, tilde: bool = False) -> list[Piece]:
    out: list[Piece] = []
    for number, part in enumerate(word):
        if isinstance(part, Text):
            text = part.text
            if tilde and number == 0 and not part.quoted and text.startswith("~") and (len(word) == 1 or "/" in text):
                home = _tilde(shell, text)
                out.append((home, home != text, False))
            else:
                out.append((text, part.quoted, False))
        elif isinstance(part, Parameter):
            out += await _parameter(shell, part)
        elif isinstance(part, Substitution):
            out.append((await shell.substitute(part.body), part.quoted, not part.quoted))
        else:
            out.append((await _arithmetic(shell, part), part.quoted, not part.quoted))
    return out


def _tilde(shell: Core, text: str) -> str:
    user, slash, rest = text.partition("/")
    if user == "~":
        return shell.variables.get("HOME", "~") + slash + rest
    return "/root" + slash + rest if user == "~root" else text


async def _arithmetic(shell: Core, part: Arithmetic) -> str:
    expression = await single(shell, part.expression)
    try:
        return str(evaluate(expression, shell.variables))
    except ArithmeticFailure as failure:
        raise ExpansionFailure(str(failure)) from None


async def _parameter(shell: Core, part: Parameter) -> list[Piece]:
    name, operator, quoted = part.name, part.operator, part.quoted
    if operator == "bad":
        raise ExpansionFailure("syntax error: bad substitution")
    if name in ("@", "*") and operator == "":
        return _positional(shell, name, quoted)
    value = shell.parameter(name)
    if operator == "length":
        if name in ("@", "*"):
            return [(str(len(shell.positional)), quoted, not quoted)]
        return [(str(len(_set(shell, name, value))), quoted, not quoted)]
    if operator == "":
        return [(_set(shell, name, value), quoted, not quoted)]
    if operator[0] in "#%":
        trimmed = patterns.trim(_set(shell, name, value), await pattern(shell, part.word), operator)
        return [(trimmed, quoted, not quoted)]
    absent = value is None or (operator.startswith(":") and not value)
    action = operator[-1]
    if action == "+":
        return [("", quoted, False)] if absent else await _replacement(shell, part)
    if not absent:
        if name in ("@", "*"):
            return _positional(shell, name, quoted) or [("", quoted, False)]
        return [(value or "", quoted, not quoted)]
    if action == "-":
        return await _replacement(shell, part)
    if action == "=":
        if not (name[0].isalpha() or name[0] == "_"):
            raise ExpansionFailure(f"{name}: bad variable name")
        value = await single(shell, part.word)
        shell.assign(name, value)
        return [(value, quoted, not quoted)]
    default = "parameter not set" if operator == "?" else "parameter null or not set"
    raise ExpansionFailure(f"{name}: {await single(shell, part.word) if part.word else default}")


async def _replacement(shell: Core, part: Parameter) -> list[Piece]:
    pieces = await _pieces(shell, part.word, tilde=not part.quoted)
    if part.quoted:
        return [piece if piece is BREAK else (piece[0], True, False) for piece in pieces] or [("", True, False)]
    return [piece if piece is BREAK or piece[1] else (piece[0], False, True) for piece in pieces]


def _set(shell: Core, name: str, value: str | None) -> str:
    if value is None:
        if "u" in shell.options and name not in ("@", "*"):
            raise ExpansionFailure(f"{name}: parameter not set")
        return ""
    return value


def _positional(shell: Core, name: str, quoted: bool) -> list[Piece]:
    values = shell.positional
    if quoted and name == "*":
        separator = shell.variables.get("IFS", " ")[:1]
        return [(separator.join(values), True, False)]
    out: list[Piece] = []
    for value in values:
        if out:
            out.append(BREAK)
        out.append((value, quoted, not quoted))
    return out


def _split(pieces: list[Piece], separators: str) -> list[list[Piece]]:
    """Fields of pieces. A field exists when it holds text or something quoted."""
    out: list[list[Piece]] = []
    field: list[Piece] = []
    blank = "".join(character for character in separators if character in " \t\n")
    hard = "".join(character for character in separators if character not in " \t\n")
    after_blank = False

    def close(force: bool = False) -> None:
        nonlocal field
        if force or any(text or quoted for text, quoted, _ in field):
            out.append(field)
        field = []

    for piece in pieces:
        text, quoted, split = piece
        if piece is BREAK:
            close()
            after_blank = False
        elif not split or not separators:
            if text or quoted:
                if after_blank:
                    after_blank = False
                field.append(piece)
        else:
            run = ""
            for character in text:
                if character in blank:
                    if run:
                        field.append((run, False, True))
                        run = ""
                    if field:
                        close()
                        after_blank = True
                elif character in hard:
                    if run:
                        field.append((run, False, True))
                        run = ""
                    if after_blank:
                        after_blank = False
                    else:
                        close(force=True)
                else:
                    after_blank = False
                    run += character
            if run:
                field.append((run, False, True))
    close()
    return out


async def _file_names(shell: Core, field: list[Piece]) -> list[str]:
    literal = "".join(text for text, _, _ in field)
    if "f" in shell.options or not any(not quoted and set(text) & set("*?[") for text, quoted, _ in field):
        return [literal]
    wanted = "".join(patterns.quote(text) if quoted else text.replace("\\", "\\\\") for text, quoted, _ in field)
    if not patterns.is_pattern(wanted):
        return [literal]
    steps = patterns.expanding(wanted, shell.process.cwd, shell.names, shell.exists)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value or [literal]
        await shell.process.turn()
