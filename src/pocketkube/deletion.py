"""What a deletion writes into an object that stays for a while: grace, propagation, preconditions.

Models apiserver/pkg/registry/rest/delete.go (BeforeDelete) and store.go's deletionFinalizersForGarbageCollection.
"""

from __future__ import annotations

from pocketkube import duration
from pocketkube.clock import Clock
from pocketkube.errors import Conflict
from pocketkube.objects import Obj
from pocketkube.resources.base import DeleteOptions, Resource


def check_preconditions(kind: Resource, old: Obj, options: DeleteOptions) -> None:
    stored = old["metadata"]
    for label, given, actual, guess in (
        ("UID", options.uid, stored["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, stored["resourceVersion"], "modified"),
    ):
        if given is not None and given != actual:
            why = (
                f"the {label} in the precondition ({given}) does not match the {label} in record ({actual}). "
                f"The object might have been {guess}"
            )
            raise Conflict.of(kind.qualified_kind, stored["name"], why)


def set_propagation(kind: Resource, meta: Obj, options: DeleteOptions) -> None:
    policy = options.propagation_policy
    if policy is None and options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    finalizers = list(meta.get("finalizers") or ())
    if policy is None and not {"orphan", "foregroundDeletion"} & set(finalizers):
        policy = kind.default_propagation
    if policy is None:  # it was asked to go before, and that was said then
        return
    wanted = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy)
    finalizers = [f for f in finalizers if f not in ("orphan", "foregroundDeletion")]
    if wanted:
        finalizers.append(wanted)
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)


def mark_terminating(meta: Obj, clock: Clock) -> None:
    """For what only finalizers hold."""
    now = clock.now()
    if "deletionTimestamp" not in meta and meta.get("generation"):
        meta["generation"] += 1
    meta["deletionTimestamp"] = min(meta.get("deletionTimestamp", now), now)
    meta["deletionGracePeriodSeconds"] = 0


def begin_grace(kind: Resource, new: Obj, options: DeleteOptions, clock: Clock) -> tuple[bool, bool]:
    """(whether `new` dies gracefully and has been marked so, whether it is dying already and nothing changes)."""
    grace = kind.grace_period(new, options)
    if grace is None:
        return False, False
    meta = new["metadata"]
    if "deletionTimestamp" not in meta:
        meta["deletionTimestamp"] = clock.later(grace)
        meta["deletionGracePeriodSeconds"] = grace
        if meta.get("generation"):
            meta["generation"] += 1
        return True, False
    earlier = meta.get("deletionGracePeriodSeconds")
    if not earlier:
        return False, False
    asked = options.grace_period_seconds
    asked = 1 if asked is not None and asked < 0 else asked
    if asked is None or asked >= earlier:
        return False, True
    _shorten(meta, earlier, asked, clock)
    return True, False


def _shorten(meta: Obj, earlier: int, asked: int, clock: Clock) -> None:
    """Grace counts from when it began, but nothing ends in the past."""
    end = duration.parse_time(meta["deletionTimestamp"]).timestamp() - earlier + asked
    if end < clock.time():
        end, asked = clock.time(), min(asked, 1)
    meta["deletionTimestamp"] = duration.format_time(end)
    meta["deletionGracePeriodSeconds"] = asked
