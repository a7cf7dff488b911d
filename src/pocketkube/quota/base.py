"""Who counts a kind's objects: any kind's are counted as `count/plural.group`; what has more is a subclass.

Models apiserver/pkg/quota/v1/generic and the names of old for what is counted (evaluator/core/registry.go).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from pocketkube.amounts import ONE, Amounts
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

_ALIASES: Final = frozenset({"configmaps", "resourcequotas", "replicationcontrollers", "secrets"})


class Evaluator:
    """Counts objects of a kind of which only their number matters."""

    def __init__(self, kind: Resource) -> None:
        self.count = f"count/{kind.qualified}"
        self.names = {self.count}
        if not kind.group and kind.plural in _ALIASES:
            self.names.add(kind.plural)

    def counts(self, name: str) -> bool:
        """Whether objects of this kind use what has that name."""
        return name in self.names

    def usage(self, obj: Obj, now: float) -> Amounts:
        """What an object uses. `now`: seconds since the epoch."""
        return dict.fromkeys(self.names, ONE)

    def is_charged(self, new: Obj, old: Obj | None, subresource: str) -> bool:
        """Whether a write may use more than before. `old`: None where it is created."""
        return old is None and not subresource

    def is_changed(self, new: Obj, old: Obj, now: float) -> bool:
        """Whether an update made an object use less or something else, or another scope is about it: the quotas of its
        namespace are counted again."""
        return False

    def in_scope(self, requirement: Obj, obj: Obj) -> bool:
        """Whether an object fulfils what a scope asks for; no scope is about kinds that are only counted."""
        return False

    def missing(self, obj: Obj, names: Iterable[str]) -> str:
        """What an object must say so that its use of these can be told; "" when it says it."""
        return ""


def in_values(requirement: Obj, named: Collection[str]) -> bool:
    """Whether what an object names fulfils a scope selector's operator and values."""
    values = requirement.get("values") or ()
    match requirement.get("operator"):
        case "Exists":
            return bool(named)
        case "DoesNotExist":
            return not named
        case "In":
            return any(name in values for name in named)
        case "NotIn":
            return not named or any(name not in values for name in named)
    return False
