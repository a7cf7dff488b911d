"""`kubectl delete`: by name, by label, by file; waits until the objects are gone unless --wait=false."""

from __future__ import annotations

import click

from kindlab.api import ApiError, Served
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import Refused, Session, explain, plural
from kindlab.kubectl.verbs.apply import known, objects

IMMEDIATE = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely.\n"
)


@options.command()
@options.words
@options.labels
@options.files
@click.option("--all", "everything", is_flag=True, help="All objects of the kind.")
@click.option("--now", is_flag=True, help="With one second of grace.")
@click.option("--force", is_flag=True, help="With --grace-period=0: without waiting for the kubelet.")
@click.option("--grace-period", type=int, default=-1, help="Seconds a Pod gets to end by itself.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@click.option("--wait", default="true", help="false: do not wait until it is gone.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    labels: str,
    files: tuple[str, ...],
    everything: bool,
    now: bool,
    force: bool,
    grace_period: int,
    ignore_not_found: bool,
    wait: str,
) -> None:
    """Delete objects: delete TYPE NAME..., delete -f FILE, delete TYPE -l key=value"""
    grace = 1 if now else 0 if force else grace_period
    doomed: list[tuple[Served, str, str]] = []
    for source, obj in objects(session, files):
        known(session, source, obj)
        served = session.served(f"{obj['apiVersion']}/{obj['kind']}")
        doomed.append((served, obj["metadata"]["name"], f'error when deleting "{source}": '))
    if not files and not words:
        raise Refused("error: You must provide one or more resources by argument or filename.")
    doomed += [(t.served, t.name, "") for t in targets.named(session, words, labels, everything=everything)]
    if force:
        session.err.write(IMMEDIATE)
    if not doomed:
        session.say("No resources found")
    gone = [d for d in doomed if _delete(session, *d, grace=grace, force=force, ignore=ignore_not_found)]
    if wait == "true" and not force:
        for served, name, _ in gone:
            _wait(session, served, name)


def _delete(session: Session, served: Served, name: str, doing: str, *, grace: int, force: bool, ignore: bool) -> bool:
    body: dict[str, object] = {"propagationPolicy": "Background"}
    if grace >= 0:
        body["gracePeriodSeconds"] = grace
    try:
        session.request("DELETE", session.url(served, name), body)
    except ApiError as error:
        if error.code != 404 or not ignore:
            session.complain(explain(error, doing=doing))
        return False
    where = f" from {session.namespace} namespace" if served.namespaced else ""
    kind = plural(served) if served.group else served.kind.lower()
    kind = f"{served.kind.lower()}.{served.group}" if served.group else kind
    session.say(f'{kind} "{name}"{" force" if force else ""} deleted{where}')
    return True


def _wait(session: Session, served: Served, name: str) -> None:
    space = session.namespace if served.namespaced else None
    kind = f"{served.prefix.removeprefix('/apis/').removeprefix('/api/')}/{served.kind}"
    live = session.api.get(kind, name, space)
    if live is not None and live["metadata"].get("deletionTimestamp"):
        session.api.wait_gone(kind, name, space, uid=live["metadata"]["uid"])
