"""What may change in a pod while scheduling gates hold it: where it may go can be narrowed down.

Models validateNodeSelectorMutation and validateNodeAffinityMutation (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_TERMS: Final = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"


def narrowed(after: Obj, before: Obj) -> Iterator[Cause]:
    """Field errors of a changed node selector and node affinity."""
    old, new = before.get("nodeSelector") or {}, after.get("nodeSelector") or {}
    if not old.items() <= new.items():
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield fields.invalid("spec.nodeSelector", new, why)
    if _node_affinity(after) == _node_affinity(before):
        return
    old_terms, new_terms = _terms(before), _terms(after)
    if not old_terms:
        return
    if len(old_terms) != len(new_terms):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield fields.invalid(_TERMS, new_terms, why)
        return
    for index, (term, known) in enumerate(zip(new_terms, old_terms, strict=True)):
        if not _only_adds(term, known):
            why = "only additions are allowed (no mutations or deletions)"
            yield fields.invalid(f"{_TERMS}[{index}]", term, why)


def munged(spec: Obj, before: Obj) -> Obj:
    """The spec with the old values of what may change here."""
    result = {name: value for name, value in spec.items() if name not in ("nodeSelector", "affinity")}
    if "nodeSelector" in before:
        result["nodeSelector"] = before["nodeSelector"]
    affinity = {name: value for name, value in (spec.get("affinity") or {}).items() if name != "nodeAffinity"}
    if _node_affinity(before) is not None:
        affinity["nodeAffinity"] = _node_affinity(before)
    if affinity or "affinity" in before:
        result["affinity"] = affinity
    return result


def _node_affinity(spec: Obj) -> Any:
    return objects.dig(spec, "affinity", "nodeAffinity")


def _terms(spec: Obj) -> list[Obj]:
    return objects.dig(spec, "affinity", "nodeAffinity", _REQUIRED, "nodeSelectorTerms") or []


def _only_adds(term: Obj, known: Obj) -> bool:
    """Whether a term asks for what it asked for, and perhaps for more; one that asked for nothing took no node."""
    kinds = ("matchExpressions", "matchFields")
    if not any(known.get(kind) for kind in kinds):
        return not any(term.get(kind) for kind in kinds)
    return all((term.get(kind) or [])[: len(known.get(kind) or [])] == (known.get(kind) or []) for kind in kinds)
