"""Options that several verbs share, spelled as kubectl spells them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

from kindlab.api import Obj, Served
from kindlab.kubectl import printers
from kindlab.kubectl.acting import acting
from kindlab.kubectl.session import Refused, Session, label

Command = Callable[..., Any]


def command(**attributes: Any) -> Callable[[Command], click.Command]:
    """A verb: its function gets the Session first, and `-n` has been applied to it."""

    def decorate(function: Command) -> click.Command:
        @click.command(context_settings={"help_option_names": ["-h", "--help"]}, **attributes)
        @click.option("-n", "--namespace", callback=value, help="The namespace to look in.")
        @click.option("--as", "as_user", default="", callback=value, help="The user to act as.")
        @click.option("--as-group", "as_groups", multiple=True, callback=value, help="A group of that user's.")
        @functools.wraps(function)
        def run(namespace: str | None, as_user: str, as_groups: tuple[str, ...], **options: Any) -> Any:
            context = click.get_current_context()
            session: Session = context.obj
            if as_user or as_groups:
                verb = str(context.info_name).rpartition(" ")[2]
                session.api = acting(session.api, verb, as_user, as_groups)
            if namespace:
                session.namespace, session.named = namespace, True
            return function(session, **options)

        return run  # type: ignore[no-any-return]

    return decorate


def value(_: click.Context, __: click.Parameter, given: Any) -> Any:
    """`-o=wide` is how kubectl's users write `-o wide`."""
    if isinstance(given, tuple):
        return tuple(value(_, __, each) for each in given)
    return given.removeprefix("=") if isinstance(given, str) else given


words = click.argument("words", nargs=-1)
output = click.option(
    "-o", "--output", default="", callback=value, help="wide, yaml, json, name, jsonpath=..., custom-columns=..."
)
labels = click.option("-l", "--selector", "labels", default="", callback=value, help="Label selector.")
files = click.option("-f", "--filename", "files", multiple=True, callback=value, help="File, folder, or - for stdin.")
container = click.option("-c", "--container", default="", callback=value, help="Which container.")
timeout = click.option("--timeout", default="0s", callback=value, help="Give up after this long (for example 30s).")
dry_run = click.option(
    "--dry-run",
    default="none",
    type=click.Choice(["none", "client", "server"]),
    help="client: only print what would be sent; server: let the server check it.",
)
DRY_RUN = {"none": "", "client": " (dry run)", "server": " (server dry run)"}
"""What is added to what was done."""


def seconds(text: str, flag: str = "--timeout") -> float:
    """A Go duration (`1m30s`) in seconds. Raises Refused."""
    parts = re.findall(r"([\d.]+)(ms|h|m|s)", text)
    if text in ("0", ""):
        return 0.0
    if "".join(n + unit for n, unit in parts) != text.lstrip("-"):
        raise Refused(f'error: invalid argument "{text}" for "{flag}" flag: time: invalid duration "{text}"')
    total = sum(float(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit] for n, unit in parts)
    return -total if text.startswith("-") else total


def finish(session: Session, served: Served, obj: Obj, done: str, *, output: str = "", dry_run: str = "none") -> None:
    """What a verb that changed `obj` prints: `service/web exposed`, or the object under -o."""
    if output in ("yaml", "json"):
        clean = printers.without_managed_fields(obj)
        session.say(printers.as_yaml(clean) if output == "yaml" else printers.as_json(clean))
    elif output == "name":
        session.say(label(served, obj["metadata"]["name"]))
    elif output:
        raise Refused(
            f'error: unable to match a printer suitable for the output format "{output}", '
            "allowed formats are: json,name,yaml"
        )
    else:
        how = DRY_RUN[dry_run]
        session.say(f"{label(served, obj['metadata']['name'])} {done}{how}")


def create(session: Session, obj: Obj, done: str, *, output: str = "", dry_run: str = "none") -> None:
    """Create an object, or only show it, and print what came of it."""
    served = session.served(f"{obj['apiVersion']}/{obj['kind']}")
    if dry_run != "client":
        query = {"fieldManager": f"kubectl-{done}", **({"dryRun": "All"} if dry_run == "server" else {})}
        path = session.url(served)
        obj = session.request("POST", path, obj, query=query)
    finish(session, served, obj, done, output=output, dry_run=dry_run)
