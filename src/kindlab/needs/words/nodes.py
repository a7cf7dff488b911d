"""Nodes: who may read them, how many there are, in which zones, and whether Pods may use their network and files."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.probe import IMAGE
from kindlab.conditions import is_ready
from kindlab.needs.need import Found, Need, limited, no, yes
from kindlab.quantities import number

ZONE, WANTED = "topology.kubernetes.io/zone", "zone-b"
"""The label, and the zone that the labs' texts name."""
MAY_READ = "Ask whoever runs the cluster for a ClusterRole that may get and list nodes."
MANY = 120
"""The crowd of lab 04 has 110, and there are a few others."""
OWN = "A cluster of your own has it: kindlab up."


def _read(api: Api, space: str) -> Found:
    return yes(f"there are {len(api.list('Node'))}")


def works(node: Obj) -> bool:
    """Whether ordinary Pods are put there."""
    spec = node["spec"]
    kept_off = {t["effect"] for t in spec.get("taints") or ()} & {"NoSchedule", "NoExecute"}
    return is_ready(node) and not spec.get("unschedulable") and not kept_off


def _two_nodes(api: Api, space: str) -> Found:
    nodes = [n for n in api.list("Node") if is_ready(n)]
    names = ", ".join(n["metadata"]["name"] for n in nodes) or "none"
    if len(nodes) > 1 and any(map(works, nodes)):
        return yes(f"there are {names}")
    return no(f"ready are: {names}" + ("" if any(map(works, nodes)) else ", none of which takes ordinary Pods"))


def _two_workers(api: Api, space: str) -> Found:
    names = [n["metadata"]["name"] for n in api.list("Node") if works(n)]
    found = f"those that take ordinary Pods are: {', '.join(names) or 'none'}"
    return yes(found) if len(names) > 1 else no(found)


def _zones(api: Api, space: str) -> Found:
    zones = {n["metadata"]["name"]: (n["metadata"].get("labels") or {}).get(ZONE) for n in api.list("Node") if works(n)}
    there = ", ".join(sorted({zone for zone in zones.values() if zone})) or "none"
    if WANTED in zones.values() and set(zones.values()) - {WANTED, None}:
        return yes(f"the zones are {there}")
    return no(f"the zones of the nodes that take Pods are: {there}")


def _many_pods(api: Api, space: str) -> Found:
    """Room for them on the nodes, whoever else is there now; and no quota against them."""
    room = sum(number((n["status"].get("allocatable") or {}).get("pods", 0)) for n in api.list("Node") if works(n))
    if room < MANY:
        return no(f"the nodes that take ordinary Pods have room for {room:.0f} in all")
    with suppress(ApiError):  # who may not see quotas meets them
        for quota in api.list("ResourceQuota", space) if space else ():
            hard = quota["spec"].get("hard") or {}
            limit = min((number(hard[key]) for key in ("pods", "count/pods") if key in hard), default=MANY)
            if limit < MANY:
                return no(f"ResourceQuota {quota['metadata']['name']} of namespace {space} allows {limit:.0f}")
    return yes(f"its nodes have room for {room:.0f}")


# -- what Pods may have of a node


def _pods(api: Api, space: str) -> Found:
    """As the labs' are: they say nothing of their user, and may be root."""
    return _allowed(api, space, {})


def _host_network(api: Api, space: str) -> Found:
    return _allowed(api, space, {"hostNetwork": True})


def _host_path(api: Api, space: str) -> Found:
    return _allowed(api, space, {"volumes": [{"name": "disk", "hostPath": {"path": "/tmp"}}]})


def _allowed(api: Api, space: str, more: dict[str, Any]) -> Found:
    """Whether the API server would take such a Pod: it is asked, and makes none (dry run). Pod Security and every
    other admission have their say in that."""
    where = space or "default"
    spec = {"containers": [{"name": "try", "image": IMAGE, "args": ["pause"]}], **more}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kindlab-try"}, "spec": spec}
    try:
        api.request("POST", api.path("Pod", where), pod, query={"dryRun": "All"})
    except ApiError as error:
        if error.code != 403 or limited(error):
            raise
        return no(f"namespace {where} refuses such a Pod: {error.message}")
    return yes(f"namespace {where} takes such a Pod")


PRIVILEGED = (
    "Whoever runs the cluster may allow it in a namespace: kubectl label namespace NAME "
    "pod-security.kubernetes.io/enforce=privileged"
)

WORDS = (
    Need("pods", "Pods that say nothing of their user, as the labs' are", _pods, PRIVILEGED),
    Need(
        "many-pods",
        f"room for {MANY} Pods",
        _many_pods,
        "A cluster of your own has it (kindlab up); on one that is shared whoever runs it can raise the quota.",
    ),
    Need("nodes", "the right to read nodes", _read, MAY_READ),
    Need("two-nodes", "two nodes, one of them for ordinary Pods", _two_nodes, OWN),
    Need("two-workers", "two nodes that take ordinary Pods", _two_workers, OWN),
    Need(
        "zones",
        f"nodes in {WANTED} and in another zone",
        _zones,
        f"If the nodes are yours: kubectl label node NAME {ZONE}={WANTED}, and another node another zone.",
    ),
    Need("host-network", "Pods in the network of their node", _host_network, PRIVILEGED),
    Need("host-path", "Pods with a folder of their node (hostPath)", _host_path, PRIVILEGED),
)
