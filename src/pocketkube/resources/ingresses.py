"""Ingresses: which host and path leads to which Service, from outside.

Models pkg/registry/networking/ingress, ValidateIngress* of pkg/apis/networking/validation, the DefaultIngressClass
admission plugin (of several default classes the newest) and the printer. Left out: what old objects of earlier
releases may keep that new ones may not (there are none here), but for their update.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.ingressclasses import default_class, typed_reference

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")
_NOT_INSIDE: Final = ("//", "/./", "/../", "%2f", "%2F")
_NOT_LAST: Final = ("/..", "/.")
_SHOWN: Final = 3


class RESOURCE(Resource):
    group = "networking.k8s.io"
    kind = "Ingress"
    plural = "ingresses"
    short_names = ("ing",)
    has_status = True
    bumps_generation = True
    revalidates_metadata = True
    storage_prefix = "ingress"
    columns = described("ingresses", NAME, Column("Class"), Column("Hosts"), Column("Address"), Column("Ports"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        return [
            objects.name(obj),
            spec.get("ingressClassName", "<none>"),
            _hosts(spec.get("rules") or ()),
            _addresses(obj),
            "80, 443" if spec.get("tls") else "80",
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        for _, backend in _backends(spec):
            if backend.get("service") is not None:
                backend["service"].setdefault("name", "")
                backend["service"].setdefault("port", {})  # always written
        obj.setdefault("status", {}).setdefault("loadBalancer", {})

    def initial_status(self, obj: Obj) -> Obj:
        return {"loadBalancer": {}}

    def admit(self, new: Obj, old: Obj | None) -> None:
        if old is not None or "ingressClassName" in new["spec"] or CLASS_ANNOTATION in objects.annotations(new):
            return
        chosen = default_class(self.world.objects("ingressclasses"))
        if chosen is not None:
            new["spec"]["ingressClassName"] = objects.name(chosen)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from _spec(obj["spec"])
        annotation, name = objects.annotations(obj).get(CLASS_ANNOTATION), obj["spec"].get("ingressClassName")
        if annotation is not None and name is not None and annotation != name:
            path = f"annotations.{CLASS_ANNOTATION}"
            yield fields.invalid(path, annotation, "must match `ingressClassName` when both are specified")

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return _spec(new["spec"])

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        held = {entry.get("ip") for entry in _points(old)}
        for index, entry in enumerate(_points(new)):
            at = f"status.loadBalancer.ingress[{index}]"
            ip, hostname = entry.get("ip", ""), entry.get("hostname", "")
            if ip and ip not in held:
                for problem in formats.ip_legacy(ip):
                    yield fields.invalid(f"{at}.ip", ip, problem)
            if hostname:
                for problem in formats.dns1123_subdomain(hostname):
                    yield fields.invalid(f"{at}.hostname", hostname, problem)
                if formats.parse_ip(hostname):
                    yield fields.invalid(f"{at}.hostname", hostname, "must be a DNS name, not an IP address")

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        if old is None and CLASS_ANNOTATION in objects.annotations(new) and "ingressClassName" not in new["spec"]:
            yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


def _points(obj: Obj) -> list[Obj]:
    """status.loadBalancer.ingress."""
    found: list[Obj] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def _hosts(rules: Iterable[Obj]) -> str:
    rules = list(rules)
    named = [rule["host"] for rule in rules if rule.get("host")]
    if not named:
        return "*"
    at = [index for index, rule in enumerate(rules) if rule.get("host")]
    more = len(at) >= _SHOWN and at[_SHOWN - 1] + 1 < len(rules)  # any rule after the third name, even one without
    return ",".join(named[:_SHOWN]) + (f" + {len(rules) - _SHOWN} more..." if more else "")


def _addresses(obj: Obj) -> str:
    return ",".join(sorted({e.get("ip") or e.get("hostname") or "" for e in _points(obj)} - {""}))


def _backends(spec: Obj) -> Iterator[tuple[str, Obj]]:
    """(path, backend) of the default backend and of every rule."""
    if spec.get("defaultBackend") is not None:
        yield "spec.defaultBackend", spec["defaultBackend"]
    for index, rule in enumerate(spec.get("rules") or ()):
        for position, path in enumerate((rule.get("http") or {}).get("paths") or ()):
            yield f"spec.rules[{index}].http.paths[{position}].backend", path.setdefault("backend", {})


def _spec(spec: Obj) -> Iterator[Cause]:
    rules = spec.get("rules")
    if not rules and spec.get("defaultBackend") is None:
        yield fields.invalid("spec", rules, "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend") is not None:
        yield from _backend("spec.defaultBackend", spec["defaultBackend"])
    for index, rule in enumerate(rules or ()):
        yield from _rule(f"spec.rules[{index}]", rule)
    for index, entry in enumerate(spec.get("tls") or ()):
        at, secret = f"spec.tls[{index}]", entry.get("secretName", "")
        for position, host in enumerate(entry.get("hosts") or ()):
            for problem in _host_problems(host):
                yield fields.invalid(f"{at}.hosts[{position}]", host, problem)
        for problem in formats.dns1123_subdomain(secret) if secret else ():
            yield fields.invalid(f"{at}.secretName", secret, problem)
    if "ingressClassName" in spec:
        for problem in formats.dns1123_subdomain(spec["ingressClassName"]):
            yield fields.invalid("spec.ingressClassName", spec["ingressClassName"], problem)


def _host_problems(host: str) -> list[str]:
    return formats.dns1123_wildcard(host) if "*" in host else formats.dns1123_subdomain(host)


def _rule(at: str, rule: Obj) -> Iterator[Cause]:
    host = rule.get("host", "")
    if host:
        if formats.parse_ip(host):
            yield fields.invalid(f"{at}.host", host, "must be a DNS name, not an IP address")
        for problem in _host_problems(host):
            yield fields.invalid(f"{at}.host", host, problem)
    if rule.get("http") is None:
        return
    paths = rule["http"].get("paths")
    if not paths:
        yield fields.required(f"{at}.http.paths")
    for index, path in enumerate(paths or ()):
        yield from _path(f"{at}.http.paths[{index}]", path)


def _path(at: str, entry: Obj) -> Iterator[Cause]:
    kind, path = entry.get("pathType"), entry.get("path", "")
    if kind is None:
        yield fields.required(f"{at}.pathType", "pathType must be specified")
        return
    if kind not in _PATH_TYPES:
        yield fields.not_supported(f"{at}.pathType", kind, _PATH_TYPES)
    elif not path.startswith("/") and (path or kind != "ImplementationSpecific"):
        yield fields.invalid(f"{at}.path", path, "must be an absolute path")
    if kind in ("Exact", "Prefix"):
        for piece in _NOT_INSIDE:
            if piece in path:
                yield fields.invalid(f"{at}.path", path, f"must not contain '{piece}'")
        for piece in _NOT_LAST:
            if path.endswith(piece):
                yield fields.invalid(f"{at}.path", path, f"cannot end with '{piece}'")
    yield from _backend(f"{at}.backend", entry.get("backend") or {})


def _backend(at: str, backend: Obj) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield fields.invalid(at, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from typed_reference(f"{at}.resource", resource)
    elif service is None:
        yield fields.invalid(at, "", "resource or service backend is required")
    else:
        yield from _service(at, service)


def _service(at: str, service: Obj) -> Iterator[Cause]:
    name, port = service.get("name", ""), service.get("port") or {}
    if not name:
        yield fields.required(f"{at}.service.name")
    for problem in formats.dns1123_label(name) if name else ():
        yield fields.invalid(f"{at}.service.name", name, problem)
    if port.get("name") and port.get("number"):
        yield fields.invalid(at, "", "cannot set both port name & port number")
    elif port.get("name"):
        for problem in formats.port_name(port["name"]):
            yield fields.invalid(f"{at}.service.port.name", port["name"], problem)
    elif port.get("number"):
        for problem in formats.port_number(port["number"]):
            yield fields.invalid(f"{at}.service.port.number", port["number"], problem)
    else:
        yield fields.required(at, "port name or number is required")
