"""`kubectl taint nodes NODE KEY=VALUE:EFFECT KEY:EFFECT-`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from kindlab.api import MERGE_PATCH, Obj
from kindlab.kubectl import options, targets
from kindlab.kubectl.describing_nodes import taint_text
from kindlab.kubectl.session import Refused, Session

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
NO_NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{NAME}')"
)
SEE = "See 'kubectl taint -h' for help and examples"


@options.command()
@options.words
@options.labels
@options.output
@options.dry_run
@click.option("--all", "everything", is_flag=True, help="All nodes.")
@click.option("--overwrite", is_flag=True, help="Also change what is there.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    labels: str,
    output: str,
    dry_run: str,
    everything: bool,
    overwrite: bool,
) -> None:
    """Set and remove a node's taints: taint nodes NODE KEY=VALUE:EFFECT KEY-"""
    names, changes = _split(words)
    wanted, unwanted = _parsed(changes)
    if "/" in names[0]:
        raise Refused(f'the server doesn\'t have a resource type "{names[0]}"')
    if session.served(names[0]).kind != "Node":
        raise Refused(f"error: invalid resource type {names[0]}, only node types are supported")
    _refuse_both(wanted, unwanted)
    if everything and labels:
        raise Refused("error: setting 'all' parameter with a non empty selector is prohibited")
    if not everything and not labels and len(names) < 2:
        raise Refused("error: at least one resource name must be specified since 'all' parameter is not set")
    for target in targets.named(session, names, labels, everything=everything):
        node = session.get(target.served, target.name)
        held = node["spec"].get("taints") or []
        done, taints = _changed(target.name, held, wanted, unwanted, overwrite=overwrite)
        node["spec"]["taints"] = taints
        if dry_run != "client":
            query = {"fieldManager": "kubectl-taint", **({"dryRun": "All"} if dry_run == "server" else {})}
            change = {"spec": {"taints": taints or None}}
            url = session.url(target.served, target.name)
            node = session.request("PATCH", url, change, query=query, content_type=MERGE_PATCH)
        options.finish(session, target.served, node, done, output=output)  # kubectl does not say "(dry run)" here


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(resources, taints). Raises Refused."""
    names: list[str] = []
    changes: list[str] = []
    for word in words:
        if "=" in word or ":" in word or word.endswith("-"):
            changes.append(word)
        elif changes:
            raise Refused(f"error: all resources must be specified before taint changes: {word}")
        else:
            names.append(word)
    if not names:
        raise Refused("error: one or more resources must be specified as <resource> <name>")
    if not changes:
        raise Refused("error: at least one taint update is required")
    return names, changes


def _parsed(changes: Sequence[str]) -> tuple[list[Obj], list[Obj]]:
    """(to add, to remove). Raises Refused."""
    wanted: list[Obj] = []
    unwanted: list[Obj] = []
    for text in changes:
        if text.endswith("-"):
            found = _taint(text[:-1])
            unwanted.append({"key": found["key"], "effect": found["effect"]})
            continue
        taint = _taint(text)
        if not taint["effect"]:
            raise Refused(f"error: invalid taint spec: {text}\n{SEE}")
        if any(_same(taint, other) for other in wanted):
            shown = f"{{{taint['key']} {taint.get('value', '')} {taint['effect']} <nil>}}"
            raise Refused(f"error: duplicated taints with the same key and effect: {shown}\n{SEE}")
        wanted.append(taint)
    return wanted, unwanted


def _taint(text: str) -> Obj:
    parts = text.split(":")
    pair = parts[0].split("=") if len(parts) == 2 else [parts[0]]
    if len(parts) > 2 or len(pair) > 2:
        raise Refused(f"error: invalid taint spec: {text}\n{SEE}")
    effect = parts[1] if len(parts) == 2 else ""
    if len(parts) == 2 and effect not in EFFECTS:
        raise Refused(f"error: invalid taint effect: {effect}, unsupported taint effect\n{SEE}")
    if not re.fullmatch(f"([^/]+/)?{NAME}", pair[0]):
        raise Refused(f"error: invalid taint spec: {text}, {NO_NAME}\n{SEE}")
    value = {"value": pair[1]} if len(pair) == 2 and pair[1] else {}
    return {"key": pair[0], **value, "effect": effect}


def _refuse_both(wanted: Sequence[Obj], unwanted: Sequence[Obj]) -> None:
    both = [
        f"{gone['key']}={gone['effect']}"
        for taint in wanted
        for gone in unwanted
        if taint["key"] == gone["key"] and gone["effect"] in ("", taint["effect"])
    ]
    if both:
        text = "can not both modify and remove the following taint(s) in the same command"
        raise Refused(f"error: {text}: {', '.join(both)}")


def _changed(
    node: str, held: Sequence[Obj], wanted: Sequence[Obj], unwanted: Sequence[Obj], *, overwrite: bool
) -> tuple[str, list[Obj]]:
    """(what was done, the taints afterwards). Raises Refused."""
    there = [taint["key"] for taint in wanted for old in held if _same(taint, old)]
    if there and not overwrite:
        text = f"node {node} already has {','.join(there)} taint(s) with same effect(s) and --overwrite is false"
        raise Refused(f"error: {text}")
    taints = [*wanted, *(old for old in held if not any(_same(old, taint) for taint in wanted))]
    added, removed = len(taints) != len(held), False
    missing = []
    for gone in unwanted:
        left = [t for t in taints if t["key"] != gone["key"] or gone["effect"] not in ("", t["effect"])]
        removed = len(left) != len(taints)
        if not removed:
            missing.append(f'taint "{taint_text(gone)}" not found')
        taints = left
    if missing:
        raise Refused("\n".join(f"error: {text}" if len(missing) == 1 else text for text in missing))
    return "modified" if (added and removed) or overwrite else "tainted" if added else "untainted", taints


def _same(one: Obj, other: Obj) -> bool:
    return bool(one["key"] == other["key"] and one["effect"] == other["effect"])
