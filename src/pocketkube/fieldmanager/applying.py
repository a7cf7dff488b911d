"""Server-side apply: a configuration becomes part of an object, and its manager the owner of what it says.

What a manager applied before and does not apply now goes, where nobody else owns it. What another one owns and the
configuration would change is a conflict. Models structured-merge-diff's merge/update.go (Apply) and
apimachinery/pkg/util/managedfields/internal/{structuredmerge,lastappliedmanager,lastappliedupdater,conflict}.go.
Left out: sets of managers that know another version of the kind are not converted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Final

import orjson

from pocketkube import objects
from pocketkube.errors import Conflict
from pocketkube.fieldmanager import comparing, entries, fieldsets, merging
from pocketkube.fieldmanager.entries import Entries, Entry
from pocketkube.fieldmanager.fieldsets import Set, shown
from pocketkube.fieldmanager.shapes import Shape
from pocketkube.objects import LAST_APPLIED, Obj

KUBECTL: Final = "kubectl"
"""The manager that goes on where client-side apply has stopped: what the annotation says it may change."""


@dataclass(frozen=True)
class Applier:
    """Who applies. `ignored`: fields that this manner of writing cannot change."""

    manager: str
    api_version: str
    subresource: str = ""
    force: bool = False
    ignored: Set = field(default_factory=dict)


class _Conflicts(Exception):
    def __init__(self, found: list[tuple[Entry, tuple[str, ...]]]) -> None:
        self.found = found


def apply(shape: Shape, live: Obj, before: Entries, config: Obj, by: Applier, now: str) -> tuple[Obj, Entries]:
    """(the object, its managedFields) of a live object, given without them. Raises Conflict."""
    try:
        merged, managed = _applied(shape, live, before, config, by, now)
    except _Conflicts as conflicts:
        found = conflicts.found
        if by.manager == KUBECTL:
            allowed = _of_client_side_apply(shape, live, by.api_version)
            found = [one for one in found if not _has(allowed, one[1])]
        if found:
            raise _conflict(found) from None
        merged, managed = _applied(shape, live, before, config, replace(by, force=True), now)
    if by.manager == KUBECTL and objects.annotations(merged).get(LAST_APPLIED):
        noted = {**merged["metadata"]["annotations"], LAST_APPLIED: _as_note(config)}
        merged = {**merged, "metadata": {**merged["metadata"], "annotations": noted}}
    return merged, managed


def _applied(shape: Shape, live: Obj, before: Entries, config: Obj, by: Applier, now: str) -> tuple[Obj, Entries]:
    me = (by.manager, entries.APPLY, "", by.subresource)
    last = next((entry for entry in before if entries.identity(entry) == me), None)
    others = [entry for entry in before if entry is not last]
    mine = fieldsets.without(comparing.fields_of(shape, config), by.ignored)
    result = merging.merge(shape, live, config)
    if last is not None and last["fieldsV1"]:
        everyone = reduce(fieldsets.union, (entry["fieldsV1"] for entry in others), mine)
        result = _pruned(shape, result, last["fieldsV1"], everyone)
    changed, removed = comparing.compare(shape, live, result, by.ignored)
    if not by.force:
        _refuse_conflicts(others, changed)
    found = list(entries.left_to(others, changed, removed))
    if own := entries.own(mine):
        time = now if result != live else (last or {}).get("time", "")
        found.append(entries.made(by.manager, entries.APPLY, by.api_version, time, own, by.subresource))
    return result, entries.ordered(found)


def _pruned(shape: Shape, merged: Obj, last: Set, everyone: Set) -> Obj:
    """Without what the manager applied last and nobody owns any more. `everyone`: what all own now, the manager too."""
    last = merging.with_named(shape, last)
    before = _named(shape, merged)
    pruned = merging.remove(shape, merged, last)
    kept = fieldsets.union(_named(shape, pruned), merging.with_named(shape, everyone))
    pruned = merging.remove(shape, merged, fieldsets.difference(before, kept))
    gone = fieldsets.difference(before, _named(shape, pruned))
    result: Obj = merging.remove(shape, merged, fieldsets.intersection(gone, last))
    return result


def _named(shape: Shape, obj: Any) -> Set:
    return merging.with_named(shape, comparing.fields_of(shape, obj))


def _refuse_conflicts(others: list[Entry], changed: Set) -> None:
    found = [
        (entry, path)
        for entry in others
        for path in fieldsets.paths(fieldsets.intersection(entry["fieldsV1"], changed))
    ]
    if found:
        raise _Conflicts(found)


def _has(found: Set, path: tuple[str, ...]) -> bool:
    node = found
    for name in path:
        if name not in node:
            return False
        node = node[name]
    return fieldsets.is_member(node)


def _of_client_side_apply(shape: Shape, live: Obj, api_version: str) -> Set:
    """The fields that `kubectl apply` has set and that still are as it set them."""
    try:
        config = orjson.loads(objects.annotations(live).get(LAST_APPLIED, ""))
        if not isinstance(config, dict) or config.get("apiVersion") != api_version:
            return {}
        fields = comparing.fields_of(shape, config)
        changed, removed = comparing.compare(shape, config, live)
    except ValueError:  # the note is anybody's text; Unfit is one, too
        return {}
    return fieldsets.difference(fieldsets.difference(fields, changed), removed)


def _as_note(config: Obj) -> str:
    """A configuration as the annotation holds it."""
    meta = dict(config.get("metadata") or {})
    if noted := meta.get("annotations"):
        meta["annotations"] = {name: value for name, value in noted.items() if name != LAST_APPLIED}
        if not meta["annotations"]:
            del meta["annotations"]
    return orjson.dumps({**config, "metadata": meta}, option=orjson.OPT_SORT_KEYS).decode() + "\n"


def _conflict(found: list[tuple[Entry, tuple[str, ...]]]) -> Conflict:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_named_manager(entry)}", "field": shown(path)}
        for entry, path in found
    ]
    return Conflict(f"Apply failed with {_counted(found)}", details={"causes": causes})


def _counted(found: list[tuple[Entry, tuple[str, ...]]]) -> str:
    if len(found) == 1:
        return f"1 conflict: conflict with {_named_manager(found[0][0])}: {shown(found[0][1])}"
    managers: dict[str, tuple[Entry, list[str]]] = {}
    for entry, path in found:
        key = orjson.dumps({name: value for name, value in entry.items() if name != "fieldsV1"}).decode()
        managers.setdefault(key, (entry, []))[1].append(f"- {shown(path)}")
    lines = []
    for _, (entry, texts) in sorted(managers.items(), key=lambda pair: pair[0]):
        lines += [f"conflicts with {_named_manager(entry)}:", *texts]
    return f"{len(found)} conflicts: " + "\n".join(lines)


def _named_manager(entry: Entry) -> str:
    text = fieldsets.quoted(entry.get("manager", ""))
    if entry.get("subresource"):
        text += f" with subresource {fieldsets.quoted(entry['subresource'])}"
    if entry["operation"] == entries.UPDATE:
        text += f" using {entry.get('apiVersion', '')}"
    return text
