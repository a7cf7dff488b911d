"""The texts of `kubectl describe` for Services, Ingresses and IngressClasses. Lines with tabs, as `printers.tabbed`
lays them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kindlab.api import Obj
from kindlab.kubectl.describing_fields import labels, notes

Asked = Callable[[str], tuple[Obj | None, list[Obj]]]
"""By a Service's name: the Service, if there is one, and its EndpointSlices."""


def service(obj: Obj, slices: Sequence[Obj]) -> Iterator[str]:
    spec = obj["spec"]
    balancer = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata'].get('namespace', '')}"
    yield from labels(obj)
    yield from notes(obj)
    yield f"Selector:\t{','.join(f'{k}={v}' for k, v in sorted((spec.get('selector') or {}).items())) or '<none>'}"
    yield f"Type:\t{spec.get('type', '')}"
    if spec.get("ipFamilyPolicy"):
        yield f"IP Family Policy:\t{spec['ipFamilyPolicy']}"
    yield f"IP Families:\t{','.join(spec.get('ipFamilies') or []) or '<none>'}"
    yield f"IP:\t{spec.get('clusterIP') or ''}"
    yield f"IPs:\t{','.join(spec.get('clusterIPs') or []) or '<none>'}"
    yield from _some("External IPs", ",".join(spec.get("externalIPs") or []))
    yield from _some("Desired LoadBalancer IP", spec.get("loadBalancerIP"))
    yield from _some("External Name", spec.get("externalName"))
    yield from _some("LoadBalancer Ingress", ", ".join(_door(entry) for entry in balancer))
    for port in spec.get("ports") or []:
        name, transport = port.get("name") or "<unset>", port.get("protocol", "TCP")
        yield f"Port:\t{name}\t{port['port']}/{transport}"
        yield f"TargetPort:\t{port.get('targetPort', port['port'])}/{transport}"
        yield from _some("AppProtocol", port.get("appProtocol"))
        if port.get("nodePort"):
            yield f"NodePort:\t{name}\t{port['nodePort']}/{transport}"
        yield f"Endpoints:\t{endpoints(slices, port.get('name') or '')}"
    yield f"Session Affinity:\t{spec.get('sessionAffinity', '')}"
    yield from _some("External Traffic Policy", spec.get("externalTrafficPolicy"))
    yield from _some("Internal Traffic Policy", spec.get("internalTrafficPolicy"))
    yield from _some("HealthCheck NodePort", spec.get("healthCheckNodePort"))
    yield from _some("LoadBalancer Source Ranges", ",".join(spec.get("loadBalancerSourceRanges") or []))
    yield from _some("Traffic Distribution", spec.get("trafficDistribution"))


def _some(title: str, value: Any) -> Iterator[str]:
    if value:
        yield f"{title}:\t{value}"


def _door(entry: Obj) -> str:
    if not entry.get("ip"):
        return str(entry.get("hostname", ""))
    return f"{entry['ip']} ({entry['ipMode']})" if entry.get("ipMode") else str(entry["ip"])


def endpoints(slices: Sequence[Obj], port: str) -> str:
    """The first three ready endpoints of a Service's port, and how many more there are."""
    if not slices:
        return "<none>"
    found: list[str] = []
    for one in slices:
        ready = [e for e in one.get("endpoints") or [] if (e.get("conditions") or {}).get("ready") is not False]
        if not one.get("ports"):
            found += [e["addresses"][0] for e in ready]
        for entry in one.get("ports") or []:
            if (entry.get("name") or "") == port:
                found += [_joined(e["addresses"][0], entry.get("port")) for e in ready]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more


def _joined(address: str, port: object) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def ingress(obj: Obj, asked: Asked) -> Iterator[str]:
    spec = obj["spec"]
    doors = {
        d.get("ip") or d.get("hostname", "") for d in obj.get("status", {}).get("loadBalancer", {}).get("ingress", ())
    }
    default = _backend(spec["defaultBackend"], asked) if spec.get("defaultBackend") else "<default>"
    yield f"Name:\t{obj['metadata']['name']}"
    yield from labels(obj)
    yield f"Namespace:\t{obj['metadata'].get('namespace', '')}"
    yield f"Address:\t{','.join(sorted(doors))}"
    yield f"Ingress Class:\t{spec.get('ingressClassName') or '<none>'}"
    yield f"Default backend:\t{default}"
    if spec.get("tls"):
        yield "TLS:"
    for entry in spec.get("tls") or []:
        hosts = ",".join(entry.get("hosts") or [])
        yield f"  {entry['secretName']} terminates {hosts}" if entry.get("secretName") else f"  SNI routes {hosts}"
    yield "Rules:"
    yield "  Host\tPath\tBackends"
    yield "  ----\t----\t--------"
    rules = [rule for rule in spec.get("rules") or [] if rule.get("http")]
    for rule in rules:
        yield f"  {rule.get('host') or '*'}\t"
        for path in rule["http"]["paths"]:
            yield f"    \t{path.get('path', '')} \t{_backend(path['backend'], asked)}"
    if not rules:
        yield f"  *\t*\t{default}"
    yield from notes(obj)


def _backend(backend: Obj, asked: Asked) -> str:
    wanted, resource = backend.get("service"), backend.get("resource")
    if wanted:
        port = wanted.get("port") or {}
        text = f"{wanted['name']}:{port.get('number') or port.get('name', '')}"
        found, slices = asked(wanted["name"])
        if found is None:
            return f'{text} (<error: services "{wanted["name"]}" not found>)'
        names = [p.get("name") or "" for p in found["spec"].get("ports") or [] if p["port"] == port.get("number")]
        if port.get("name"):
            names = [p["name"] for p in found["spec"].get("ports") or [] if p.get("name") == port["name"]]
        return f"{text} ({endpoints(slices, names[-1] if names else '')})"
    if resource:
        return f"APIGroup: {resource.get('apiGroup', '<none>')}, Kind: {resource['kind']}, Name: {resource['name']}"
    return ""


def ingress_class(obj: Obj) -> Iterator[str]:
    yield f"Name:\t{obj['metadata']['name']}"
    yield from labels(obj)
    yield from notes(obj)
    yield f"Controller:\t{obj['spec'].get('controller', '')}"
    parameters = obj["spec"].get("parameters")
    if parameters:
        yield "Parameters:"
        if parameters.get("apiGroup") is not None:
            yield f"  APIGroup:\t{parameters['apiGroup']}"
        yield f"  Kind:\t{parameters['kind']}"
        yield f"  Name:\t{parameters['name']}"
