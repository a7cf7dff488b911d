"""What the status of an object comes down to: is it ready, is it over, what does a condition say."""

from __future__ import annotations

from kindlab.api import Obj


def is_ready(obj: Obj) -> bool:
    """Whether the condition Ready of a Pod or Node is True."""
    found = (obj.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in found)


def is_over(pod: Obj) -> bool:
    """Whether a Pod has ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def condition(obj: Obj, kind: str) -> Obj:
    """The condition of a type (`{"type", "status", "reason", "message", ...}`); empty when there is none."""
    found = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in found if c["type"] == kind), {})
