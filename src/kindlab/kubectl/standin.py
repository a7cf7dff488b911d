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
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, explain

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
        if before[-1] in ("-n", "--namespace") and words:
            before.append(words.pop(0))
    if not words or words[0] in ("-h", "--help", "help"):
        text = f"This is kindlab's small stand-in for kubectl. It can: {', '.join(names())}.\n{GET_KUBECTL}"
        raise Refused(text, exit=0 if words else 1)
    return words[0], [*before, *words[1:]]


def _invoke(session: Session, verb: str, words: list[str]) -> int:
    if verb not in names():
        raise Refused(
            f'error: kindlab\'s stand-in for kubectl cannot do "{verb}". It can: {", ".join(names())}.\n{GET_KUBECTL}'
        )
    module = importlib.import_module(f"kindlab.kubectl.verbs.{verb.replace('-', '_')}{'_' if verb in KEYWORDS else ''}")
    command: click.Command = module.COMMAND
    if "--" in words:
        at = words.index("--")
        words, session.after = words[:at], words[at + 1 :]
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
