"""What the names below the cluster domain stand for: CoreDNS' kubernetes plugin, without the wire.

Models plugin/kubernetes of CoreDNS 1.14 (schema 1.1.0): Services, headless endpoints, per-endpoint names, pod records
(`pods insecure`), ExternalName, reverse names. Objects are read when asked; only what needs a search is indexed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.addresses import canonical, is_address
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

SERVICE_NAME = "kubernetes.io/service-name"
NO_PORT = -1
"""The port of an endpoint whose slice names none: it has an address, but no SRV record."""


class NoSuchName(Exception):
    """NXDOMAIN."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a name stands for. `host` is an address, or the target of a CNAME when `alias`; `name` is canonical."""

    host: str
    port: int
    name: str
    alias: bool = False


class Names:
    """Follows Services and EndpointSlices of a cluster."""

    def __init__(self, client: Client, domain: str) -> None:
        self.domain = domain
        self._client = client
        self._slices: dict[Key, dict[str, Obj]] = {}
        self._services: dict[str, Key] = {}  # cluster address -> Service
        self._hosts: dict[str, dict[tuple[Key, str], str]] = {}  # endpoint address -> {(Service, slice): hostname}
        self.changed = int(client.clock.time())
        """When anything changed last, in seconds since the epoch: the zone's serial."""
        client.subscribe("services", self._service_changed)
        client.subscribe("endpointslices", self._slice_changed)
        for service in client.list("services"):
            self._add_service(service)
        for piece in client.list("endpointslices"):
            self._add_slice(piece)

    def lookup(self, labels: list[str]) -> list[Item]:
        """The items of a name: its labels below the cluster domain, lower case. Empty: it exists without data.

        Raises NoSuchName.
        """
        if not labels:
            return []
        *rest, kind = labels
        if kind not in ("svc", "pod"):
            raise NoSuchName
        if not rest:
            return []
        *rest, namespace = rest
        if self._client.find("namespaces", "", namespace) is None:
            raise NoSuchName
        if not rest:
            return []
        if kind == "pod":
            return [_pod(rest[-1])]
        *rest, name = rest
        if len(rest) > 2:
            raise NoSuchName
        service = self._client.find("services", namespace, name)
        if service is None:
            raise NoSuchName
        endpoint = rest[0] if len(rest) == 1 else ""
        port, protocol = (_bare(rest[0]), _bare(rest[1])) if len(rest) == 2 else ("", "")
        found = list(self._items(service, endpoint, port, protocol))
        if not found:
            raise NoSuchName
        return found

    def _items(self, service: Obj, endpoint: str, port: str, protocol: str) -> Iterator[Item]:
        spec, at = objects.spec(service), objects.key(service)
        own = f"{at[1]}.{at[0]}.svc.{self.domain}"
        if spec.get("type") == "ExternalName":
            target = spec.get("externalName", "").rstrip(".")
            if not (endpoint or port or protocol) and target and not is_address(target):
                yield Item(target, NO_PORT, own, alias=True)
        elif spec.get("clusterIP") == "None" or endpoint:
            for address, host, targets in self._endpoints(at):
                if endpoint and endpoint != host.lower():
                    continue
                for target in targets:
                    if _matches(target, port, protocol):
                        number = target.get("port")
                        yield Item(address, NO_PORT if number is None else number, f"{host}.{own}")
        else:
            for target in spec.get("ports") or ():
                if _matches(target, port, protocol):
                    for address in spec.get("clusterIPs") or [spec.get("clusterIP", "")]:
                        if is_address(address):
                            yield Item(canonical(address), target["port"], own)

    def _endpoints(self, at: Key) -> Iterator[tuple[str, str, list[Obj]]]:
        """(address, name below the Service, ports) of every endpoint that is to be published."""
        for piece in self._slices.get(at, {}).values():
            if piece.get("addressType") == "FQDN":
                continue
            ports = piece.get("ports") or [{"name": "", "protocol": "TCP", "port": None}]
            for endpoint in piece.get("endpoints") or ():
                if objects.dig(endpoint, "conditions", "ready") is False:
                    continue
                for address in endpoint["addresses"]:
                    yield canonical(address), endpoint.get("hostname") or dashed(address), ports

    def cluster_ips(self, namespace: str, name: str) -> list[str]:
        """The addresses of a Service; none when it is headless or not there."""
        service = self._client.find("services", namespace, name)
        return _cluster_addresses(service) if service is not None else []

    def reverse(self, address: str) -> list[str]:
        """The names of a cluster address, or of an endpoint. Raises NoSuchName."""
        service = self._services.get(address)
        if service is not None:
            return [f"{service[1]}.{service[0]}.svc.{self.domain}"]
        found = self._hosts.get(address)
        if not found:
            raise NoSuchName
        return [f"{host}.{at[1]}.{at[0]}.svc.{self.domain}" for (at, _), host in found.items()]

    # -- keeping the index

    def _service_changed(self, event: Event) -> None:
        for obj in (event.old, event.object):
            if obj is not None:
                for address in _cluster_addresses(obj):
                    if self._services.get(address) == objects.key(obj):
                        del self._services[address]
        if event.type != DELETED:
            self._add_service(event.object)
        self.changed = int(self._client.clock.time())

    def _add_service(self, service: Obj) -> None:
        for address in _cluster_addresses(service):
            self._services[address] = objects.key(service)

    def _slice_changed(self, event: Event) -> None:
        for obj in (event.old, event.object):
            at = _owner(obj) if obj is not None else None
            if obj is not None and at is not None and objects.name(obj) in self._slices.get(at, ()):
                self._remove_slice(at, objects.name(obj))
        if event.type != DELETED:
            self._add_slice(event.object)
        self.changed = int(self._client.clock.time())

    def _add_slice(self, piece: Obj) -> None:
        at = _owner(piece)
        if at is None:
            return
        self._slices.setdefault(at, {})[objects.name(piece)] = piece
        for address, host in _published_hosts(piece):
            self._hosts.setdefault(address, {})[at, objects.name(piece)] = host

    def _remove_slice(self, at: Key, name: str) -> None:
        piece = self._slices[at].pop(name)
        for address, _ in _published_hosts(piece):
            found = self._hosts.get(address, {})
            found.pop((at, name), None)
            if not found:
                self._hosts.pop(address, None)
        if not self._slices[at]:
            del self._slices[at]


