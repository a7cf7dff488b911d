"""The eviction of a pod: a deletion that its PodDisruptionBudget has to allow.

Models pkg/registry/core/pod/storage/eviction.go. A request is one step here: no conflict, and nothing tried again.
"""

from __future__ import annotations

from dataclasses import replace

from pocketkube import budgets, objects
from pocketkube.apiserver.api import Api
from pocketkube.errors import Forbidden, StatusError, TooManyRequests
from pocketkube.objects import Obj
from pocketkube.podphase import TERMINAL
from pocketkube.resources.base import DeleteOptions

MOST_DISRUPTED = 2000
"""Evictions of one budget that its controller has not seen yet."""
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_BUDGETS = "poddisruptionbudgets"


class TwoBudgets(StatusError):
    """More than one budget covers the pod."""

    code, reason = 500, ""


def evict(api: Api, namespace: str, name: str, options: DeleteOptions, *, dry_run: bool) -> None:
    """Delete a pod if its budget allows it; raises StatusError when not."""
    pod = api.registry.get("pods", namespace, name)
    if not _goes_anyway(pod):
        _ask_budget(api, pod, dry_run=dry_run)
    if not dry_run:
        options = _mark(api, pod, options)
    api.registry.delete("pods", namespace, name, options, dry_run=dry_run)


def _goes_anyway(pod: Obj) -> bool:
    return objects.is_terminating(pod) or objects.status(pod).get("phase") in (*TERMINAL, "Pending")


def _ask_budget(api: Api, pod: Obj, *, dry_run: bool) -> None:
    """Take one disruption from the pod's budget; raises TooManyRequests when there is none."""
    labels = objects.labels(pod)
    there = api.registry.objects(_BUDGETS, objects.namespace(pod))
    found = [budget for budget in there if budgets.covers(budget, labels)]
    if len(found) > 1:
        text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise TwoBudgets(text)
    for budget in found:
        if objects.condition_status(pod, "Ready") == "True" or not _may_go_unready(budget):
            _decrement(api, budget, objects.name(pod), dry_run=dry_run)


def _may_go_unready(budget: Obj) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    if objects.spec(budget).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = objects.status(budget)
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0) > 0)


def _decrement(api: Api, budget: Obj, pod: str, *, dry_run: bool) -> None:
    name, status = objects.name(budget), objects.status(budget)
    if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
        raise _refused(f"The disruption budget {name} is still being processed by the server.", after=10)
    if status.get("disruptionsAllowed", 0) < 0:
        raise Forbidden.of("poddisruptionbudget.policy", name, "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or {}) > MOST_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Forbidden.of("poddisruptionbudget.policy", name, why)
    if not status.get("disruptionsAllowed", 0):
        raise _refused(_why(budget))
    if dry_run:
        return
    now = api.registry.clock.now()

    def take(copy: Obj) -> None:
        new = copy["status"]
        new["disruptionsAllowed"] -= 1
        new["disruptedPods"] = {**(new.get("disruptedPods") or {}), pod: now}
        if not new["disruptionsAllowed"]:
            budgets.set_condition(new, now)

    api.registry.patch(_BUDGETS, *objects.key(budget), take, subresource="status")


def _why(budget: Obj) -> str:
    """Why a budget allows nothing."""
    name, status = objects.name(budget), objects.status(budget)
    condition = objects.condition(budget, budgets.ALLOWED) or {}
    told = condition.get("message") if condition.get("status") == "False" else ""
    head = f"The disruption budget {name} does not allow evicting pods currently"
    if told and condition.get("reason") == budgets.SYNC_FAILED:
        return f"{head} because it failed sync: {told}"
    desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"{head} ({condition.get('reason')}): {told}" if told else head


def _refused(why: str, *, after: int = 0) -> TooManyRequests:
    details: Obj = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if after:
        details["retryAfterSeconds"] = after
    return TooManyRequests(REFUSED, details=details)


def _mark(api: Api, pod: Obj, options: DeleteOptions) -> DeleteOptions:
    """Say in the pod's status that it is evicted. Returns the options for the pod as it is then."""
    if options.uid not in (None, objects.uid(pod)) or options.resource_version not in (
        None,
        pod["metadata"]["resourceVersion"],
    ):
        return options  # the deletion will be refused
    condition: Obj = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": api.registry.clock.now(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }

    def add(copy: Obj) -> None:
        status = copy.setdefault("status", {})
        old = objects.condition(copy, condition["type"])
        if old is not None and old["status"] == "True":
            condition["lastTransitionTime"] = old.get("lastTransitionTime")
        others = [c for c in status.get("conditions") or () if c["type"] != condition["type"]]
        status["conditions"] = [*others, condition]

    written = api.registry.patch("pods", *objects.key(pod), add, subresource="status")
    if options.resource_version is None:
        return options
    return replace(options, resource_version=written["metadata"]["resourceVersion"])
