"""Which changes of an object count. A status, a note of a controller's and what follows from something else do not:
what a person asks for does, and that something goes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from kindlab.api import Obj
from kindlab.managed import MANAGED

Key = tuple[str, str, str]
"""Plural, namespace, name."""
NOT_ASKED = ("status", "metadata", "kind", "apiVersion")
NOTES = ("deployment.kubernetes.io/", "endpoints.kubernetes.io/", "pv.kubernetes.io/", "volume.kubernetes.io/",
         "volume.beta.kubernetes.io/", "kubectl.kubernetes.io/last-applied", "autoscaling.alpha.kubernetes.io/",
         "snapshot.storage.kubernetes.io/", "batch.kubernetes.io/", "control-plane.alpha.kubernetes.io/")  # fmt: skip
"""How the annotations begin that controllers and kubectl write."""
BY_CLUSTER = frozenset({("configmaps", "kube-root-ca.crt"), ("serviceaccounts", "default")})
SCALED = frozenset({"deployments", "statefulsets", "replicasets"})


class Change(NamedTuple):
    """`old` is None for what is new, `new` for what is gone; `at`: when it was seen (monotonic)."""

    key: Key
    old: Obj | None
    new: Obj | None
    at: float

    @property
    def said(self) -> str:
        what = "new" if self.old is None else "gone" if self.new is None else "changed"
        one = self.new or self.old or {}
        return f"{one.get('kind', self.key[0]).lower()}/{self.key[2]} {what}"


def counts(change: Change, scene: Mapping[Key, Obj]) -> bool:
    """Whether somebody, and not the cluster, has changed what is asked for. `scene`: all objects as they are."""
    one = change.new or change.old or {}
    meta = one.get("metadata") or {}
    if MANAGED.items() <= (meta.get("labels") or {}).items() or (change.key[0], change.key[2]) in BY_CLUSTER:
        return False
    owner = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    if owner is not None:
        return change.key[0] == "pods" and _is_taken(change, owner, scene)
    scaled = change.key[0] in SCALED and any(_scales(hpa, one) for key, hpa in scene.items() if _is_scaler(key))
    return _asked(change.old, scaled) != _asked(change.new, scaled)


def _is_scaler(key: Key) -> bool:
    return key[0] == "horizontalpodautoscalers"


def _scales(autoscaler: Obj, workload: Obj) -> bool:
    target = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    meta = workload["metadata"]
    return (target.get("name"), autoscaler["metadata"].get("namespace")) == (meta["name"], meta.get("namespace"))


def _asked(one: Obj | None, scaled: bool) -> str:
    """What is asked for, as text that can be compared. `scaled`: an autoscaler sets the number of Pods."""
    if one is None:
        return ""
    meta = one.get("metadata") or {}
    asked: dict[str, Any] = {key: value for key, value in one.items() if key not in NOT_ASKED}
    if scaled:
        asked["spec"] = {key: value for key, value in (asked.get("spec") or {}).items() if key != "replicas"}
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if not k.startswith(NOTES)}
    asked["metadata"] = [meta.get("labels"), notes, bool(meta.get("deletionTimestamp")), meta.get("uid")]
    return json.dumps(asked, sort_keys=True, default=str)


def _is_taken(change: Change, owner: Obj, scene: Mapping[Key, Obj]) -> bool:
    """Whether a Pod goes that its owner still wants: then a person has deleted it, or a node was drained."""
    if change.old is None or (change.new is not None and not change.new["metadata"].get("deletionTimestamp")):
        return False
    if change.old["metadata"].get("deletionTimestamp"):
        return False  # it was on its way out already
    maker = scene.get((f"{owner['kind'].lower()}s", change.key[1], owner["name"]))
    if maker is None or owner["kind"] == "Job" or maker["metadata"].get("deletionTimestamp"):
        return False
    wanted = (maker.get("spec") or {}).get("replicas", 1)
    return bool(owner["kind"] == "DaemonSet" or len(list(_staying(scene, change.key[1], owner["uid"]))) < wanted)


def _staying(scene: Mapping[Key, Obj], namespace: str, uid: str) -> Iterable[Obj]:
    for (plural, space, _), pod in scene.items():
        meta = pod["metadata"]
        stays = (plural, space) == ("pods", namespace) and not meta.get("deletionTimestamp")
        if stays and any(o.get("uid") == uid for o in meta.get("ownerReferences") or ()):
            yield pod
