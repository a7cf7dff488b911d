"""The arithmetic of a rollout: pure functions over a Deployment and its ReplicaSets.

Models pkg/controller/deployment/util/deployment_util.go. Counts are pods; `deployment` and `sets` are API objects.
The pod-template-hash is our own (stable for the same template, spelled in upstream's alphabet), so names differ from
those a real controller would give.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from fractions import Fraction
from math import ceil, floor

from pocketkube import objects
from pocketkube.objects import Obj

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
HASH_LABEL = "pod-template-hash"
NOT_COPIED = frozenset((objects.LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO))
"""Annotations a ReplicaSet does not take over from its Deployment."""
HISTORY_LENGTH = 2000
"""Characters the revision history of one ReplicaSet may take."""
UNLIMITED = 2**31 - 1


def replicas(obj: Obj) -> int:
    """spec.replicas of a Deployment or ReplicaSet."""
    return int(obj["spec"].get("replicas", 1))


def total(sets: Iterable[Obj]) -> int:
    return sum(map(replicas, sets))


def counted(sets: Iterable[Obj], field: str) -> int:
    """The sum of one status count."""
    return sum(objects.status(found).get(field, 0) for found in sets)


def is_active(replicaset: Obj) -> bool:
    return replicas(replicaset) > 0


def by_age(sets: Iterable[Obj]) -> list[Obj]:
    """Oldest first."""
    return sorted(sets, key=lambda found: (found["metadata"]["creationTimestamp"], objects.name(found)))


def is_rolling(deployment: Obj) -> bool:
    return bool(deployment["spec"]["strategy"]["type"] == "RollingUpdate")


def share(value: int | str, of: int, *, up: bool) -> int:
    """A number, or a percentage of `of` rounded up or down."""
    if isinstance(value, int):
        return value
    part = Fraction(int(value.removesuffix("%")) * of, 100)
    return ceil(part) if up else floor(part)


def surge(deployment: Obj) -> int:
    """Pods there may be above spec.replicas."""
    return _bounds(deployment)[0]


def max_unavailable(deployment: Obj) -> int:
    """Pods that may be missing below spec.replicas."""
    wanted = replicas(deployment)
    return min(_bounds(deployment)[1], wanted)


def _bounds(deployment: Obj) -> tuple[int, int]:
    if not is_rolling(deployment):
        return 0, 0
    wanted = replicas(deployment)
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    above = share(rolling.get("maxSurge", 0), wanted, up=True)
    below = share(rolling.get("maxUnavailable", 0), wanted, up=False)
    if above == 0 and below == 0:
        below = 1  # both rounded to nothing: without this the rollout could not move
    return above, below


def new_size(deployment: Obj, sets: Iterable[Obj], current: int) -> int:
    """The size of the new ReplicaSet, `current` now, when all `sets` (it included) are counted."""
    wanted = replicas(deployment)
    if not is_rolling(deployment):
        return wanted
    room = wanted + surge(deployment) - total(sets)
    return current if room <= 0 else current + min(room, wanted - current)


def proportional_sizes(deployment: Obj, sets: list[Obj]) -> list[tuple[Obj, int]]:
    """New sizes of the active sets when a Deployment is scaled in the middle of a rollout."""
    wanted = replicas(deployment)
    allowed = wanted + surge(deployment) if wanted else 0
    to_add = allowed - total(sets)
    if to_add >= 0:  # among equals the newest grows first, the oldest shrinks first
        ordered = sorted(reversed(by_age(sets)), key=lambda found: -replicas(found))
    else:
        ordered = sorted(by_age(sets), key=lambda found: -replicas(found))
    sizes = {objects.name(found): replicas(found) for found in ordered}
    added = 0
    for found in ordered:
        part = _fraction(deployment, found) if to_add != added else 0
        part = min(part, to_add - added) if to_add > 0 else max(part, to_add - added)
        sizes[objects.name(found)] += part
        added += part
    if ordered and to_add:
        first = objects.name(ordered[0])
        sizes[first] = max(0, sizes[first] + to_add - added)
    return [(found, sizes[objects.name(found)]) for found in ordered]


def _fraction(deployment: Obj, replicaset: Obj) -> int:
    wanted, size = replicas(deployment), replicas(replicaset)
    if wanted == 0:
        return -size
    before = _annotated(replicaset, MAX_REPLICAS) or objects.status(deployment).get("replicas", 0)
    if not before:
        return 0
    exact = Fraction(size * (wanted + surge(deployment)), before)
    return floor(exact + Fraction(1, 2)) - size


def _annotated(obj: Obj, annotation: str) -> int | None:
    text = objects.annotations(obj).get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() and int(text) <= UNLIMITED else None


def desired_before(replicaset: Obj) -> int | None:
    """The Deployment's size as the set last knew it; None when nobody has written it down."""
    return _annotated(replicaset, DESIRED_REPLICAS)


