"""The stand-in for kubectl: its words, its outputs, its exit codes, for the verbs labs use. One file a verb in verbs/,
found by name. What it cannot do it refuses, and says where to get kubectl."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import TextIO

import click

from kindlab.api import Api, ApiError
from kindlab.kubectl import verbs
from kindlab.kubectl.session import GET_KUBECTL, URL, Refused, Session, explain

KEYWORDS = ("exec", "set")
"""Verbs whose modules carry an underscore, for they are words of Python's own."""


def run(api: Api, namespace: str, words: Sequence[str], *, stdin: TextIO, out: TextIO, err: TextIO) -> int:
    """Run one command; returns kubectl's exit code. Raises Problem only when the cluster cannot be reached."""
    session = Session(api, namespace, out, err, stdin)
    try:
        verb, rest = _verb(list(words))
        return _invoke(session, verb, rest)
    except Refused as error:
        err.write(f"{error}\n")
        return error.exit
    except ApiError as error:
        err.write(f"{explain(error)}\n")
        return 1
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        err.write(_usage(error))
        return 1
    except ValueError as error:
        err.write(f"error: {error}\n")
        return 1


def names() -> list[str]:
    """The verbs the stand-in has."""
    return sorted(module.name.rstrip("_").replace("_", "-") for module in pkgutil.iter_modules(verbs.__path__))


def _verb(words: list[str]) -> tuple[str, list[str]]:
    """The verb and the other words; -n may stand before the verb as in `kubectl -n x get pods`."""
    before: list[str] = []
    while words and words[0].startswith("-") and words[0] not in ("-h", "--help"):
        before.append(words.pop(0))
        if before[-1] in ("-n", "--namespace", "--as", "--as-group") and words:
            before.append(words.pop(0))
    return (words[0] if words else "help"), [*before, *words[1:]]


def _overview() -> str:
    """What `kubectl help` says: the verbs, each with its line."""
    lines = []
    for verb in names():
        about = (_command(verb).help or "").strip().splitlines()[0]
        lines.append(f"  {verb:<14} {about}")
    head = "This is kindlab's small stand-in for kubectl, for want of one on this machine. It can:"
    return "\n".join(
        [head, "", *lines, "", "kubectl VERB --help lists a verb's options. For more there is kubectl itself:", URL]
    )


def _command(verb: str) -> click.Command:
    name = verb.replace("-", "_") + ("_" if verb in KEYWORDS else "")
    command: click.Command = importlib.import_module(f"kindlab.kubectl.verbs.{name}").COMMAND
    return command


def _invoke(session: Session, verb: str, words: list[str]) -> int:
    if verb in ("help", "-h", "--help"):
        if words and words[0] in names():
            return _invoke(session, words[0], ["--help"])
        session.say(_overview())
        return 0
    if verb not in names():
        raise Refused(
            f'error: kindlab\'s stand-in for kubectl cannot do "{verb}". It can: {", ".join(names())}.\n{GET_KUBECTL}'
        )
    command = _command(verb)
    if "--" in words:
        at = words.index("--")
        words, session.after = words[:at], words[at + 1 :]
    if {"-h", "--help"} & set(words):
        session.say(command.get_help(click.Context(command, info_name=f"kubectl {verb}")))
        return 0
    code = command.main(args=words, prog_name=f"kubectl {verb}", standalone_mode=False, obj=session)
    return code if isinstance(code, int) and code else int(session.failed)


def _usage(error: click.UsageError) -> str:
    less = f"This is kindlab's small stand-in for kubectl: it knows fewer options. {GET_KUBECTL}\n"
    if isinstance(error, click.NoSuchOption):
        name = error.option_name
        if name.startswith("--"):
            return f"error: unknown flag: {name}\n{less}"
        return f"error: unknown shorthand flag: {name[1:2]!r} in {name}\n{less}"
    if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Option):
        return f'error: required flag(s) "{error.param.opts[-1].lstrip("-")}" not set\n'
    return f"error: {error.format_message()}\n"
