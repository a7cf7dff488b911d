"""Questions about a Service that depend on its type (pkg/api/service/util.go)."""

from __future__ import annotations

from pocketkube import objects
from pocketkube.objects import Obj


def type_of(service: Obj) -> str:
    return str(objects.spec(service).get("type", ""))


def cluster_ips(service: Obj) -> list[str]:
    return list(objects.spec(service).get("clusterIPs") or ())


def is_headless(service: Obj) -> bool:
    return cluster_ips(service) == ["None"]


def needs_cluster_ip(service: Obj) -> bool:
    return type_of(service) != "ExternalName"


def needs_health_check(service: Obj) -> bool:
    return type_of(service) == "LoadBalancer" and objects.spec(service).get("externalTrafficPolicy") == "Local"


def externally_accessible(service: Obj) -> bool:
    type_ = type_of(service)
    return type_ in ("LoadBalancer", "NodePort") or (
        type_ == "ClusterIP" and bool(objects.spec(service).get("externalIPs"))
    )


def wants_node_ports(service: Obj) -> bool:
    """Whether ports without a node port get one."""
    type_ = type_of(service)
    automatic = objects.spec(service).get("allocateLoadBalancerNodePorts", True)
    return type_ == "NodePort" or (type_ == "LoadBalancer" and bool(automatic))
