"""`kubectl rollout status|restart|undo|history|pause|resume` of Deployments. Left out: other kinds (status of none of
them), undo of a StatefulSet, history --revision."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from kindlab.api import MERGE_PATCH, Obj
from kindlab.kubectl import options, printers, targets
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session, label
from kindlab.kubectl.targets import Target

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
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
        if live["kind"] != "Deployment":
            raise Refused(f"error: kindlab's stand-in for kubectl rolls out Deployments only. {GET_KUBECTL}")
        if what == "status":
            _status(session, target, options.seconds(timeout) or FOR_EVER, watch == "true")
        elif what == "undo":
            _undo(session, target, live, to_revision)
        elif what == "history":
            _history(session, target, live)
        else:
            _steer(session, target, live, what)


def progress(live: Obj) -> tuple[str, bool]:
    """What `rollout status` says of a Deployment, and whether it is done. Raises Refused when it will never be."""
    name, status, wanted = live["metadata"]["name"], live.get("status", {}), live["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return "Waiting for deployment spec update to be observed...", False
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise Refused(f'error: deployment "{name}" exceeded its progress deadline')
    updated, total, available = (status.get(k, 0) for k in ("updatedReplicas", "replicas", "availableReplicas"))
    head = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{head} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{head} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _status(session: Session, target: Target, timeout: float, watch: bool) -> None:
    fields = f"metadata.name={target.name}"
    last = None
    for found in session.api.follow("apps/v1/deployment", session.namespace, fields=fields, timeout=timeout):
        for live in found.values():
            text, done = progress(live)
            if text != last:
                session.say(text)
                last = text
            if done or not watch:
                return
    raise Refused("error: timed out waiting for the condition")


def _steer(session: Session, target: Target, live: Obj, what: str) -> None:
    name, paused = f'deployments.apps "{target.name}"', bool(live["spec"].get("paused"))
    if what == "restart":
        if paused:
            raise Refused(f"error: {name} can't restart paused deployment (run rollout resume first)")
        stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat(timespec="seconds")}
        change: Obj = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    else:
        if paused == (what == "pause"):
            raise Refused(f"error: {name} is {'already' if paused else 'not'} paused")
        change = {"spec": {"paused": what == "pause" or None}}
    session.request("PATCH", session.url(target.served, target.name), change, content_type=MERGE_PATCH)
    past = {"restart": "restarted", "pause": "paused", "resume": "resumed"}[what]
    session.say(f"{label(target.served, target.name)} {past}")


def _revisions(session: Session, live: Obj) -> dict[int, Obj]:
    """The Deployment's ReplicaSets by revision."""
    own = [
        rs
        for rs in session.list(session.served("replicasets"), targets.selector(live))
        if any(o["uid"] == live["metadata"]["uid"] for o in rs["metadata"].get("ownerReferences") or ())
    ]
    return {int((rs["metadata"].get("annotations") or {}).get(REVISION, 0)): rs for rs in own}


def _undo(session: Session, target: Target, live: Obj, to: int) -> None:
    if "kubectl.kubernetes.io/last-applied-configuration" in (live["metadata"].get("annotations") or {}):
        session.err.write(
            f"Warning: resource deployments/{target.name} was previously managed with 'kubectl apply'. Rolling back "
            "will not update the kubectl.kubernetes.io/last-applied-configuration annotation, which may cause "
            "unexpected behavior on future 'kubectl apply' operations. Consider using 'kubectl apply' with your "
            "previous configuration file instead.\n"
        )
    if live["spec"].get("paused"):
        raise Refused(
            "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' "
            "and try again"
        )
    found = _revisions(session, live)
    older = sorted(found)[:-1]
    if to and to not in found:
        raise Refused(f"error: unable to find specified revision {to} in history")
    if not to and not older:
        raise Refused(f'error: no rollout history found for deployment "{target.name}"')
    template = dict(found[to or older[-1]]["spec"]["template"])
    meta = dict(template.get("metadata") or {})
    meta["labels"] = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH}
    change = [{"op": "replace", "path": "/spec/template", "value": {**template, "metadata": meta}}]
    session.request(
        "PATCH", session.url(target.served, target.name), change, content_type="application/json-patch+json"
    )
    session.say(f"{label(target.served, target.name)} rolled back")


def _history(session: Session, target: Target, live: Obj) -> None:
    rows = [["REVISION", "CHANGE-CAUSE"]]
    for revision, rs in sorted(_revisions(session, live).items()):
        rows.append([str(revision), (rs["metadata"].get("annotations") or {}).get(CAUSE) or "<none>"])
    session.say(f"{label(target.served, target.name)} \n{printers.table(rows, padding=2)}\n")
