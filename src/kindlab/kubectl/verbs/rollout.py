"""`kubectl rollout status|restart|undo|history|pause|resume` of Deployments, DaemonSets and StatefulSets. Left out:
history --revision."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from kindlab.api import MERGE_PATCH, Obj
from kindlab.kubectl import options, printers, targets
from kindlab.kubectl.rollouts import BY_KIND, Rollout
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, label
from kindlab.kubectl.targets import Target

CAUSE = "kubernetes.io/change-cause"
VERBS = ("status", "restart", "undo", "history", "pause", "resume")
FOR_EVER = 24 * 3600.0


@options.command()
@options.words
@options.timeout
@click.option("--to-revision", type=int, default=0, help="With undo: the revision to go back to.")
@click.option("-w", "--watch", default="true", help="With status: false shows it once.")
def COMMAND(session: Session, words: tuple[str, ...], timeout: str, to_revision: int, watch: str) -> None:
    """Follow and steer a rollout: rollout status deployment/NAME, rollout restart, undo, history, pause, resume"""
    what, rest = (words[0], words[1:]) if words else ("", ())
    if what not in VERBS:
        raise Refused(f"error: kindlab's stand-in for kubectl has rollout {', '.join(VERBS)}. {GET_KUBECTL}")
    if not rest:
        raise Refused("error: required resource not specified")
    for target in targets.named(session, rest):
        live = session.get(target.served, target.name)
        rollout = BY_KIND.get(live["kind"])
        if rollout is None:
            only = "Deployments, DaemonSets and StatefulSets"
            raise Refused(f"error: kindlab's stand-in for kubectl rolls out {only} only. {GET_KUBECTL}")
        if what == "status":
            _status(session, target, rollout, options.seconds(timeout) or FOR_EVER, watch == "true")
        elif what == "undo":
            _undo(session, target, rollout, live, to_revision)
        elif what == "history":
            _history(session, target, rollout, live)
        else:
            _steer(session, target, rollout, live, what)


def _status(session: Session, target: Target, rollout: Rollout, timeout: float, watch: bool) -> None:
    fields = f"metadata.name={target.name}"
    kind = f"apps/v1/{target.served.plural.removesuffix('s')}"
    last = None
    for found in session.api.follow(kind, session.namespace, fields=fields, timeout=timeout):
        for live in found.values():
            text, done = rollout.progress(live)
            if text != last:
                session.say(text)
                last = text
            if done or not watch:
                return
    raise Refused("error: timed out waiting for the condition")


def _steer(session: Session, target: Target, rollout: Rollout, live: Obj, what: str) -> None:
    name, paused = f'{rollout.resource}.apps "{target.name}"', bool(live["spec"].get("paused"))
    if what == "restart":
        if paused:
            raise Refused(f"error: {name} can't restart paused deployment (run rollout resume first)")
        stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat(timespec="seconds")}
        change: Obj = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    elif not rollout.can_pause:
        raise Refused(f"error: {name} {'pausing' if what == 'pause' else 'resuming'} is not supported")
    else:
        if paused == (what == "pause"):
            raise Refused(f"error: {name} is {'already' if paused else 'not'} paused")
        change = {"spec": {"paused": what == "pause" or None}}
    session.request("PATCH", session.url(target.served, target.name), change, content_type=MERGE_PATCH)
    past = {"restart": "restarted", "pause": "paused", "resume": "resumed"}[what]
    session.say(f"{label(target.served, target.name)} {past}")


def _undo(session: Session, target: Target, rollout: Rollout, live: Obj, to: int) -> None:
    if "kubectl.kubernetes.io/last-applied-configuration" in (live["metadata"].get("annotations") or {}):
        session.err.write(
            f"Warning: resource {rollout.resource}/{target.name} was previously managed with 'kubectl apply'. Rolling "
            "back will not update the kubectl.kubernetes.io/last-applied-configuration annotation, which may cause "
            "unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your "
            "previous configuration file instead.\n"
        )
    if live["spec"].get("paused"):
        raise Refused(
            "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' "
            "and try again"
        )
    found = rollout.revisions(session, live)
    older = sorted(found)[:-1]
    if to and to not in found:
        raise Refused(f"error: unable to find specified revision {to} in history")
    if not to and not older:
        raise Refused(f"error: {rollout.no_history.format(name=target.name)}")
    way = rollout.back(live, found[to or older[-1]])
    if way is None:
        done = f"skipped rollback (current template already matches revision {to})"
    else:
        change, content_type = way
        session.request("PATCH", session.url(target.served, target.name), change, content_type=content_type)
        done = "rolled back"
    session.say(f"{label(target.served, target.name)} {done}")


def _history(session: Session, target: Target, rollout: Rollout, live: Obj) -> None:
    rows = [["REVISION", "CHANGE-CAUSE"]]
    for revision, found in sorted(rollout.revisions(session, live).items()):
        rows.append([str(revision), (found["metadata"].get("annotations") or {}).get(CAUSE) or "<none>"])
    session.say(f"{label(target.served, target.name)} \n{printers.table(rows, padding=2)}\n")
