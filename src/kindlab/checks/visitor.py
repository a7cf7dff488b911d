"""A Pod the grader makes for a moment to send requests as somebody in particular: with labels that policies go by, on
a node, in a node's own network (which is how a client outside the Pod network looks to kube-proxy)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kindlab.api import Api, Obj
from kindlab.checks.client import Client
from kindlab.checks.probe import IMAGE, START_TIMEOUT
from kindlab.checks.verdict import CouldNotGrade
from kindlab.conditions import is_ready

PREFIX = "kindlab-visitor-"
LIFETIME = 600
"""Seconds after which a visitor whose grader was killed ends by itself."""


@contextmanager
def visitor(
    api: Api, namespace: str, *, labels: Mapping[str, str] | None = None, node: str = "", host_network: bool = False
) -> Iterator[Client]:
    """A client that lasts as long as the block. Raises CouldNotGrade when its Pod does not get ready."""
    name = f"{PREFIX}{secrets.token_hex(4)}"
    api.create(_manifest(name, dict(labels or {}), node, host_network), namespace)
    try:
        for pods in api.follow("Pod", namespace, fields=f"metadata.name={name}", timeout=START_TIMEOUT):
            if any(is_ready(pod) for pod in pods.values()):
                break
        else:
            raise CouldNotGrade(
                f"the grader's own Pod {name} was not ready within {START_TIMEOUT:.0f} s "
                f"(kubectl get events -n {namespace})"
            )
        yield Client(api, namespace, name)
    finally:
        api.delete("Pod", name, namespace, grace=0)


def _manifest(name: str, labels: dict[str, str], node: str, host_network: bool) -> Obj:
    spec: Obj = {
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": LIFETIME,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "dnsConfig": {"options": [{"name": "timeout", "value": "2"}]},
        "containers": [{"name": "visitor", "image": IMAGE, "args": ["pause"]}],
    }
    if host_network:
        spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    if node:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        required = {"nodeSelectorTerms": [term]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        spec["tolerations"] = [{"operator": "Exists"}]
    meta = {"name": name, "labels": {**labels, "app.kubernetes.io/managed-by": "kindlab"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
