"""The texts of `kubectl describe` for Services, Ingresses and IngressClasses, and for every kind kubectl has no words
of its own for (custom resources, CustomResourceDefinitions). Lines with tabs, as `printers.tabbed` lays them out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kindlab.api import Obj

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LONGEST = 140
"""Characters of an annotation on one line."""
SKIPPED = (
    ".metadata.managedFields",
    ".metadata.name",
    ".metadata.namespace",
    ".metadata.labels",
    ".metadata.annotations",
)
SERVICE_LABEL = "kubernetes.io/service-name"

Asked = Callable[[str], tuple[Obj | None, list[Obj]]]
"""By a Service's name: the Service, if there is one, and its EndpointSlices."""


def labels(obj: Obj) -> Iterator[str]:
    pairs = sorted((obj["metadata"].get("labels") or {}).items())
    yield from _column("Labels", [f"{k}={v}" for k, v in pairs])


def notes(obj: Obj) -> Iterator[str]:
    found: list[str] = []
    for key, value in sorted((obj["metadata"].get("annotations") or {}).items()):
        text = value.removesuffix("\n")
        if key == LAST_APPLIED:
            continue
        if len(key) + len(text) + 2 <= LONGEST and "\n" not in text:
            found.append(f"{key}: {text}")
            continue
        short = [line if len(line) <= LONGEST - 2 else line[: LONGEST - 2] + "..." for line in text.split("\n")]
        found += [f"{key}:", *(f"  {line}" for line in short)]
    yield from _column("Annotations", found)


def _column(title: str, values: list[str]) -> Iterator[str]:
    yield f"{title}:\t{values[0] if values else '<none>'}"
    yield from (f"\t{value}" for value in values[1:])


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


def anything(obj: Obj) -> Iterator[str]:
    """Field by field, in alphabetical order."""
    yield f"Name:\t{obj['metadata']['name']}"
    yield f"Namespace:\t{obj['metadata'].get('namespace', '')}"
    yield from labels(obj)
    yield from notes(obj)
    yield from _fields(obj, "", "")


def _fields(content: Obj, path: str, indent: str) -> Iterator[str]:
    for field, value in sorted(content.items()):
        if f"{path}.{field}" in SKIPPED:
            continue
        if not isinstance(value, dict | list):
            yield f"{indent}{words(field)}:\t{_plain(value)}"
            continue
        yield f"{indent}{words(field)}:"
        for one in [value] if isinstance(value, dict) else value:
            if isinstance(one, dict):
                yield from _fields(one, f"{path}.{field}", indent + "  ")
            else:
                yield f"{indent}  {_plain(one)}"


def _plain(value: Any) -> str:
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def words(field: str) -> str:
    """`apiVersion` as `API Version`; a name with digits or dots in it stays as it is."""
    if re.search(r"[^A-Za-z-]", field):
        return field
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+|[A-Z]+|[a-z]+|-+", field)
    joined: list[str] = []
    for part, before in zip(parts, ["", *parts], strict=False):
        if len(before) >= 2 and before.isupper() and part[0].isupper():
            joined[-1] += part  # CID, Rs
        elif part.upper() in ("API", "URL", "UID", "GUID"):
            joined.append(part.upper())
        else:
            joined.append(part.title() if part.islower() else part)
    return " ".join(joined)
