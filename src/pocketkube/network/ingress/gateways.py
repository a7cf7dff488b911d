"""Gateways and their listeners: which can be served, on which port, with which certificates, for whose routes.

Models the Gateway API's rules (gateway-api.sigs.k8s.io, v1) as Traefik fulfils them: a listener's port must be one of
the controller's own (80 in the clear, 443 with TLS). Reading only; `gateway` writes the conditions. Left out: other
protocols than HTTP and HTTPS, TLS options, requested addresses, client certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pocketkube import objects, selectors
from pocketkube.network.ingress.routes import Certificate
from pocketkube.objects import Obj

GROUP = "gateway.networking.k8s.io"
CONTROLLER = "traefik.io/gateway-controller"
CLASSES, GATEWAYS, ROUTES, GRANTS = (
    f"{plural}.{GROUP}" for plural in ("gatewayclasses", "gateways", "httproutes", "referencegrants")
)
"""Resource ids of the kinds."""


class World(Protocol):
    """What translation reads: stored objects, never changed here. A Client is one."""

    def find(self, resource: str, namespace: str, name: str) -> Obj | None: ...

    def list(self, resource: str, namespace: str | None = None) -> list[Obj]: ...


CertificateReader = Callable[[str, str], Certificate]
"""(namespace, name of a Secret) -> its certificate. Raises ValueError with what is wrong."""


@dataclass
class OpenListener:
    """One listener of a Gateway. `wrong`: what keeps it from being served, as conditions: (type, reason, message)."""

    gateway: Obj
    spec: Obj
    certificates: tuple[Certificate, ...] = ()
    kinds: list[Obj] = field(default_factory=list)
    wrong: list[tuple[str, str, str]] = field(default_factory=list)
    attached: int = 0
    """Routes attached, counted while routes are read."""

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def hostname(self) -> str:
        return str(self.spec.get("hostname") or "").lower()

    @property
    def tls(self) -> bool:
        return bool(self.spec["protocol"] == "HTTPS")

    def admits(self, world: World, route: Obj) -> bool:
        """Whether routes of this kind in this namespace may attach."""
        if all(kind["kind"] != route["kind"] for kind in self.kinds):
            return False
        wanted = (self.spec.get("allowedRoutes") or {}).get("namespaces") or {}
        space = objects.namespace(route)
        match wanted.get("from", "Same"):
            case "All":
                return True
            case "Selector":
                found = world.find("namespaces", "", space)
                selector = selectors.from_label_selector(wanted.get("selector") or {})
                return found is not None and selector(objects.labels(found))
        return space == objects.namespace(self.gateway)


def handled_classes(world: World) -> dict[str, Obj]:
    """The GatewayClasses of this controller by name."""
    return {objects.name(c): c for c in world.list(CLASSES) if objects.spec(c).get("controllerName") == CONTROLLER}


def listeners(world: World, ports: Mapping[int, bool], certificate: CertificateReader) -> list[OpenListener]:
    """Every listener of every Gateway of this controller's classes, in order. `ports`: entry point -> with TLS?"""
    classes = handled_classes(world)
    found = []
    for gateway in world.list(GATEWAYS):
        if objects.spec(gateway).get("gatewayClassName") in classes and not objects.is_terminating(gateway):
            for spec in objects.spec(gateway).get("listeners") or ():
                found.append(_read(world, gateway, spec, ports, certificate))
    return found


def _read(
    world: World, gateway: Obj, spec: Obj, ports: Mapping[int, bool], certificate: CertificateReader
) -> OpenListener:
    listener = OpenListener(gateway, spec)
    protocol, port = spec["protocol"], spec["port"]
    if protocol not in ("HTTP", "HTTPS"):
        text = f"Unsupported listener protocol {_quoted(protocol)}"
        listener.wrong.append(("Accepted", "UnsupportedProtocol", text))
        return listener
    if ports.get(port) != listener.tls:
        open_ports = " and ".join(f"{n} ({'HTTPS' if tls else 'HTTP'})" for n, tls in sorted(ports.items()))
        text = f"Cannot find entryPoint for Gateway: no matching entryPoint for port {port} and protocol "
        text += f"{_quoted(protocol)}; the entry points are {open_ports}"
        listener.wrong.append(("Accepted", "PortUnavailable", text))
        return listener
    listener.kinds, foreign = _kinds(spec)
    for kind in foreign:
        group = kind.get("group", GROUP)
        text = f"Listener protocol {_quoted(protocol)} does not support RouteGroupKind {group}/{kind['kind']}"
        listener.wrong.append(("ResolvedRefs", "InvalidRouteKinds", text))
    if listener.tls and not foreign:
        listener.certificates = _certificates(world, listener, certificate)
    return listener


def _kinds(spec: Obj) -> tuple[list[Obj], list[Obj]]:
    """(route kinds served, kinds asked for that are not)."""
    own = {"group": GROUP, "kind": "HTTPRoute"}
    asked = (spec.get("allowedRoutes") or {}).get("kinds") or [own]
    fitting = [k for k in asked if (k.get("group", GROUP), k["kind"]) == (GROUP, "HTTPRoute")]
    return [own] if fitting else [], [k for k in asked if k not in fitting]


def _certificates(world: World, listener: OpenListener, read: CertificateReader) -> tuple[Certificate, ...]:
    tls = listener.spec.get("tls") or {}
    if tls.get("mode", "Terminate") != "Terminate":
        text = "HTTPS protocol is not supported with TLS mode Passthrough"
        listener.wrong.append(("Accepted", "UnsupportedProtocol", text))
        return ()
    references = tls.get("certificateRefs") or ()
    if not references:
        text = "One TLS CertificateRef is required in Terminate mode"
        listener.wrong.append(("ResolvedRefs", "InvalidCertificateRef", text))
        return ()
    found, own = [], objects.namespace(listener.gateway)
    for ref in references:
        space, name = ref.get("namespace") or own, ref["name"]
        if (ref.get("group") or "", ref.get("kind", "Secret")) != ("", "Secret"):
            text = f"Unsupported TLS CertificateRef group/kind: {ref.get('group') or 'core'}/{ref.get('kind')}"
            listener.wrong.append(("ResolvedRefs", "InvalidCertificateRef", text))
        elif not granted(world, ("Gateway", own), ("", "Secret", name), space):
            text = f"Cannot reference CertificateRef {space}/{name}: missing ReferenceGrant"
            listener.wrong.append(("ResolvedRefs", "RefNotPermitted", text))
        else:
            try:
                found.append(read(space, name))
            except ValueError as error:
                text = f"Cannot load CertificateRef {space}/{name}: {error}"
                listener.wrong.append(("ResolvedRefs", "InvalidCertificateRef", text))
    if listener.wrong:
        listener.wrong.append(("Programmed", "Invalid", "Invalid CertificateRefs"))
    return tuple(found)


def granted(world: World, source: tuple[str, str], target: tuple[str, str, str], namespace: str) -> bool:
    """Whether (kind, namespace) of this API may refer to (group, kind, name) in another namespace."""
    kind, origin = source
    if origin == namespace:
        return True
    group, wanted, name = target
    for grant in world.list(GRANTS, namespace):
        spec = objects.spec(grant)
        comes = any((f["group"], f["kind"], f["namespace"]) == (GROUP, kind, origin) for f in spec.get("from") or ())
        goes = any(
            (t["group"], t["kind"]) == (group, wanted) and t.get("name") in (None, "", name)
            for t in spec.get("to") or ()
        )
        if comes and goes:
            return True
    return False


def _quoted(text: Any) -> str:
    return f'"{text}"'
