"""What a fresh cluster holds before anybody touches it: namespaces, priority classes, the `kubernetes` Service, DNS.

Models what kube-apiserver's bootstrap controllers and kubeadm's add-ons make. Objects that exist are left alone,
so an add-on somebody changed stays changed over a restart. Roles: see bootstrap_policy. Left out: the kube-proxy
DaemonSet.
"""

import asyncio
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_network

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.resources import priorityclasses

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def bootstrap(client: Client, zone: Mapping[str, str], api_address: str) -> None:
    """Create the namespaces, the system's PriorityClasses, the default ServiceCIDR and the `kubernetes` Service where
    they are missing.

    `api_address`: the control plane's.
    """
    for name in SYSTEM_NAMESPACES:
        _ensure(client, "namespaces", {"metadata": {"name": name}})
    for name in priorityclasses.SYSTEM:
        _ensure(client, "priorityclasses", priorityclasses.system_class(name))
    ranges = {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": zone["service_cidr"].split(",")}}
    _ensure(client, "servicecidrs", ranges)
    _ensure(client, "services", _kubernetes_service(zone))
    _authentication(client, zone)
    _ensure(client, "endpoints", _kubernetes_endpoints(api_address))
    _ensure(client, "endpointslices", _kubernetes_slice(api_address))


def _authentication(client: Client, zone: Mapping[str, str]) -> None:
    """By what servers of other APIs know clients, and who may ask in others' names (clusterauthenticationtrust)."""
    data = {
        "client-ca-file": zone.get("client_ca_crt", ""),
        "requestheader-allowed-names": '["front-proxy-client"]',
        "requestheader-client-ca-file": zone.get("front_proxy_ca_crt", ""),
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-uid-headers": '["X-Remote-Uid"]',
        "requestheader-username-headers": '["X-Remote-User"]',
    }
    meta = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
    _ensure(client, "configmaps", {"metadata": meta, "data": data})

    def trust(copy: Obj) -> None:
        copy["data"] = {**(copy.get("data") or {}), **data}

    client.patch("configmaps", (meta["namespace"], meta["name"]), trust)


async def install_addons(client: Client, without: Collection[str], start: asyncio.Event, done: asyncio.Event) -> None:
    """Once `start` is set, create the objects packaged under data/addons where they are missing; then set `done`.

    `without`: files to leave out. An object of a kind that an add-on defines itself waits until that is served.
    """
    await start.wait()
    await asyncio.sleep(0)  # pods of a cluster that starts again load what they run: the two would add up
    served = asyncio.Event()
    stop = client.on_kinds(lambda _: served.set())
    try:
        waiting = sorted(_addons(client.registry.zone, without), key=_rank)
        while waiting:
            served.set()
            left = []
            for addon in waiting:
                if served.is_set():  # at first, and when another kind is served
                    served.clear()
                    known = {(kind.api_version, kind.kind): resource for resource, kind in client.kinds()}
                resource = known.get((addon["apiVersion"], addon["kind"]))
                if resource is None:
                    left.append(addon)
                else:
                    _ensure(client, resource, addon)
                if addon["kind"] != "Deployment":
                    await asyncio.sleep(0)  # others have their turn: definitions take a while to be looked through
            waiting = left
            if waiting:
                await served.wait()
        done.set()
    finally:
        stop()


def _rank(addon: Obj) -> int:
    """Definitions first, for their kinds take a while to be served. Pods last: to load what they run takes longer than
    everything before."""
    return {"CustomResourceDefinition": 0, "Deployment": 2}.get(addon["kind"], 1)


def _addons(zone: Mapping[str, str], without: Collection[str]) -> list[Obj]:
    folder = files("pocketkube") / "data" / "addons"
    names = {f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")}
    if unknown := set(without) - names:
        raise LookupError(f"there is no add-on {sorted(unknown)[0]!r}: there are {', '.join(sorted(names))}")
    manifests = [folder / f"{name}.yaml" for name in sorted(names - set(without))]
    return [
        objects.copy(obj)  # what YAML anchors share is shared no more, and nobody changes what the next one gets
        for f in manifests
        for obj in _parsed(_filled(f.read_text(), zone))
    ]


@lru_cache(maxsize=16)
def _parsed(manifest: str) -> tuple[Obj, ...]:
    """Its objects, which nobody may change. Kept: clusters that are forked from one process find them read already."""
    import yaml  # not at the top: it takes a twentieth of a second, and the nodes need not wait for it

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C loader is ten times faster
    return tuple(obj for obj in yaml.load_all(manifest, Loader=loader) if obj)


def _filled(manifest: str, zone: Mapping[str, str]) -> str:
    manifest = manifest.replace("$(DNS_IP)", zone["dns_ip"])
    return manifest.replace("$(METRIC_RESOLUTION)", zone.get("metric_resolution", "1s"))


def _kubernetes_service(zone: Mapping[str, str]) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": str(ip_network(zone["service_cidr"].partition(",")[0])[1]),
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
    }


def _kubernetes_endpoints(address: str) -> Obj:
    """Written by the API server itself upstream (pkg/controlplane/reconcilers), as its slice is."""
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {"addresses": [{"ip": address}], "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}]},
        ],
    }


def _kubernetes_slice(address: str) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    }


def _ensure(client: Client, resource: str, obj: Obj) -> None:
    if client.find(resource, objects.namespace(obj), objects.name(obj)) is None:
        client.create(resource, obj)
