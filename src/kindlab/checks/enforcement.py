"""Whether a cluster's network enforces NetworkPolicies. The API server stores them in any case, and a network plugin
that knows none ignores them without a word; so the only way to find out is a connection that must fail."""

from __future__ import annotations

import secrets
import time

from kindlab.api import Api, Obj
from kindlab.checks.probe import TIMED_OUT
from kindlab.checks.verdict import CouldNotGrade
from kindlab.checks.visitor import Guest, visitors
from kindlab.hosts import in_url
from kindlab.managed import MANAGED

PORT = 8080
CATCH_UP = 5.0
"""Seconds after which a plugin has heard of a policy."""
PAUSE = 0.25


def enforces_policies(api: Api) -> bool:
    """Close one Pod of a namespace made for it, and knock. Takes two seconds where policies are enforced. Raises
    CouldNotGrade when that cannot be found out."""
    space = f"kindlab-policy-{secrets.token_hex(4)}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": MANAGED}})
    try:
        if not any(api.follow("ServiceAccount", space, fields="metadata.name=default", timeout=30)):
            raise CouldNotGrade(f"namespace {space} got no default ServiceAccount")
        api.create(_policy(), space)
        closed = Guest(space, {"door": "closed"}, serves=PORT)
        with visitors(api, {"open": Guest(space, serves=PORT), "closed": closed}) as clients:
            addresses = {key: client.object()["status"]["podIP"] for key, client in clients.items()}
            urls = {key: f"http://{in_url(address)}:{PORT}/hostname" for key, address in addresses.items()}
            if not clients["closed"].get(urls["open"]).ok:
                raise CouldNotGrade("a Pod that no policy closes does not answer either")
            deadline = time.monotonic() + CATCH_UP
            while clients["open"].get(urls["closed"], timeout=1).exit != TIMED_OUT:
                if time.monotonic() > deadline:
                    return False
                time.sleep(PAUSE)
            return True
    finally:
        api.delete("Namespace", space)


def _policy() -> Obj:
    spec = {"podSelector": {"matchLabels": {"door": "closed"}}, "policyTypes": ["Ingress"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "closed"},
        "spec": spec,
    }
