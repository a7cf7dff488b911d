"""What a Service may hold, and what may change.

Models validateService, ValidateServiceUpdate and ValidateLoadBalancerStatus (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.endpoints import special_ip
from pocketkube.resources.service_spec import families
from pocketkube.resources.service_spec.types import (
    cluster_ips,
    externally_accessible,
    is_headless,
    needs_health_check,
    type_of,
)

TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_AFFINITY: Final = ("ClientIP", "None")
_POLICIES: Final = ("Cluster", "Local")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_DAY: Final = 86400
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_RANGES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
_LB_ONLY: Final = "may only be used when `type` is 'LoadBalancer'"


def validate_update(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed Service."""
    yield from families.validate_update(new, old)
    before, after = objects.spec(old).get("loadBalancerClass"), objects.spec(new).get("loadBalancerClass")
    if type_of(new) == type_of(old) == "LoadBalancer" and before != after:
        yield fields.invalid("spec.loadBalancerClass", after, "may not change once set")
    yield from _load_balancer_class(new)
    port, port_before = (objects.spec(service).get("healthCheckNodePort") for service in (new, old))
    if needs_health_check(new) and needs_health_check(old) and port != port_before:
        yield fields.forbidden("spec.healthCheckNodePort", metadata.IMMUTABLE)
    yield from validate(new, old)


def validate(service: Obj, old: Obj | None) -> Iterator[Cause]:
    """Field errors of a Service; addresses that `old` holds already are not judged again."""
    spec, notes = service["spec"], objects.annotations(service)
    if _MODE in notes and _HINTS in notes and notes[_MODE] != notes[_HINTS]:
        text = f"must match annotations[{_HINTS}] when both are specified"
        yield fields.invalid(f"metadata.annotations[{_MODE}]", notes[_MODE], text)
    ports, type_ = spec.get("ports") or [], type_of(service)
    if not ports and not is_headless(service) and type_ != "ExternalName":
        yield fields.required("spec.ports")
    yield from _by_type(service)
    names: set[str] = set()
    for index, port in enumerate(ports):
        yield from _port(f"spec.ports[{index}]", port, names, name_required=len(ports) > 1)
    yield from metadata.labels("spec.selector", spec.get("selector"))
    yield from _affinity(spec)
    yield from families.validate(service, old)
    known = objects.spec(old).get("externalIPs") or [] if old is not None else []
    for index, ip in enumerate(spec.get("externalIPs") or ()):
        problems = formats.ip_legacy(ip) if ip not in known else []
        yield from (fields.invalid(f"spec.externalIPs[{index}]", ip, problem) for problem in problems)
        if not problems:
            yield from special_ip(f"spec.externalIPs[{index}]", ip)
    if type_ not in TYPES:
        yield fields.not_supported("spec.type", type_, TYPES)
    yield from _ports_together(type_, ports)
    yield from _load_balancer(service)
    yield from _traffic(service)


def _by_type(service: Obj) -> Iterator[Cause]:
    spec, type_ = service["spec"], type_of(service)
    if type_ in ("LoadBalancer", "NodePort") and is_headless(service):
        yield fields.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {type_} services")
    if type_ != "ExternalName":
        return
    why = "may not be set for ExternalName services"
    if cluster_ips(service):
        yield fields.forbidden("spec.clusterIPs", why)
    if spec.get("ipFamilies"):
        yield fields.forbidden("spec.ipFamilies", why)
    if spec.get("ipFamilyPolicy") is not None:
        yield fields.forbidden("spec.ipFamilyPolicy", why)
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        yield fields.required("spec.externalName")
    for problem in formats.dns1123_subdomain(name) if name else ():
        yield fields.invalid("spec.externalName", name, problem)


def _port(at: str, port: Obj, names: set[str], *, name_required: bool) -> Iterator[Cause]:
    name, protocol = port.get("name", ""), port.get("protocol", "")
    if name:
        for problem in formats.dns1123_label(name):
            yield fields.invalid(f"{at}.name", name, problem)
        if name in names:
            yield fields.duplicate(f"{at}.name", name)
        names.add(name)
    elif name_required:
        yield fields.required(f"{at}.name")
    for problem in formats.port_number(port.get("port", 0)):
        yield fields.invalid(f"{at}.port", port.get("port", 0), problem)
    if not protocol:
        yield fields.required(f"{at}.protocol")
    elif protocol not in PROTOCOLS:
        yield fields.not_supported(f"{at}.protocol", protocol, PROTOCOLS)
    yield from port_or_name(f"{at}.targetPort", port.get("targetPort", 0))
    if port.get("appProtocol") is not None:
        for problem in formats.qualified_name(port["appProtocol"]):
            yield fields.invalid(f"{at}.appProtocol", port["appProtocol"], problem)


def port_or_name(path: str, port: Any) -> Iterator[Cause]:
    """Field errors of an int-or-string port (ValidatePortNumOrName)."""
    problems = formats.port_name(port) if isinstance(port, str) else formats.port_number(port)
    yield from (fields.invalid(path, port, problem) for problem in problems)


