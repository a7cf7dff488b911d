"""What a LabelSelector selects: for the policies of a path and the volumes a claim may take."""

from __future__ import annotations

from kindlab.api import Obj

_OPERATORS = {
    "In": lambda values, value: value in values,
    "NotIn": lambda values, value: value is None or value not in values,
    "Exists": lambda values, value: value is not None,
    "DoesNotExist": lambda values, value: value is None,
}


def matches(selector: Obj, labels: dict[str, str]) -> bool:
    """A LabelSelector; the empty one selects everything."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for wanted in selector.get("matchExpressions") or ():
        holds = _OPERATORS.get(wanted["operator"])
        if holds is None or not holds(wanted.get("values") or [], labels.get(wanted["key"])):
            return False
    return True
