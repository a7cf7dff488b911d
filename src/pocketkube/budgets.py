"""What the disruption controller and the eviction API share about PodDisruptionBudgets.

Models component-helpers/apps/poddisruptionbudget and the lister's GetPodPodDisruptionBudgets.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.errors import BadRequest
from pocketkube.objects import Obj
from pocketkube.selectors import from_label_selector

ALLOWED = "DisruptionAllowed"
SYNC_FAILED = "SyncFailed"
DELETION_TIMEOUT = 120.0
"""Seconds within which a pod whose eviction was allowed is expected to be deleted."""


def covers(budget: Obj, labels: dict[str, str]) -> bool:
    """Whether a budget is about pods with these labels."""
    try:
        return from_label_selector(objects.spec(budget).get("selector"))(labels)
    except BadRequest:
        return False


def set_condition(status: Obj, now: str, *, failure: str = "") -> None:
    """Make the condition DisruptionAllowed of a budget's status say what its counts say, in place.

    `now`: RFC 3339. `failure`: why they could not be counted."""
    allowed = status.get("disruptionsAllowed", 0) > 0
    reason = SYNC_FAILED if failure else "SufficientPods" if allowed else "InsufficientPods"
    found = "True" if allowed and not failure else "False"
    conditions = status.get("conditions") or []
    old = next((condition for condition in conditions if condition["type"] == ALLOWED), None)
    new = {
        "type": ALLOWED,
        "status": found,
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and old["status"] == found else now,
        "reason": reason,
        "message": failure,
    }
    if not new["observedGeneration"]:
        del new["observedGeneration"]
    if old is None:
        status["conditions"] = [*conditions, new]
    else:
        status["conditions"] = [new if condition is old else condition for condition in conditions]