def _owner(piece: Obj) -> Key | None:
    name = objects.labels(piece).get(SERVICE_NAME)
    return (objects.namespace(piece), name) if name else None


def _published_hosts(piece: Obj) -> Iterator[tuple[str, str]]:
    if piece.get("addressType") == "FQDN":
        return
    for endpoint in piece.get("endpoints") or ():
        if objects.dig(endpoint, "conditions", "ready") is not False:
            for address in endpoint["addresses"]:
                yield canonical(address), endpoint.get("hostname") or dashed(address)


def _cluster_addresses(service: Obj) -> list[str]:
    spec = objects.spec(service)
    return [canonical(a) for a in spec.get("clusterIPs") or [spec.get("clusterIP", "")] if is_address(a)]


def _matches(target: Obj, port: str, protocol: str) -> bool:
    return port in ("", (target.get("name") or "").lower()) and protocol in (
        "",
        str(target.get("protocol", "TCP")).lower(),
    )


def _bare(label: str) -> str:
    return label.removeprefix("_")


def _pod(name: str) -> Item:
    """`10-244-0-5`, `fd00-10--5`: with `pods insecure` every address has a name, whether a pod has it or not."""
    address = name.replace("-", "." if name.count("-") == 3 and "--" not in name else ":")
    if not is_address(address):
        raise NoSuchName
    return Item(canonical(address), NO_PORT, name)


def dashed(address: str) -> str:
    """The label of an endpoint without a hostname; a label does not end with a dash."""
    text = address.replace(".", "-").replace(":", "-")
    return f"{text}0" if text.endswith("-") else text
