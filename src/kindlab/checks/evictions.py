"""Pods asked to go as `kubectl drain` asks them: by the API server's leave, which budgets may forbid."""

from __future__ import annotations

from collections.abc import Iterable

from kindlab.api import Api, ApiError
from kindlab.clock import monotonic, sleep

AGAIN = 0.2
"""Seconds between two tries of an eviction that a budget forbids for now."""


def evict(api: Api, namespace: str, name: str) -> bool:
    """Whether the API server lets the Pod go; one that has gone counts."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
    try:
        api.request("POST", api.path("Pod", namespace, name) + "/eviction", body)
    except ApiError as error:
        if error.code in (429, 500):  # 500: two budgets for one Pod
            return False
        if error.code != 404:
            raise
    return True


def evict_in_turn(api: Api, namespace: str, names: Iterable[str], *, timeout: float) -> list[str]:
    """Evict them all, again and again those that a budget keeps; returns who could not go. It gives up when nobody has
    been let go for `timeout` seconds: where Pods take a while to start, a budget lets go of one now and then."""
    left, deadline = list(names), monotonic() + timeout
    while left and monotonic() < deadline:
        kept = [name for name in left if not evict(api, namespace, name)]
        if len(kept) < len(left):
            deadline = monotonic() + timeout
        left = kept
        if left:
            sleep(AGAIN)
    return left
