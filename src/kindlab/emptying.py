"""A namespace that the learner may not delete, emptied instead: what is in it, whatever kind it is of, as far as the
learner may delete it. What the cluster or the instructor has put there stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from kindlab.api import Api, ApiError, Obj, Served
from kindlab.checks.volumes import has_claims
from kindlab.errors import Problem

RIGHTS = {"kindlab.dev/rights": "instructor"}
"""The label of what `kindlab rights` has made: no reset takes it."""
MAKERS = ("HorizontalPodAutoscaler", "CronJob", "Job", "DaemonSet", "StatefulSet", "Deployment", "ReplicaSet")
"""These go first: as long as they are there they make other things anew."""
KEPT_KINDS = frozenset({"Event", "ResourceQuota", "LimitRange", "Lease"})
KEPT = frozenset({("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")})
ROUNDS = 10
WATCHED = 15.0
"""Seconds for which one kind is watched before all are looked at again."""


def empty(api: Api, namespace: str, *, timeout: float) -> None:
    """Delete what may be deleted and return when it is gone; Pods get no grace, or next to none. Raises Problem that
    says what is still there after `timeout` seconds and what holds it."""
    deadline = monotonic() + timeout
    kinds = sorted(deletable(api), key=lambda kind: kind.kind not in MAKERS)
    left: list[tuple[Served, Obj]] = []
    for _ in range(ROUNDS):
        left = [(kind, obj) for kind in kinds for obj in _delete_all(api, kind, namespace)]
        if not left or monotonic() > deadline:
            break
        for kind in dict.fromkeys(kind for kind, _ in left):
            _wait(api, kind, namespace, min(WATCHED, deadline - monotonic()))
    if left:
        kind, obj = left[0]
        held = ", ".join(obj["metadata"].get("finalizers") or ())
        name = obj["metadata"]["name"]
        raise Problem(
            f"{kind.kind} {name} in namespace {namespace} is still there after it was deleted.",
            f"It is held by: {held}." if held else "Something makes it anew, or the cluster is slow.",
            f"kubectl describe {kind.kind.lower()} {name} -n {namespace} shows what for; then try again.",
        )


def deletable(api: Api) -> Iterator[Served]:
    """The kinds of namespaced objects that are stored, each once, in its group's preferred version."""
    for kind in api.kinds():
        if kind.namespaced and {"list", "delete"} <= set(kind.verbs) and kind.kind not in KEPT_KINDS:
            yield kind


def _delete_all(api: Api, kind: Served, namespace: str) -> list[Obj]:
    """Those that will go: what may not be deleted is not waited for."""
    going = []
    for obj in found(api, kind, namespace):
        meta = obj["metadata"]
        if stays(kind.kind, obj, namespace):
            continue
        try:
            if not meta.get("deletionTimestamp"):
                api.delete(word(kind), meta["name"], namespace, grace=_grace(kind, obj))
            going.append(obj)
        except ApiError as error:
            if error.code not in (403, 405):
                raise
            if meta.get("ownerReferences"):  # it goes with what it was made for
                going.append(obj)
    return going


def _grace(kind: Served, obj: Obj) -> int | None:
    """As in workspace.remove_namespace: a claim is unmounted before its Pod has gone."""
    if kind.kind != "Pod":
        return None
    return 1 if has_claims(obj) else 0


def _wait(api: Api, kind: Served, namespace: str, seconds: float) -> None:
    for live in api.follow(word(kind), namespace, timeout=max(0.0, seconds)):
        if all(stays(kind.kind, obj, namespace) for obj in live.values()):
            return


def found(api: Api, kind: Served, namespace: str) -> list[Obj]:
    """Those that may be seen."""
    try:
        return api.list(word(kind), namespace)
    except ApiError:  # not ours to see, or an aggregated API that is down
        return []


def word(kind: Served) -> str:
    """How the API is asked for a kind, and no other of that name."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def stays(kind: str, obj: Obj, namespace: str) -> bool:
    """Whether the cluster or an instructor has put it there."""
    meta = obj["metadata"]
    if RIGHTS.items() <= (meta.get("labels") or {}).items() or (kind, meta["name"]) in KEPT:
        return True
    if kind == "RoleBinding":  # the labs bind their own accounts; whatever binds people is the instructor's
        return any(s["kind"] != "ServiceAccount" or s.get("namespace") != namespace for s in obj.get("subjects") or ())
    annotations = meta.get("annotations") or {}
    return kind == "Secret" and annotations.get("kubernetes.io/service-account.name") == "default"
