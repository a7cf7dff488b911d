"""Traefik's static configuration: `--entryPoints.web.address=:80/tcp` and the like, names in any case.

A flag that Traefik does not have ends it, as there. One that Traefik has and pocketkube does not model is taken and
told in the log. Left out: configuration by file and by environment variables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from pocketkube.network.ingress.settings import EntryPoint
from pocketkube.objects import Obj

PING: Final = "traefik"
"""The entry point of ping, health and the dashboard."""
LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "PANIC")
_SECTIONS: Final = (
    "accesslog",
    "api",
    "certificatesresolvers",
    "core",
    "entrypoints",
    "experimental",
    "global",
    "hostresolver",
    "hub",
    "log",
    "metrics",
    "ocsp",
    "ping",
    "providers",
    "serverstransport",
    "spiffe",
    "tcpserverstransport",
    "tracing",
)
_QUIET: Final = ("global.", "metrics.", "log.", "api.")
"""What changes nothing that is served."""
_IGNORED_AS_SET: Final = {
    "providers.kubernetesingress.allowemptyservices": "true",
    "providers.kubernetesingress.strictprefixmatching": "true",
    "providers.kubernetesingress.allowexternalnameservices": "false",
    "providers.file.watch": "false",
}
"""Options that are always as said here; another value is told."""


class BadFlag(ValueError):
    """The text is Traefik's."""


@dataclass
class Static:
    """What the flags say."""

    entry_points: list[EntryPoint] = field(default_factory=list)
    ping_port: int | None = None
    ingress: bool = False
    gateway: bool = False
    ingress_class: str = ""
    hostname: str = ""
    ip: str = ""
    gateway_hostname: str = ""
    gateway_ip: str = ""
    directory: str = ""
    """Folder of the file provider."""
    filename: str = ""
    access_log: bool = False
    level: str = "ERROR"
    left_out: list[str] = field(default_factory=list)
    """Flags that are without effect here."""

    @property
    def published(self) -> tuple[Obj, ...]:
        """What Ingresses say they are reached at."""
        return _point(self.ip, self.hostname)

    @property
    def gateway_addresses(self) -> tuple[Obj, ...]:
        """What Gateways say they are reached at."""
        return _point(self.gateway_ip, self.gateway_hostname)


def _point(ip: str, hostname: str) -> tuple[Obj, ...]:
    point = {name: value for name, value in (("ip", ip), ("hostname", hostname)) if value}
    return (point,) if point else ()


def parse(words: Iterable[str]) -> Static:
    """Raises BadFlag."""
    found = Static()
    ports: dict[str, int] = {}
    secure: set[str] = set()
    ping = False
    for word in words:
        full, _, value = word.lstrip("-").partition("=")
        name = full.lower()
        section = name.partition(".")[0]
        if not word.startswith("--") or section not in _SECTIONS:
            raise BadFlag(f"failed to decode configuration from flags: field not found, node: {section or word}")
        if section == "entrypoints":
            entry, _, option = full.partition(".")[2].partition(".")
            if option.lower() == "address":
                ports[entry] = _port(entry, value)
            elif option.lower() == "http.tls":
                if _true(value):
                    secure.add(entry)
            elif not option.lower().startswith("observability."):
                found.left_out.append(word)
        elif name == "ping":
            ping = _true(value)
        elif not _simple(found, name, value):
            found.left_out.append(word)
    if not ports:
        ports["http"] = 80
    if ping:
        found.ping_port = ports.get(PING, 8080)
    found.entry_points = [EntryPoint(name, port, name in secure) for name, port in ports.items() if name != PING]
    return found


def _simple(found: Static, name: str, value: str) -> bool:
    """Whether the flag is understood."""
    ingress, gateway = "providers.kubernetesingress", "providers.kubernetesgateway"
    if name in (ingress, gateway):
        setattr(found, "ingress" if name == ingress else "gateway", _true(value))
    elif name.startswith(_QUIET) and name != "log.level":
        return True
    elif name in _IGNORED_AS_SET:
        return (value or "true").lower() == _IGNORED_AS_SET[name]
    elif name == "accesslog":
        found.access_log = _true(value)
    elif name == "log.level":
        if value.upper() not in LEVELS:
            raise BadFlag(f"invalid log level: {value}")
        found.level = value.upper()
    elif name in _TEXTS:
        setattr(found, _TEXTS[name], value)
    else:
        return False
    return True


_TEXTS: Final = {
    "providers.kubernetesingress.ingressclass": "ingress_class",
    "providers.kubernetesingress.ingressendpoint.hostname": "hostname",
    "providers.kubernetesingress.ingressendpoint.ip": "ip",
    "providers.kubernetesgateway.statusaddress.hostname": "gateway_hostname",
    "providers.kubernetesgateway.statusaddress.ip": "gateway_ip",
    "providers.file.directory": "directory",
    "providers.file.filename": "filename",
}


def _true(value: str) -> bool:
    return value.lower() not in ("false", "0", "f")


def _port(entry: str, address: str) -> int:
    """`:80`, `:80/tcp`, `0.0.0.0:80`."""
    where, _, protocol = address.partition("/")
    port = where.rpartition(":")[2]
    if not port.isdecimal() or not 0 < int(port) < 65536 or protocol.lower() not in ("", "tcp"):
        raise BadFlag(f"error while building entryPoint {entry}: invalid address {address!r}")
    return int(port)