def _affinity(spec: Obj) -> Iterator[Cause]:
    affinity, path = spec.get("sessionAffinity", ""), "spec.sessionAffinityConfig"
    if not affinity:
        yield fields.required("spec.sessionAffinity")
    elif affinity not in _AFFINITY:
        yield fields.not_supported("spec.sessionAffinity", affinity, _AFFINITY)
    if affinity == "ClientIP":
        seconds = objects.dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        if seconds is None:
            yield fields.required(path, "when session affinity type is ClientIP")
        elif not 0 < seconds <= _DAY:
            text = f"must be greater than 0 and less than {_DAY}"
            yield fields.invalid(f"{path}.clientIP.timeoutSeconds", seconds, text)
    elif affinity == "None" and spec.get("sessionAffinityConfig") is not None:
        yield fields.forbidden(path, "must not be set when session affinity is None")


def _ports_together(type_: str, ports: list[Obj]) -> Iterator[Cause]:
    if type_ == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                text = "may not be used when `type` is 'ClusterIP'"
                yield fields.forbidden(f"spec.ports[{index}].nodePort", text)
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        pair = (port.get("protocol", ""), port.get("nodePort", 0))
        if pair[1] and pair in seen:
            yield fields.duplicate(f"spec.ports[{index}].nodePort", pair[1])
        seen.add(pair)
    seen.clear()
    for index, port in enumerate(ports):
        pair = (port.get("protocol", ""), port.get("port", 0))
        if pair in seen:
            yield fields.duplicate(f"spec.ports[{index}]", _internal_port(*pair))
        seen.add(pair)


def _internal_port(protocol: str, port: int) -> Obj:
    """A ServicePort as upstream prints its internal type."""
    return {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": port, "TargetPort": 0, "NodePort": 0}


def _load_balancer(service: Obj) -> Iterator[Cause]:
    spec, balanced = service["spec"], type_of(service) == "LoadBalancer"
    ranges, note = spec.get("loadBalancerSourceRanges") or (), objects.annotations(service).get(_RANGES)
    if ranges:
        path = "spec.LoadBalancerSourceRanges"
        if not balanced:
            yield fields.forbidden(path, _LB_ONLY)
        for index, text in enumerate(ranges):
            yield from _cidr(f"{path}[{index}]", text.strip())
    elif note is not None:
        path = f"metadata.annotations[{_RANGES}]"
        if not balanced:
            yield fields.forbidden(path, _LB_ONLY)
        for text in note.split(",") if note.strip() else ():
            yield from _cidr(path, text.strip())
    if not balanced and spec.get("allocateLoadBalancerNodePorts") is not None:
        yield fields.forbidden("spec.allocateLoadBalancerNodePorts", _LB_ONLY)
    yield from _load_balancer_class(service)


def _load_balancer_class(service: Obj) -> Iterator[Cause]:
    name, path = service["spec"].get("loadBalancerClass"), "spec.loadBalancerClass"
    if name is not None and type_of(service) != "LoadBalancer":
        yield fields.forbidden(path, _LB_ONLY)
    elif name is not None:
        yield from (fields.invalid(path, name, problem) for problem in formats.qualified_name(name))


def _cidr(path: str, text: str) -> Iterator[Cause]:
    yield from (fields.invalid(path, text, problem) for problem in formats.cidr_legacy(text))


def _traffic(service: Obj) -> Iterator[Cause]:
    spec = service["spec"]
    external, internal = spec.get("externalTrafficPolicy", ""), spec.get("internalTrafficPolicy")
    if not externally_accessible(service):
        if external:
            text = "may only be set for externally-accessible services"
            yield fields.invalid("spec.externalTrafficPolicy", external, text)
    elif not external:
        yield fields.required("spec.externalTrafficPolicy")
    elif external not in _POLICIES:
        yield fields.not_supported("spec.externalTrafficPolicy", external, _POLICIES)
    port = spec.get("healthCheckNodePort", 0)
    if not needs_health_check(service):
        if port:
            text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            yield fields.invalid("spec.healthCheckNodePort", port, text)
    elif not port:
        yield fields.required("spec.healthCheckNodePort")
    else:
        for problem in formats.port_number(port):
            yield fields.invalid("spec.healthCheckNodePort", port, problem)
    if internal is None and type_of(service) in ("ClusterIP", "LoadBalancer", "NodePort"):
        yield fields.required("spec.internalTrafficPolicy")
    elif internal is not None and internal not in _POLICIES:
        yield fields.not_supported("spec.internalTrafficPolicy", internal, _POLICIES)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield fields.not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS, in_order=True)


def validate_status(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of status.loadBalancer."""
    path = "status.loadBalancer.ingress"
    ingress = objects.dig(new, "status", "loadBalancer", "ingress") or ()
    if ingress and type_of(new) != "LoadBalancer":
        yield fields.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for index, entry in enumerate(ingress):
        at, ip, mode, host = f"{path}[{index}]", entry.get("ip", ""), entry.get("ipMode"), entry.get("hostname", "")
        for problem in formats.ip_legacy(ip) if ip else ():
            yield fields.invalid(f"{at}.ip", ip, problem)
        if mode is None and ip:
            yield fields.required(f"{at}.ipMode", "must be specified when `ip` is set")
        elif mode is not None and not ip:
            yield fields.forbidden(f"{at}.ipMode", "may not be specified when `ip` is not set")
        elif mode is not None and mode not in ("Proxy", "VIP"):
            yield fields.not_supported(f"{at}.ipMode", mode, ("Proxy", "VIP"))
        if host:
            for problem in formats.dns1123_subdomain(host):
                yield fields.invalid(f"{at}.hostname", host, problem)
            if formats.parse_ip(host) is not None:
                yield fields.invalid(f"{at}.hostname", host, "must be a DNS name, not an IP address")
