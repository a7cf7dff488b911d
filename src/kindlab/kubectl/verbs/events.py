"""`kubectl events`: what happened, oldest first. Left out: --watch."""

from __future__ import annotations

import click

from kindlab.kubectl import options, printers, targets
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session
from kindlab.kubectl.verbs.describe import age, when


@options.command()
@options.words
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="In all namespaces.")
@click.option("--for", "about", default="", help="TYPE/NAME: events of one object.")
@click.option("--types", default="", help="Normal, Warning.")
@click.option("--no-headers", is_flag=True, help="Without the first line.")
@click.option("-w", "--watch", is_flag=True, hidden=True)
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    everywhere: bool,
    about: str,
    types: str,
    no_headers: bool,
    watch: bool,
) -> None:
    """Show events: events, events --for=TYPE/NAME"""
    if watch:
        raise Refused(f"error: kindlab's stand-in for kubectl cannot watch events. {GET_KUBECTL}")
    if words:
        raise Refused(f'error: unknown command "{words[0]}" for "kubectl events"')
    fields = ""
    if about:
        if about.count("/") != 1:
            raise Refused("error: --for must be in resource/name form")
        (target,) = targets.parse(session, [about])
        fields = f"involvedObject.kind={target.served.kind},involvedObject.name={target.name}"
    session.everywhere = everywhere
    wanted = {word.lower() for word in types.split(",") if word}
    if not wanted <= {"normal", "warning"}:
        raise Refused("error: valid --types are Normal or Warning")
    found = [
        event
        for event in session.list(session.served("v1/event"), fields=fields)
        if not wanted or event.get("type", "").lower() in wanted
    ]
    if not found:
        where = "" if everywhere else f" in {session.namespace} namespace"
        session.err.write(f"No events found{where}.\n")
        return
    head = [*(["NAMESPACE"] if everywhere else []), "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    rows = [] if no_headers else [head]
    for event in sorted(found, key=when):
        of = event.get("involvedObject") or {}
        row = [age(event), event.get("type", ""), event.get("reason", ""), f"{of.get('kind')}/{of.get('name')}"]
        space = [event["metadata"]["namespace"]] if everywhere else []
        rows.append([*space, *row, (event.get("message") or "").strip()])
    session.say(printers.table(rows))
