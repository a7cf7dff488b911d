"""Whether a cluster's network enforces NetworkPolicies. The API server stores them in any case, and a network plugin
that knows none ignores them without a word; so the only way to find out is a connection that must fail."""

from __future__ import annotations

from collections.abc import Mapping

from kindlab.api import Api, Obj
from kindlab.checks.client import Client
from kindlab.checks.probe import TIMED_OUT
from kindlab.checks.room import room
from kindlab.checks.verdict import CouldNotGrade
from kindlab.checks.visitor import Guest, visitors
from kindlab.clock import monotonic, sleep, token_hex
from kindlab.hosts import in_url
from kindlab.managed import MANAGED

KIND = "NetworkPolicy.networking.k8s.io"
PORT = 8080
CATCH_UP = 5.0
"""Seconds after which a plugin has heard of a policy."""
PAUSE = 0.25


def enforces_policies(api: Api, space: str = "") -> bool:
    """Close one Pod of ours, and knock; in a namespace made for it, or in `space` where none may be made. Takes two
    seconds where policies are enforced. Raises CouldNotGrade when that cannot be found out."""
    door = {"kindlab-door": token_hex(4)}
    with room(api, space) as here:
        policy = _policy(door)
        api.create(policy, here)
        try:
            with visitors(api, {"open": Guest(here, serves=PORT), "closed": Guest(here, door, serves=PORT)}) as clients:
                return _is_kept_out(clients)
        finally:
            api.delete(KIND, policy["metadata"]["name"], here)


def _is_kept_out(clients: Mapping[str, Client]) -> bool:
    addresses = {key: client.object()["status"]["podIP"] for key, client in clients.items()}
    urls = {key: f"http://{in_url(address)}:{PORT}/hostname" for key, address in addresses.items()}
    deadline = monotonic() + CATCH_UP
    while not clients["closed"].get(urls["open"]).ok:
        if monotonic() > deadline:
            raise CouldNotGrade("a Pod that no policy closes does not answer either")
        sleep(PAUSE)
    deadline = monotonic() + CATCH_UP
    while clients["open"].get(urls["closed"], timeout=1).exit != TIMED_OUT:
        if monotonic() > deadline:
            return False
        sleep(PAUSE)
    return True


def _policy(door: dict[str, str]) -> Obj:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"kindlab-closed-{door['kindlab-door']}", "labels": MANAGED},
        "spec": {"podSelector": {"matchLabels": door}, "policyTypes": ["Ingress"]},
    }
