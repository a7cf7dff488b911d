"""Why Pods that a controller makes are refused, and what to do about it."""

from __future__ import annotations

import re

from kindlab.api import Api, Obj
from kindlab.trace import events

_CREATE = ("FailedCreate", "SuccessfulCreate")
_QUOTA = re.compile(r"(exceeded|failed|status unknown for) quota: ([^,:\s]+)")
_LIMIT = re.compile(r"(minimum|maximum) \S+ usage per \w+ is|max limit to request ratio per")


def of(api: Api, owner: Obj) -> str:
    """What the API server said when the owner's last Pod was refused; "" when the last one was not.

    ReplicaSets have a condition for it that goes when it is over; of the others only events tell."""
    for condition in (owner.get("status") or {}).get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message", ""))
    said = events.said(api, owner, _CREATE)
    newest = [
        event for event in said if events.moment(event) == events.moment(said[0])
    ]  # of one second no order is known
    refused = next((event for event in newest if event["reason"] == "FailedCreate"), None)
    return str(refused.get("message", "")).removeprefix("Error creating: ") if refused else ""


def meaning(namespace: str, kind: str, name: str, refused: str) -> tuple[str, str]:
    """(the refusal in words, the next command) of Pods that `kind` (a plural) `name` should have."""
    edit = f"kubectl edit {kind} {name} -n {namespace}"
    if kind == "jobs":  # whose template never changes
        edit = f"kubectl delete job {name} -n {namespace} and make it again (a Job's template stays as it is)"
    if found := _QUOTA.search(refused):
        how, quota = found.groups()
        look = f"kubectl describe quota {quota} -n {namespace}"
        if how == "failed":
            said = f"ResourceQuota {quota} counts something that the containers do not say"
            return (
                f"{said}: {refused}",
                f"add it to the containers' resources: {edit}, or give defaults by a LimitRange",
            )
        if how == "exceeded":
            said = f"ResourceQuota {quota} has no room for another Pod"
            return f"{said}: {refused}", f"{look}; then ask for less ({edit}), delete what is not needed or raise it"
        return f"ResourceQuota {quota} is not counted yet: {refused}", f"{look}; ask again soon"
    if _LIMIT.search(refused):
        said = f"a LimitRange of namespace {namespace} forbids such a Pod: {refused}"
        return said, f"kubectl describe limitrange -n {namespace}; then {edit}"
    if "serviceaccount" in refused and "not found" in refused:
        return f"its ServiceAccount is not there: {refused}", f"kubectl get serviceaccounts -n {namespace}; then {edit}"
    if "PriorityClass" in refused:
        return f"its priority class is not there: {refused}", f"kubectl get priorityclasses; then {edit}"
    return f"the API server refuses its Pods: {refused}", edit
