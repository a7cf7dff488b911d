"""The texts of `kubectl describe` for ResourceQuotas, LimitRanges and Namespaces, which show both. Lines with tabs, as
`printers.tabbed` lays them out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from kindlab.api import Obj
from kindlab.kubectl import ages
from kindlab.kubectl.describing_fields import labels, notes
from kindlab.quantities import number

_SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before "
    "being actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running "
    "pods whose container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality "
    "of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable or "
    "guaranteed quality of service.",
}
_LIMITS = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
_LIMIT_TITLES = "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio"
_LIMIT_LINES = "----\t--------\t---\t---\t---------------\t-------------\t-----------------------"


def quota(obj: Obj) -> Iterator[str]:
    yield from _head(obj)
    yield from _scopes(obj, " * ")
    yield from ("Resource\tUsed\tHard", "--------\t----\t----")
    for name, used, hard in _uses(obj):
        yield f"{name}\t{_in_family_of(used, hard)}\t{hard}"


def limit_range(obj: Obj) -> Iterator[str]:
    yield from _head(obj)
    yield from (_LIMIT_TITLES, _LIMIT_LINES)
    yield from _limits(obj)


def namespace(obj: Obj, quotas: Sequence[Obj], limit_ranges: Sequence[Obj]) -> Iterator[str]:
    """A Namespace with the quotas and limit ranges in it."""
    yield f"Name:\t{obj['metadata']['name']}"
    yield from labels(obj)
    yield from notes(obj)
    status = obj.get("status") or {}
    yield f"Status:\t{status.get('phase', '')}"
    if conditions := status.get("conditions"):
        yield from ("Conditions:", "  Type\tStatus\tLastTransitionTime\tReason\tMessage")
        yield "  ----\t------\t------------------\t------\t-------"
        for found in conditions:
            moment = ages.moment(found["lastTransitionTime"])
            yield f"  {found['type']}\t{found['status']}\t{moment}\t{found['reason']}\t{found['message']}"
    yield ""
    yield "Resource Quotas" if quotas else "No resource quota."
    for held in sorted(quotas, key=lambda one: str(one["metadata"]["name"])):
        yield f"  Name:\t{held['metadata']['name']}"
        yield from (f"  {line}" for line in _scopes(held, "* "))
        yield from ("  Resource\tUsed\tHard", "  --------\t---\t---")
        yield from (f"  {name}\t{used}\t{hard}" for name, used, hard in _uses(held))
    yield ""
    if not limit_ranges:
        yield "No LimitRange resource."
        return
    yield from ("Resource Limits", f" {_LIMIT_TITLES}", f" {_LIMIT_LINES}")
    for held in limit_ranges:
        yield from (f" {line}" for line in _limits(held))


def _head(obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata']['namespace']}"


def _scopes(obj: Obj, bullet: str) -> Iterator[str]:
    scopes = sorted(obj["spec"].get("scopes") or ())
    if scopes:
        yield f"Scopes:\t{', '.join(scopes)}"
    yield from (f"{bullet}{_SCOPES[scope]}" for scope in scopes if scope in _SCOPES)


def _uses(obj: Obj) -> Iterator[tuple[str, str, str]]:
    status = obj.get("status") or {}
    used = status.get("used") or {}
    for name, hard in sorted((status.get("hard") or {}).items()):
        yield name, used.get(name, "0"), hard


def _limits(obj: Obj) -> Iterator[str]:
    for limit in obj["spec"].get("limits") or ():
        for name in sorted({name for field in _LIMITS for name in limit.get(field) or ()}):
            amounts = "\t".join((limit.get(field) or {}).get(name, "-") for field in _LIMITS)
            yield f"{limit['type']}\t{name}\t{amounts}"


def _in_family_of(used: str, hard: str) -> str:
    """What is used, with suffixes of the same family as the limit's."""
    binary = hard.endswith("i")
    if used.endswith("i") == binary or used == "0":
        return used
    value, base, suffixes = math.ceil(number(used)), 1024 if binary else 1000, "KMGTPE" if binary else "kMGTPE"
    power = 0
    while value % base == 0 and power < len(suffixes):
        value, power = value // base, power + 1
    return f"{value}{suffixes[power - 1]}{'i' if binary else ''}" if power else str(value)
