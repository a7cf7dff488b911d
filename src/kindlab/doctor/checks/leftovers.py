"""What an interrupted or failed kindlab up has left behind: a creation that did not end, nodes of a kind cluster of
which not all run, and notes of one that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok

if TYPE_CHECKING:
    from kindlab.clusters.kindrecord import Record


def look(facts: Facts) -> Iterator[Finding]:
    """Running, stopped or half-made is told from the records and the containers alone: what a node says is for kindlab
    status."""
    engine = facts.engine
    if engine is None:
        return
    kept = _kept(facts)
    off: dict[str, list[str]] = {}
    for name, _ in kept:  # one at a time: podman's ps knows no {{.Label ...}} before 5.0 (podman#20957)
        nodes = _nodes(facts, engine.path, name)
        if nodes is None:
            return
        if nodes:
            off[name] = [node for node, status in nodes if not status.startswith("Up")]
    found = [said for name, record in kept if (said := _amiss(name, record, off, engine.name)) is not None]
    yield from found or [ok("no half-made cluster")]


def _nodes(facts: Facts, engine: str, cluster: str) -> list[tuple[str, str]] | None:
    """(container, its status) of a cluster's nodes; None where the engine does not say."""
    from kindlab.clusters.kindcli import LABEL

    form = "{{.Names}}\t{{.Status}}"
    answer = facts.ask(engine, "ps", "--all", "--filter", f"label={LABEL}={cluster}", "--format", form)
    if answer.code != 0:
        return None
    rows = (line.partition("\t") for line in answer.out.splitlines())
    return [(name, status) for name, tab, status in rows if tab]


def _amiss(name: str, record: Record | None, off: dict[str, list[str]], engine: str) -> Finding | None:
    """What is wrong with a cluster of which we have a folder. `off`: its nodes that do not run, by cluster."""
    from kindlab.clusters.kindrepair import command

    down, again = command("down", name), command("up", name)
    if record is not None and record.half_made:
        says = f"the kind cluster {name} is half-made: its creation on {record.when} did not end"
        return note(says, "every command with that cluster", f"{down} removes it; {again} makes it anew")
    if name not in off:
        says = f"kindlab has notes of a kind cluster {name} that {engine} does not have (any more)"
        return note(says, "every command with that cluster", f"{down} forgets it; {again} makes it anew")
    if off[name]:
        are = "is" if len(off[name]) == 1 else "are"
        says = f"of the kind cluster {name} {', '.join(sorted(off[name]))} {are} not running"
        return note(says, "its Pods, and checks that need them", f"{again} starts it again; {down} removes it")
    return None


def _kept(facts: Facts) -> list[tuple[str, Record | None]]:
    """The kind clusters that kindlab has a folder of: only these are spoken of."""
    from kindlab.clusters import kindrecord

    found = []
    for folder in sorted((facts.home / "clusters").glob("kind-*")):
        if not folder.is_dir():  # a lock, the log of a creation that failed
            continue
        if (record := kindrecord.read(folder)) is not None or (folder / "kubeconfig").is_file():
            found.append((folder.name.removeprefix("kind-"), record))
    return found


CHECK = Check("leftovers", 70, ("kind",), look)
