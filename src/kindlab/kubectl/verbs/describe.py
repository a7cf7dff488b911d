"""`kubectl describe`: an object for people, and its events.

Pods, the kinds of the network, those of storage and custom resources are described as kubectl does it, other kinds as
sections of their own fields; the last line says so. Left out: what kubectl computes for nodes and the like.
"""

from __future__ import annotations

from dataclasses import replace

import click

from kindlab.api import ApiError, Obj
from kindlab.endpoints import SERVICE_LABEL
from kindlab.kubectl import ages, describing, describing_network, options, printers, targets
from kindlab.kubectl.session import Session
from kindlab.kubectl.targets import Target

BRIEF = "(described by kindlab's stand-in for kubectl, which is shorter than kubectl itself)"


@options.command()
@options.words
@options.labels
@click.option("--show-events", default="", callback=options.value, help="true or false; else with a single object.")
def COMMAND(session: Session, words: tuple[str, ...], labels: str, show_events: str) -> None:
    """Show an object in detail, with its events: describe TYPE [NAME...]"""
    wanted: list[Target] = []
    begun: list[Target] = []
    for target in targets.parse(session, words):
        if target.name:
            same, more = _matching(session, target)
            wanted += same
            begun += more
        else:
            found = session.list(target.served, labels)
            wanted += [Target(target.served, o["metadata"]["name"]) for o in found]
    if not wanted and not begun:
        session.err.write(f"No resources found in {session.namespace} namespace.\n")
        return
    events = show_events.lower() == "true" if show_events else len(wanted) == 1 and not begun
    for n, target in enumerate(wanted):
        session.out.write("\n\n" if n else "")
        session.out.write(_described(session, target, events=events))
    for target in begun:
        session.say(_described(session, target, events=events))
    if any(t.served.kind in describing.BRIEF for t in (*wanted, *begun)):
        session.err.write(BRIEF + "\n")


def _described(session: Session, target: Target, *, events: bool) -> str:
    obj = session.get(target.served, target.name)
    is_node = target.served.kind == "Node"
    # for a namespace, itself
    space = replace(session, namespace="kube-node-lease" if is_node else target.name, everywhere=False)

    def pods() -> list[Obj]:
        where = replace(session, everywhere=True) if is_node else session
        return where.list(session.served("v1/pod"), fields=f"spec.nodeName={target.name}" if is_node else "")

    def inside(kind: str) -> list[Obj]:
        return space.list(space.served(kind))

    text = describing.describe(obj, _asked(session), pods, inside)
    events = events or obj["kind"] == "ConfigMap"  # kubectl shows theirs whatever was asked for
    return printers.tabbed(f"{text}\n{_events(session, obj) if events else ''}".split("\n"))


def _matching(session: Session, target: Target) -> tuple[list[Target], list[Target]]:
    """The object of that name, else those whose names begin so. Raises ApiError when there are neither."""
    try:
        session.get(target.served, target.name)
    except ApiError as error:
        names = [o["metadata"]["name"] for o in session.list(target.served)] if error.code == 404 else []
        begun = [Target(target.served, name) for name in names if name.startswith(target.name)]
        if not begun:
            raise
        return [], begun
    return [target], []


def _asked(session: Session) -> describing_network.Asked:
    def ask(name: str) -> tuple[Obj | None, list[Obj]]:
        slices = session.list(session.served("endpointslices"), f"{SERVICE_LABEL}={name}")
        return session.api.get("v1/Service", name, session.namespace), slices

    return ask


def _events(session: Session, obj: Obj) -> str:
    none = describing.no_events(obj)
    if not none:
        return none
    fields = f"involvedObject.uid={obj['metadata']['uid']}"
    if not obj["metadata"].get("namespace"):
        session = replace(session, everywhere=True)
    events = session.list(session.served("v1/event"), fields=fields)
    if obj["kind"] == "Node":  # some tell of it by its name for want of a uid
        fields = f"involvedObject.uid={obj['metadata']['name']}"
        events += session.list(session.served("v1/event"), fields=fields)
    if not events:
        return none
    rows = [["  Type", "Reason", "Age", "From", "Message"], ["  ----", "------", "----", "----", "-------"]]
    for event in sorted(events, key=when):
        source = event.get("reportingComponent") or (event.get("source") or {}).get("component", "")
        container = (event.get("involvedObject") or {}).get("fieldPath", "")
        message = (f"{container}: " if container else "") + event.get("message", "").strip()
        rows.append([f"  {event.get('type')}", event.get("reason", ""), age(event), source, message])
    return f"Events:\n{printers.table(rows, padding=2)}\n"


def when(event: Obj) -> str:
    """The moment of an event, or of the last of its series; "" when it is not known."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def age(event: Obj) -> str:
    """How long ago, and how often since when."""
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    last, first = (
        ages.since(when(event)),
        ages.since(event.get("firstTimestamp") or event.get("eventTime") or when(event)),
    )
    return f"{last} (x{count} over {first})" if count > 1 else last
