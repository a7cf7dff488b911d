"""`kubectl delete`: by name, by label, by file; waits until the objects are gone unless --wait=false."""

from __future__ import annotations

from dataclasses import dataclass

import click

from kindlab.api import ApiError, Served
from kindlab.kubectl import options, targets
from kindlab.kubectl.session import Refused, Session, explain
from kindlab.kubectl.verbs.apply import known, objects

IMMEDIATE = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. "
    "The resource may continue to run on the cluster indefinitely.\n"
)
CLUSTER_SCOPED = "Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n"


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
@options.timeout
@options.dry_run
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
    timeout: str,
    dry_run: str,
) -> None:
    """Delete objects: delete TYPE NAME..., delete -f FILE, delete TYPE -l key=value"""
    grace = 1 if now else 0 if force else grace_period
    limit = options.seconds(timeout)
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
    how = How(grace, force, ignore_not_found, dry_run)
    gone = [d for d in doomed if _delete(session, *d, how)]
    if session.named and not all(served.namespaced for served, _, _ in gone):
        session.err.write(CLUSTER_SCOPED)
    if wait == "true" and not force and dry_run == "none":
        for served, name, _ in gone:
            _wait(session, served, name, limit)


@dataclass(frozen=True)
class How:
    """What was asked of all the objects."""

    grace: int
    force: bool
    ignore_missing: bool
    dry_run: str


def _delete(session: Session, served: Served, name: str, doing: str, how: How) -> bool:
    body: dict[str, object] = {"propagationPolicy": "Background"}
    if how.grace >= 0:
        body["gracePeriodSeconds"] = how.grace
    if how.dry_run == "server":
        body["dryRun"] = ["All"]  # beside a body, the server does not look at the query
    try:
        if how.dry_run == "client":
            session.get(served, name)
        else:
            session.request("DELETE", session.url(served, name), body)
    except ApiError as error:
        if error.code != 404 or not how.ignore_missing:
            session.complain(explain(error, doing=doing))
        return False
    where = f" from {session.namespace} namespace" if served.namespaced else ""
    kind = f"{served.kind.lower()}.{served.group}" if served.group else served.kind.lower()
    done = "force deleted" if how.force else "deleted"
    session.say(f'{kind} "{name}" {done}{where}{options.DRY_RUN[how.dry_run]}')
    return True


def _wait(session: Session, served: Served, name: str, limit: float) -> None:
    space = session.namespace if served.namespaced else None
    kind = f"{served.prefix.removeprefix('/apis/').removeprefix('/api/')}/{served.kind}"
    live = session.api.get(kind, name, space)
    if live is None or not live["metadata"].get("deletionTimestamp"):
        return
    uid = live["metadata"]["uid"]
    if not limit:
        session.api.wait_gone(kind, name, space, uid=uid)
        return
    seen = session.api.follow(kind, space, fields=f"metadata.name={name}", timeout=limit)
    if not any(all(obj["metadata"]["uid"] != uid for obj in found.values()) for found in seen):
        raise Refused(f"error: timed out waiting for the condition on {served.plural}/{name}")
