"""Services.

Models pkg/registry/core/service, SetDefaults_Service, ValidateService* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import CONNECT, Column, Resource, World
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.service_spec import linked, validation
from pocketkube.resources.service_spec.allocation import Addresses
from pocketkube.resources.service_spec.types import externally_accessible
from pocketkube.resources.service_spec.warnings import warnings

_AFFINITY_SECONDS: Final = 10800
_INTERNAL_TYPES: Final = ("ClusterIP", "NodePort", "LoadBalancer")


class RESOURCE(Resource):
    kind = "Service"
    plural = "services"
    short_names = ("svc",)
    categories = ("all",)
    has_status = True
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {"proxy": ("ServiceProxyOptions", CONNECT)}
    storage_prefix = "services/specs"
    create_on_update = True
    returns_deleted = True
    columns = described(
        "services",
        NAME,
        Column("Type"),
        Column("Cluster-IP"),
        Column("External-IP"),
        Column("Port(s)"),
        AGE,
        Column("Selector", priority=1),
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._addresses: Addresses | None = None

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        ips = spec.get("clusterIPs") or ["<none>"]
        selector = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items()))
        ports = ",".join(_port_text(port) for port in spec.get("ports") or ())
        return [
            objects.name(obj),
            spec.get("type", ""),
            ips[0],
            _external_text(obj),
            ports or "<none>",
            age(self.world.clock, obj),
            selector or "<none>",
        ]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        spec = objects.spec(obj)
        return {**super().fields(obj), "spec.clusterIP": spec.get("clusterIP", ""), "spec.type": spec.get("type", "")}

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
        if spec["sessionAffinity"] == "None":
            spec.pop("sessionAffinityConfig", None)
        seconds = objects.dig(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds")
        if spec["sessionAffinity"] == "ClientIP" and seconds is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}
        spec["type"] = spec.get("type") or "ClusterIP"
        for port in spec.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"
            port.setdefault("port", 0)
            if not port.get("targetPort"):
                port["targetPort"] = port["port"]
        if externally_accessible(obj) and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec["type"] in _INTERNAL_TYPES:
            spec.setdefault("internalTrafficPolicy", "Cluster")
        if spec["type"] == "LoadBalancer":
            spec.setdefault("allocateLoadBalancerNodePorts", True)
            for ingress in objects.dig(obj, "status", "loadBalancer", "ingress") or ():
                if ingress.get("ip"):
                    ingress.setdefault("ipMode", "VIP")

    def initial_status(self, obj: Obj) -> Obj:
        return {"loadBalancer": {}}

    def prepare_update(self, new: Obj, old: Obj) -> None:
        linked.drop(new, old)

    def prepare_status(self, new: Obj, old: Obj) -> None:
        status = new.setdefault("status", {})
        for ingress in status.setdefault("loadBalancer", {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterable[str]:
        return formats.dns1123_label(name, prefix=prefix)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from validation.validate(obj, None)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from validation.validate_update(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from validation.validate_status(new, old)

    def allocate(self, new: Obj, old: Obj | None, *, dry_run: bool = False) -> None:
        if self._addresses is None:  # the store is not filled yet when kinds are made
            self._addresses = Addresses(self.world)
        if old is None:
            linked.normalize(new, None)
            self._addresses.create(new, dry_run=dry_run)
        else:
            linked.keep_allocated(new, old)
            linked.normalize(new, old)
            self._addresses.update(new, old, dry_run=dry_run)
        if objects.spec(new).get("type") == "ExternalName":
            new["spec"].pop("internalTrafficPolicy", None)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return warnings(new)


def _port_text(port: Obj) -> str:
    number = f"{port['port']}:{port['nodePort']}" if port.get("nodePort") else port["port"]
    return f"{number}/{port.get('protocol', '')}"


def _external_text(obj: Obj) -> str:
    spec = objects.spec(obj)
    external = spec.get("externalIPs") or []
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or "<none>"
        case "LoadBalancer":
            ingress = objects.dig(obj, "status", "loadBalancer", "ingress") or ()
            given = sorted({i.get("ip") or i.get("hostname", "") for i in ingress} - {""})
            return ",".join([*given, *external]) or "<pending>"
        case "ExternalName":
            return str(spec.get("externalName", ""))
    return "<unknown>"
