"""/healthz, /livez, /readyz and their named checks.

Models apiserver/pkg/server/healthz. A process that answers is alive and ready: the store is part of it, and it serves
only once it is open and everything has started. Of upstream's hooks those are named whose work something here does.
Left out: certificates of the loopback, queues of flow control, leases of API servers, tracking of legacy tokens, peers.
"""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from pocketkube.apiserver.request import Request
from pocketkube.apiserver.respond import not_found_page, plain_text

_HOOKS: Final = (
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "storage-readiness",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-wait-for-first-sync",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "autoregister-completion",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
)
_STARTED: Final = tuple(hook if hook == "autoregister-completion" else f"poststarthook/{hook}" for hook in _HOOKS)
_ALIVE: Final = ("ping", "log", "etcd", *_STARTED)
CHECKS: Final = {
    "healthz": _ALIVE,
    "livez": _ALIVE,
    "readyz": ("ping", "log", "etcd", "etcd-readiness", "informer-sync", *_STARTED, "shutdown"),
}


def serve(request: Request, name: str, check: str) -> web.Response:
    """`check`: one of them only."""
    checks = CHECKS[name]
    if check:
        return plain_text(200, "ok") if check in checks else not_found_page()
    if "verbose" not in request.query:
        return plain_text(200, "ok")
    excluded = set(request.query.all("exclude"))
    lines = [f"[+]{one} excluded: ok" if one in excluded else f"[+]{one} ok" for one in checks]
    if unknown := sorted(excluded - {*checks}):
        shown = ",".join(map(json.dumps, unknown))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {shown}")
    return plain_text(200, "\n".join([*lines, f"{name} check passed", ""]))
