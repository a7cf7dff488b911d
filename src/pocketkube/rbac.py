"""What rules of roles allow: a rule against a request, and rules against rules (who may grant what).

Models plugin/pkg/auth/authorizer/rbac (RuleAllows), component-helpers/auth/rbac/validation (Covers) and the texts of
pkg/registry/rbac/validation. A rule is a PolicyRule as a manifest has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

Rule = dict[str, Any]

GROUP: Final = "rbac.authorization.k8s.io"
ALL: Final = "*"
EVERYTHING: Final[tuple[Rule, ...]] = (
    {"verbs": [ALL], "apiGroups": [ALL], "resources": [ALL]},
    {"verbs": [ALL], "nonResourceURLs": [ALL]},
)
_SHOWN: Final = (
    ("apiGroups", "APIGroups"),
    ("resources", "Resources"),
    ("nonResourceURLs", "NonResourceURLs"),
    ("resourceNames", "ResourceNames"),
    ("verbs", "Verbs"),
)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked for: a resource, or (with `path`) a path that is none."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def allows(rule: Rule, wanted: Attributes) -> bool:
    """Whether one rule is enough for a request."""
    if not _any(rule, "verbs", wanted.verb):
        return False
    if wanted.path:
        return any(_path_covers(url, wanted.path) for url in rule.get("nonResourceURLs") or ())
    if not _any(rule, "apiGroups", wanted.group):
        return False
    names = rule.get("resourceNames")
    if names and wanted.name not in names:
        return False
    resource, below = wanted.resource, wanted.subresource
    listed: Sequence[str] = rule.get("resources") or ()
    if not below:
        return ALL in listed or resource in listed
    return ALL in listed or f"{resource}/{below}" in listed or f"*/{below}" in listed


def covers(owned: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """What of `wanted` none of the rules `owned` allows, in pieces of one verb and one resource each; empty: all is."""
    owned = list(owned)
    pieces = [piece for rule in wanted for piece in break_down(rule)]
    return [piece for piece in pieces if not any(_rule_covers(rule, piece) for rule in owned)]


def break_down(rule: Rule) -> Iterator[Rule]:
    """The same rights, one verb, group, resource and name (or one URL) at a time."""
    verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or ()
    for group, resource, verb in product(rule.get("apiGroups") or (), rule.get("resources") or (), verbs):
        piece = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
        if names:
            yield from ({**piece, "resourceNames": [name]} for name in names)
        else:
            yield piece
    for url, verb in product(rule.get("nonResourceURLs") or (), verbs):
        yield {"nonResourceURLs": [url], "verbs": [verb]}


def describe(missing: Iterable[Rule]) -> list[str]:
    """Pieces of rules as an escalation error lists them: verbs of one resource together, in order."""
    together: dict[tuple[str, str, str | None], Rule] = {}
    others = []
    for piece in missing:
        if "nonResourceURLs" in piece:
            others.append(piece)
            continue
        at = (piece["apiGroups"][0], piece["resources"][0], (piece.get("resourceNames") or [None])[0])
        found = together.setdefault(at, {**piece, "verbs": []})
        found["verbs"] += piece["verbs"]
    return sorted({_compact(rule) for rule in (*others, *together.values())})


def quoted(values: Iterable[str]) -> str:
    """A list of strings as Go's %q shows it."""
    return "[" + " ".join(json.dumps(value, ensure_ascii=False) for value in values) + "]"


def _compact(rule: Rule) -> str:
    return "{" + ", ".join(f"{shown}:{quoted(rule[field])}" for field, shown in _SHOWN if rule.get(field)) + "}"


def _any(rule: Rule, field: str, value: str) -> bool:
    listed: Sequence[str] = rule.get(field) or ()
    return value in listed or ALL in listed


def _path_covers(owned: str, path: str) -> bool:
    return owned == path or (owned.endswith("*") and path.startswith(owned.rstrip("*")))


def _rule_covers(owned: Rule, piece: Rule) -> bool:
    """Whether a rule has a piece, which asks for one of each at most."""
    held: Sequence[str] = owned.get("verbs") or ()
    if ALL not in held and piece["verbs"][0] not in held:
        return False
    if "nonResourceURLs" in piece:
        # the names of resources, too: a piece without any is not had by a rule with some
        path = piece["nonResourceURLs"][0]
        return not owned.get("resourceNames") and any(
            _path_covers(url, path) for url in owned.get("nonResourceURLs") or ()
        )
    groups, resources = owned.get("apiGroups") or (), owned.get("resources") or ()
    if ALL not in groups and piece["apiGroups"][0] not in groups:
        return False
    resource = piece["resources"][0]
    _, slash, below = resource.partition("/")
    if ALL not in resources and resource not in resources and not (slash and f"*/{below}" in resources):
        return False
    names = owned.get("resourceNames") or ()
    return not names or ("resourceNames" in piece and piece["resourceNames"][0] in names)
