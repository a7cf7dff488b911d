"""What kind of Service it is, and whom it sends to."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, drop, dropping, put, setting
from kindlab.mutate.world import World


def service_type(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] != "Service":
        return
    now = obj["spec"].get("type", "ClusterIP")
    for other in ("ClusterIP", "NodePort", "LoadBalancer"):
        if other != now and obj["spec"].get("clusterIP") != "None":
            yield from setting(obj, ("spec", "type"), other)
    if now == "ClusterIP":
        name = next((one for one in world.names("Service") if one != obj["metadata"]["name"]), "elsewhere")
        made = {key: one for key, one in obj["spec"].items() if key not in ("selector", "ports", "clusterIP")}
        spec = {**made, "type": "ExternalName", "externalName": f"{name}.{world.spaces[0]}.svc.cluster.local"}
        yield Edit("spec.type", now, f"ExternalName of {name}", (put(obj, ("spec",), spec),))


def headless(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] != "Service" or obj["spec"].get("type", "ClusterIP") != "ClusterIP":
        return
    if obj["spec"].get("clusterIP") == "None":
        yield Edit("spec.clusterIP", "None", "nothing", (drop(obj, ("spec", "clusterIP")),))
    else:
        yield from setting(obj, ("spec", "clusterIP"), "None")


def traffic(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] != "Service":
        return
    if obj["spec"].get("sessionAffinity"):
        yield from dropping(obj, ("spec", "sessionAffinity"))
    else:
        yield from setting(obj, ("spec", "sessionAffinity"), "ClientIP")
    unready = not obj["spec"].get("publishNotReadyAddresses", False)
    yield from setting(obj, ("spec", "publishNotReadyAddresses"), unready)
    local = "Cluster" if obj["spec"].get("internalTrafficPolicy") == "Local" else "Local"
    yield from setting(obj, ("spec", "internalTrafficPolicy"), local)
    if obj["spec"].get("type") in ("NodePort", "LoadBalancer"):
        local = "Cluster" if obj["spec"].get("externalTrafficPolicy") == "Local" else "Local"
        yield from setting(obj, ("spec", "externalTrafficPolicy"), local)


OPERATORS = {"service-type": service_type, "headless": headless, "service-traffic": traffic}
