"""`kubectl wait --for=condition=X|delete|create|jsonpath='{...}'=VALUE`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from kindlab.api import Obj
from kindlab.kubectl import jsonpath, options, targets
from kindlab.kubectl.session import Refused, Session, label


@options.command()
@options.words
@options.labels
@click.option("--for", "condition", default="", help="condition=Ready, delete, create, jsonpath='{.a}'=b.")
@click.option("--timeout", default="30s", help="Give up after this long.")
@click.option("--all", "everything", is_flag=True, help="All objects of the kind.")
def COMMAND(
    session: Session, words: tuple[str, ...], labels: str, condition: str, timeout: str, everything: bool
) -> None:
    """Wait for something to be true: wait --for=condition=Ready pod/NAME --timeout=60s"""
    holds, said = _condition(condition)
    wanted = targets.named(session, words, labels, everything=everything)
    if not wanted and condition != "delete":
        raise Refused("error: no matching resources found")
    for target in wanted:
        if condition not in ("create", "delete"):
            session.get(target.served, target.name)  # NotFound is said as the server says it
        version = target.served.prefix.removeprefix("/apis/").removeprefix("/api/")
        kind, fields = f"{version}/{target.served.kind}", f"metadata.name={target.name}"
        space = session.namespace if target.served.namespaced else None
        limit = max(0.0, options.seconds(timeout))
        there = condition != "delete" or session.api.get(kind, target.name, space) is not None
        if not any(holds(found.values()) for found in session.api.follow(kind, space, fields=fields, timeout=limit)):
            on = "" if condition == "create" else f" on {target.served.plural}/{target.name}"
            raise Refused(f"error: timed out waiting for the condition{on}")
        if there:
            session.say(f"{label(target.served, target.name)} {said}")


def _condition(text: str) -> tuple[Callable[[Iterable[Obj]], bool], str]:
    """A test on the objects that are there, and what to say when it holds."""
    if text == "delete":
        return lambda found: not list(found), "condition met"
    if text == "create":
        return lambda found: bool(list(found)), "condition met"
    how, _, rest = text.partition("=")
    if how == "condition":
        name, _, value = rest.partition("=")
        return lambda found: any(_has(o, name, value or "True") for o in found), "condition met"
    if how == "jsonpath":
        path, _, value = rest.strip("'\"").rpartition("=") if "}=" in rest else (rest.strip("'\""), "", "")
        return lambda found: any(_at(o, path, value) for o in found), "condition met"
    raise Refused(f"error: unrecognized condition: {f'{text!r}' if text else '[]'}")


def _has(obj: Obj, name: str, value: str) -> bool:
    found = obj.get("status", {}).get("conditions") or ()
    return any(c["type"].lower() == name.lower() and c["status"].lower() == value.lower() for c in found)


def _at(obj: Obj, path: str, value: str) -> bool:
    found = jsonpath.evaluate(path.strip("'\""), obj, missing_ok=True)
    return bool(found) and (not value or jsonpath.printed(found[0]) == value.strip("'\""))
