"""Command lines as they stand in files: do the commands exist, with these options? Nothing is run."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
from tests.course.command import ROOT

from kindlab.cli import cli

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
VARIABLES = set(re.findall(r"\$\((?:or \$\(|if \$\()?([A-Z]+)[,)]", MAKEFILE))
SEPARATORS = {"&&", "||", ";", "|", "then", "do"}
KINDLAB = re.compile(r"(?:\.venv/bin/)?kindlab")


def blocks(text: str, languages: str = "sh|console|bash") -> Iterator[str]:
    """The lines of a Markdown text's fenced blocks."""
    for block in re.findall(rf"^```(?:{languages})\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from lines(block)


def lines(script: str) -> Iterator[str]:
    """Those of a script, continued ones as one."""
    yield from (line for line in script.replace("\\\n", " ").splitlines() if line.strip())


def commands(line: str) -> Iterator[list[str]]:
    """The words of each kindlab and make command in a line of a script; variables count as some word."""
    plain = re.sub(r"\$\{?\w+\}?", "x", re.sub(r"\$\{\{.*?\}\}", "02", line))
    tokens = shlex.shlex(plain, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    words: list[str] = []
    for token in [*tokens, ";"]:
        if token not in SEPARATORS:
            words.append(token)
            continue
        while words and re.fullmatch(r"[A-Z_]+=.*|time", words[0]):
            words = words[1:]
        if words and (words[0] == "make" or KINDLAB.fullmatch(words[0])):
            yield list(itertools.takewhile(lambda word: word not in (">", ">>"), words))
        words = []


def wrong(words: list[str]) -> str:
    """What is wrong with a kindlab or make command, or "". A sentence may leave out what it is about
    (`kindlab solve`)."""
    if words[0] == "make":
        unknown = [w for w in words[1:] if w.partition("=")[0] not in (VARIABLES if "=" in w else TARGETS)]
        return f"make does not know {', '.join(unknown)}" if unknown else ""
    name, *arguments = words[1:] or ["--help"]
    if name == "--help":
        return ""
    command: click.Command | None = cli.commands.get(name)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        command = command.commands.get(arguments.pop(0))
    if command is None:
        return f"there is no kindlab {' '.join(words[1:3])}"
    arguments = [str(Path(__file__)) if one in ("x", "FILE") or one.endswith(".json") else one for one in arguments]
    try:
        command.make_context(name, arguments, **command.context_settings)
    except (click.exceptions.Exit, click.MissingParameter):
        return ""
    except click.UsageError as error:
        return f"kindlab {name}: {error.format_message()}"
    return ""
