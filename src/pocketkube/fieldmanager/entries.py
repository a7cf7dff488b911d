"""metadata.managedFields: a list of entries, of which each says what fields a manager has set, how, and when last.

An entry is that of a manager by its name, its operation (Apply, Update), its subresource and, of updates, its version.
Models apimachinery/pkg/util/managedfields/internal/{managedfields,capmanagers,stripmeta}.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube.fieldmanager import fieldsets
from pocketkube.fieldmanager.fieldsets import Set

Entry = dict[str, Any]
Entries = tuple[Entry, ...]
Identity = tuple[str, str, str, str]
APPLY, UPDATE = "Apply", "Update"
ANCIENT: Final = "ancient-changes"
MOST_UPDATES: Final = 10
"""Updates by more managers than these are put together, the oldest first."""
NEVER_OWNED: Final[Set] = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            f"f:{name}": {}
            for name in (
                "clusterName",
                "creationTimestamp",
                "generation",
                "managedFields",
                "name",
                "namespace",
                "resourceVersion",
                "selfLink",
                "uid",
            )
        },
    },
}


def made(manager: str, operation: str, api_version: str, time: str, fields: Set, subresource: str = "") -> Entry:
    """`time`: "" for none."""
    entry: Entry = {"manager": manager or "unknown", "operation": operation, "apiVersion": api_version}
    if time:
        entry["time"] = time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": fieldsets.in_order(fields)}
    if subresource:
        entry["subresource"] = subresource
    return entry


def identity(entry: Entry) -> Identity:
    operation = entry["operation"]
    version = entry.get("apiVersion", "") if operation == UPDATE else ""
    return entry.get("manager", ""), operation, version, entry.get("subresource", "")


def usable(given: Any) -> bool:
    """Whether a client's list can be gone by; another is passed over, and that of the object goes on."""
    return isinstance(given, list | tuple) and all(
        isinstance(entry, dict)
        and entry.get("operation") in (APPLY, UPDATE)
        and entry.get("fieldsType") == "FieldsV1"
        and _is_set(entry.get("fieldsV1"))
        for entry in given
    )


def _is_set(node: Any) -> bool:
    return isinstance(node, dict) and all(
        (name == fieldsets.SELF or name[:2] in ("f:", "k:", "v:", "i:")) and _is_set(child)
        for name, child in node.items()
    )


def is_reset(given: Any) -> bool:
    """Whether a client asks for the list to be emptied: [], or one entry that says nothing."""
    return list(given) in ([], [{}]) if isinstance(given, list | tuple) else False


def own(fields: Set) -> Set:
    """Without what nobody owns: the name, the version and the like."""
    return fieldsets.difference(fields, NEVER_OWNED)


def left_to(others: Iterable[Entry], changed: Set, removed: Set) -> Iterator[Entry]:
    """What other managers own still when somebody has changed and removed fields; who owns nothing more is left out."""
    for entry in others:
        left = fieldsets.difference(fieldsets.difference(entry["fieldsV1"], changed), removed)
        if left:
            yield entry if left is entry["fieldsV1"] else {**entry, "fieldsV1": left}


def ordered(found: Iterable[Entry]) -> Entries:
    """As they are kept: in a tuple, which copies of the object share."""

    def rank(entry: Entry) -> tuple[str, ...]:
        named = (entry.get("manager", ""), entry.get("apiVersion", ""), entry.get("subresource", ""))
        return (entry["operation"], entry.get("time", ""), *named)

    return tuple(sorted(found, key=rank))


def capped(found: list[Entry]) -> list[Entry]:
    """At most MOST_UPDATES updates: the oldest of each version become one entry."""
    updates = sorted(
        (entry for entry in found if entry["operation"] == UPDATE),
        key=lambda entry: (entry.get("time", ""), identity(entry)),
    )
    left = len(updates) - MOST_UPDATES
    if left <= 0:
        return found
    gone: set[Identity] = set()
    first: dict[str, Entry] = {}
    buckets: dict[str, Entry] = {}
    for entry in updates:
        if not left:
            break
        version = entry.get("apiVersion", "")
        if version not in first:
            first[version] = entry
            continue
        before = buckets.get(version, first[version])
        both = fieldsets.union(before["fieldsV1"], entry["fieldsV1"])
        buckets[version] = made(ANCIENT, UPDATE, version, entry.get("time", ""), both)
        gone |= {identity(first[version]), identity(entry)}
        left -= 1
    return [entry for entry in found if identity(entry) not in gone] + list(buckets.values())
