"""A term of pod affinity or anti-affinity: which pods it speaks of, and within which topology.

Models AffinityTerm of pkg/scheduler/framework/types.go. What matchLabelKeys and mismatchLabelKeys ask for is in the
term's labelSelector since the pod was made (resources/pods.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.selectors import LabelSelector, from_label_selector

REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
NamespaceLabels = Callable[[str], Mapping[str, str]]
"""The labels of a namespace, by its name; none of one that is not there."""


@dataclass(frozen=True)
class Term:
    """`weight`: of a preferred one, negative for anti-affinity; 0 for required ones."""

    key: str
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    selector: LabelSelector
    weight: int = 0

    def matches(self, namespace: str, labels: Mapping[str, str], labels_of: NamespaceLabels) -> bool:
        """Whether it speaks of a pod of that namespace with these labels."""
        if namespace not in self.namespaces:
            selector = self.namespace_selector
            if selector is None or not selector(labels_of(namespace)):
                return False
        return self.selector(labels)


def terms_of(pod: Obj, kind: str, *, required: bool) -> tuple[Term, ...]:
    """`kind`: podAffinity or podAntiAffinity."""
    found = objects.dig(pod, "spec", "affinity", kind, REQUIRED if required else PREFERRED) or ()
    if required:
        return tuple(_term(pod, term) for term in found)
    sign = -1 if kind == "podAntiAffinity" else 1
    return tuple(_term(pod, each["podAffinityTerm"], sign * each["weight"]) for each in found)


def _term(pod: Obj, term: Mapping[str, Any], weight: int = 0) -> Term:
    namespaces, among = term.get("namespaces") or (), term.get("namespaceSelector")
    if not namespaces and among is None:
        namespaces = (objects.namespace(pod),)
    return Term(
        term["topologyKey"],
        frozenset(namespaces),
        None if among is None else from_label_selector(among),
        from_label_selector(term.get("labelSelector")),
        weight,
    )
