"""Who makes a write, and how, as admission is told.

Components of the cluster write under the names that they have in a cluster made by kubeadm: controllers, and what runs
in Pods, by service accounts of kube-system, kubelets by their nodes. What makes the cluster is not asked about: a wrong
policy shall not keep it from starting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

AUTHENTICATED: Final = "system:authenticated"
_NAMED: Final = {"default-scheduler": "system:kube-scheduler"}
_MAKERS: Final = ("pocketkube", "kubeadm")


@dataclass(frozen=True)
class Asked:
    """`user` is an authentication.k8s.io/v1 UserInfo, `options` are CreateOptions and the like."""

    user: Mapping[str, Any]
    options: Mapping[str, Any] | None = None
    dry_run: bool = False
    warn: Callable[[str], None] | None = None


def by_component(name: str, host: str = "") -> Asked | None:
    """`host`: the node a component runs on. None for one that is not asked about."""
    if name in _MAKERS:
        return None
    if name in _NAMED:
        return Asked({"username": _NAMED[name], "groups": [AUTHENTICATED]})
    if name == "kubelet":
        return Asked({"username": f"system:node:{host}", "groups": ["system:nodes", AUTHENTICATED]})
    groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED]
    return Asked({"username": f"system:serviceaccount:kube-system:{name.partition('_')[0]}", "groups": groups})
