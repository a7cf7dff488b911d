"""Fields of a Service that follow others when it changes.

Models dropTypeDependentFields (pkg/registry/core/service/strategy.go), patchAllocatedValues and normalizeClusterIPs
(storage.go): a client that sends again what it once wrote keeps what was allocated, and a change of type takes away
what no longer applies, unless the client changed that as well (then validation refuses it).
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.service_spec.allocation import node_ports
from pocketkube.resources.service_spec.types import (
    cluster_ips,
    externally_accessible,
    needs_cluster_ip,
    needs_health_check,
    type_of,
    wants_node_ports,
)


def keep_allocated(new: Obj, old: Obj) -> None:
    """Fill in what was allocated and the client left away."""
    spec, before = new["spec"], objects.spec(old)
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        if not spec.get("clusterIP") and before.get("clusterIP"):
            spec["clusterIP"] = before["clusterIP"]
        if not spec.get("clusterIPs") and before.get("clusterIPs"):
            spec["clusterIPs"] = list(before["clusterIPs"])
    if wants_node_ports(old) and wants_node_ports(new):
        used = set(node_ports(before)) & set(node_ports(spec))
        by_name = {port.get("name", ""): port.get("nodePort", 0) for port in before.get("ports") or ()}
        for port in spec.get("ports") or ():
            known = by_name.get(port.get("name", ""), 0)
            if not port.get("nodePort") and known and known not in used:
                port["nodePort"] = known
    if needs_health_check(old) and needs_health_check(new) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before.get("healthCheckNodePort", 0)


def normalize(new: Obj, old: Obj | None) -> None:
    """Let clusterIPs follow clusterIP for clients that know the singular only."""
    spec = new["spec"]
    ip = spec.get("clusterIP", "")
    if old is None:
        if ip and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [ip]
        return
    before = objects.spec(old).get("clusterIP", "")
    if cluster_ips(old) and not cluster_ips(new) and before == ip:
        spec["clusterIPs"] = cluster_ips(old)
    if before != ip and cluster_ips(old) == cluster_ips(new):
        if before and not ip:
            spec.pop("clusterIPs", None)
        else:
            spec["clusterIPs"] = [ip]


def drop(new: Obj, old: Obj) -> None:
    """Take away what a new type has no use for."""
    spec, before = new["spec"], objects.spec(old)
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if spec.get("clusterIP", "") == before.get("clusterIP", "") and cluster_ips(new) == cluster_ips(old):
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        _drop_same(spec, before, "ipFamilies")
        _drop_same(spec, before, "ipFamilyPolicy")
    node_port_types = ("NodePort", "LoadBalancer")
    loses_node_ports = type_of(old) in node_port_types and type_of(new) not in node_port_types
    if loses_node_ports and set(node_ports(before)) >= set(node_ports(spec)):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_check(old) and not needs_health_check(new):
        _drop_same(spec, before, "healthCheckNodePort")
    if type_of(old) == "LoadBalancer" and type_of(new) != "LoadBalancer":
        _drop_same(spec, before, "allocateLoadBalancerNodePorts")
        _drop_same(spec, before, "loadBalancerClass")
    if externally_accessible(old) and not externally_accessible(new):
        _drop_same(spec, before, "externalTrafficPolicy")
    if type_of(new) != "LoadBalancer":
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def _drop_same(spec: Obj, before: Obj, name: str) -> None:
    if spec.get(name) == before.get(name):
        spec.pop(name, None)
