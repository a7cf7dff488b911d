"""matchLabelKeys and mismatchLabelKeys: their values are those of the pod itself, and go into the label selectors.

Models mutatePodAffinity and mutateTopologySpreadConstraints (pkg/registry/core/pod/strategy.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import objects
from pocketkube.objects import Obj

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def merge(pod: Obj) -> None:
    """Write them into the selectors of a new pod, in place."""
    labels = objects.labels(pod)
    for held in (*_terms(pod["spec"]), *(pod["spec"].get("topologySpreadConstraints") or ())):
        selector = held.get("labelSelector")
        if selector is None:
            continue  # it matches nothing, and is refused
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
            added = [
                {"key": key, "operator": operator, "values": [labels[key]]}
                for key in held.get(field) or ()
                if key in labels
            ]
            if added:
                selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]


def _terms(spec: Obj) -> Iterator[Any]:
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from objects.dig(spec, "affinity", kind, _REQUIRED) or ()
        yield from (each.get("podAffinityTerm") or {} for each in objects.dig(spec, "affinity", kind, _PREFERRED) or ())
