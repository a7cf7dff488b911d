"""What a Service is warned about (GetWarningsForService, pkg/api/service/warnings.go)."""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.service_spec.types import cluster_ips, type_of

_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"


def warnings(service: Obj) -> Iterator[str]:
    spec = objects.spec(service)
    external_name = type_of(service) == "ExternalName"
    headless = type_of(service) == "ClusterIP" and spec.get("clusterIP") == "None"
    external = spec.get("externalIPs") or []
    if _HINTS in objects.annotations(service):
        yield f"annotation {_HINTS} is deprecated, please use {_MODE} instead"
    for index, ip in enumerate(cluster_ips(service)):
        if ip not in ("", "None"):
            yield from formats.ip_warnings(f"spec.clusterIPs[{index}]", ip)
    if headless:
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if external:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, ip in enumerate(external):
        yield from formats.ip_warnings(f"spec.externalIPs[{index}]", ip)
    if external and not headless and not external_name:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("loadBalancerIP"):
        yield from formats.ip_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for index, cidr in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        yield from formats.cidr_warnings(f"spec.loadBalancerSourceRanges[{index}]", cidr)
    if external_name and external:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if not external_name and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
