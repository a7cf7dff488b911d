"""Whether a node's labels and taints let a pod be there.

Models component-helpers/scheduling/corev1 (taints, nodeaffinity). `spec` is a pod's, everywhere. Left out: the
tolerations' operators Lt and Gt, whose feature gate is off by default.
"""

from __future__ import annotations

from collections.abc import Collection

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.selectors import term_matches

HARD = ("NoSchedule", "NoExecute")
"""The effects that keep pods off a node."""


def node_fits(spec: Obj, node: Obj) -> bool:
    """Whether the pod's nodeSelector and required node affinity take the node."""
    labels = objects.labels(node)
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    required = objects.dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(term_matches(term, labels, objects.name(node)) for term in required.get("nodeSelectorTerms") or ())


def untolerated(spec: Obj, node: Obj, effects: Collection[str] = HARD) -> Obj | None:
    """The node's first taint of these effects that the pod does not tolerate."""
    taints = objects.spec(node).get("taints") or ()
    return next((taint for taint in taints if taint["effect"] in effects and not tolerates(spec, taint)), None)


def tolerates(spec: Obj, taint: Obj) -> bool:
    """Whether a pod tolerates a taint (key, value, effect)."""
    return any(_tolerates(toleration, taint) for toleration in spec.get("tolerations") or ())


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and bool(toleration.get("value", "") == taint.get("value", ""))