def is_saturated(deployment: Obj, replicaset: Obj | None) -> bool:
    """Whether the new set has, and knows it has, all pods of the Deployment available."""
    if replicaset is None:
        return False
    wanted = replicas(deployment)
    available = objects.status(replicaset).get("availableReplicas", 0)
    return bool(replicas(replicaset) == desired_before(replicaset) == available == wanted)


def same_template(one: Obj, other: Obj) -> bool:
    """Whether two pod templates are equal, the hash label apart."""
    return _bare(one) == _bare(other)


def _bare(template: Obj) -> Obj:
    meta = {k: v for k, v in (template.get("metadata") or {}).items() if v}
    labels = {k: v for k, v in meta.get("labels", {}).items() if k != HASH_LABEL}
    return {"metadata": {**meta, "labels": labels}, "spec": template.get("spec")}


def template_hash(template: Obj, collisions: int | None) -> str:
    """The pod-template-hash: the same for the same template and collision count, whatever the order of its fields."""
    text = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())
    return objects.safe_encoded(str(number))


def revision(obj: Obj) -> int:
    text = objects.annotations(obj).get(REVISION, "0")
    return int(text) if text.isascii() and text.isdigit() else 0


def new_annotations(deployment: Obj, current: dict[str, str], number: int) -> dict[str, str]:
    """Annotations of the new ReplicaSet: the Deployment's, and revision `number` with the history of earlier ones."""
    result = {**current, **{k: v for k, v in objects.annotations(deployment).items() if k not in NOT_COPIED}}
    held = current.get(REVISION, "")
    if held and not held.isdigit():
        return result
    if int(held or 0) >= number:
        return result
    result[REVISION] = str(number)
    if held:  # the set is rolled back to: remember the revisions it has been before
        past = [*filter(None, result.get(REVISION_HISTORY, "").split(",")), held]
        while len(past) > 1 and len(",".join(past)) > HISTORY_LENGTH:
            past.pop(0)
        result[REVISION_HISTORY] = ",".join(past)
    return result


def size_annotations(deployment: Obj) -> dict[str, str]:
    wanted = replicas(deployment)
    return {DESIRED_REPLICAS: str(wanted), MAX_REPLICAS: str(wanted + surge(deployment))}


def is_complete(deployment: Obj, status: Obj) -> bool:
    """All desired pods are updated and available, and no old ones are left."""
    wanted = replicas(deployment)
    counts = {status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")}
    return bool(counts == {wanted} and status.get("observedGeneration", 0) >= deployment["metadata"]["generation"])


def has_progressed(old: Obj, new: Obj) -> bool:
    """Whether a status shows more new, ready or available pods, or fewer old ones, than the one before."""

    def outdated(status: Obj) -> int:
        return _count(status, "replicas") - _count(status, "updatedReplicas")

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return bool(outdated(new) < outdated(old)) or any(_count(new, f) > _count(old, f) for f in grown)


def _count(status: Obj, field: str) -> int:
    return int(status.get(field, 0))


def has_deadline(deployment: Obj) -> bool:
    return bool(deployment["spec"].get("progressDeadlineSeconds", UNLIMITED) != UNLIMITED)


def set_condition(status: Obj, condition: Obj) -> None:
    """Put a condition last in `status`, in place. The same status and reason again change nothing; the same status
    keeps its lastTransitionTime."""
    old = next((c for c in status.get("conditions") or () if c["type"] == condition["type"]), None)
    if old is not None and (old["status"], old.get("reason")) == (condition["status"], condition["reason"]):
        return
    if old is not None and old["status"] == condition["status"]:
        condition = {**condition, "lastTransitionTime": old["lastTransitionTime"]}
    drop_condition(status, condition["type"])
    status["conditions"] = [*(status.get("conditions") or ()), condition]


def drop_condition(status: Obj, type_: str) -> None:
    kept = [c for c in status.get("conditions") or () if c["type"] != type_]
    if kept:
        status["conditions"] = kept
    else:
        status.pop("conditions", None)
