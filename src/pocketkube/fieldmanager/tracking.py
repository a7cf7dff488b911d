"""What a create, an update or a patch makes of managedFields: who wrote owns what came of it, and nobody else does.

Models structured-merge-diff's merge/update.go (Update) and apimachinery/pkg/util/managedfields/internal/
{managedfieldsupdater,skipnonapplied,fieldmanager}.go. Left out: managers that wrote another version of the kind are
compared by the names of fields, not by the object converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pocketkube.fieldmanager import comparing, entries, fieldsets
from pocketkube.fieldmanager.entries import Entries
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.fieldmanager.shapes import Shape
from pocketkube.objects import Obj


def updated(
    before: Entries,
    writer: entries.Identity,
    shape: Shape,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    ignored: Set,
    now: str,
) -> Entries:
    """The entries after `writer` has made `new` out of `old`, both without managedFields. `ignored`: what such a write
    cannot change, whatever it says. The same ones where nothing is different."""
    changed, removed = comparing.compare(shape, old, new, ignored)
    if not changed and not removed:
        return before
    mine = next((entry for entry in before if entries.identity(entry) == writer), None)
    found = list(entries.left_to((entry for entry in before if entry is not mine), changed, removed))
    taken = entries.own(changed)
    kept = fieldsets.difference(mine["fieldsV1"], removed) if mine is not None else {}
    if taken:
        manager, operation, version, subresource = writer
        fields = fieldsets.union(kept, taken)
        if mine is not None and fields == mine["fieldsV1"]:
            fields = mine["fieldsV1"]
        found.append(entries.made(manager, operation, version, now, fields, subresource))
    elif kept and mine is not None:
        found.append({**mine, "fieldsV1": kept})
    return entries.ordered(entries.capped(found))


def bare(obj: Obj) -> Obj:
    """The object without its managedFields, which nobody manages."""
    meta = obj.get("metadata") or {}
    if "managedFields" not in meta:
        return obj
    return {**obj, "metadata": {name: value for name, value in meta.items() if name != "managedFields"}}
