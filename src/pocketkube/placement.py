"""Whether a node's labels and taints let a pod be there.

Models component-helpers/scheduling/corev1 (taints, nodeaffinity). `spec` is a pod's, everywhere. Left out: the
tolerations' operators Lt and Gt, whose feature gate is off by default.
"""

from __future__ import annotations

from collections.abc import Collection

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.selectors import term_matches

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
HARD = ("NoSchedule", "NoExecute")
"""The effects that keep pods off a node."""


def node_fits(spec: Obj, node: Obj) -> bool:
    """Whether the pod's nodeSelector and required node affinity take the node."""
    labels = objects.labels(node)
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    required = objects.dig(spec, "affinity", "nodeAffinity", REQUIRED)
    if required is None:
        return True
    return any(term_matches(term, labels, objects.name(node)) for term in required.get("nodeSelectorTerms") or ())


def named_nodes(spec: Obj) -> frozenset[str] | None:
    """The only nodes that the pod's required node affinity names (`metadata.name`, as that of a DaemonSet's pods does);
    None when one of its terms names none."""
    terms = objects.dig(spec, "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms") or ()
    names: frozenset[str] = frozenset()
    for term in terms:
        asked = [
            frozenset(field.get("values") or ())
            for field in term.get("matchFields") or ()
            if field["key"] == "metadata.name" and field["operator"] == "In"
        ]
        if not asked:
            return None
        names |= frozenset.intersection(*asked)
    return names if terms else None


def untolerated(spec: Obj, node: Obj, effects: Collection[str] = HARD) -> Obj | None:
    """The node's first taint of these effects that the pod does not tolerate."""
    taints = objects.spec(node).get("taints") or ()
    return next((taint for taint in taints if taint["effect"] in effects and not tolerates(spec, taint)), None)


def tolerates(spec: Obj, taint: Obj) -> bool:
    """Whether a pod tolerates a taint (key, value, effect)."""
    return toleration_of(spec, taint) is not None


def toleration_of(spec: Obj, taint: Obj) -> Obj | None:
    """The pod's first toleration that tolerates a taint, or None."""
    return next((held for held in spec.get("tolerations") or () if _tolerates(held, taint)), None)


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and bool(toleration.get("value", "") == taint.get("value", ""))
