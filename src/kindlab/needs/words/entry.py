"""Ways in: Ingress, Gateway API, load balancers, ports of the nodes."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.door import LABELS, door_of
from kindlab.checks.room import room
from kindlab.checks.visitor import Guest, visitors
from kindlab.hosts import in_url
from kindlab.managed import MANAGED
from kindlab.needs.need import Found, Need, no, yes

CLASS = "traefik"
"""The class that the labs' files name."""
GATEWAY = "GatewayClass.gateway.networking.k8s.io"
TRAEFIK = "kindlab addons install traefik brings Traefik."


def _ingress(api: Api, space: str) -> Found:
    """The class of the labs' files, whose controller listens."""
    classes = {c["metadata"]["name"]: c["spec"].get("controller", "") for c in api.list("IngressClass")}
    if CLASS not in classes:
        there = ", ".join(classes)
        return no(f"the IngressClasses there are: {there}" if there else "there is no IngressClass")
    if classes[CLASS] not in LABELS:
        return no(f"kindlab does not know where {classes[CLASS]}, the controller of IngressClass {CLASS}, listens")
    door = door_of(api, classes[CLASS])
    if door is None:
        return no(f"no Service of {classes[CLASS]}, the controller of IngressClass {CLASS}, was found")
    if not door.ready:
        return no(f"no Pod behind {door} is ready", sure=False)
    return yes(f"the controller of IngressClass {CLASS} listens at {door}")


def _gateway(api: Api, space: str) -> Found:
    """The class of the labs' files, accepted by a controller."""
    try:
        classes = api.list(GATEWAY)
    except ApiError as error:
        if error.code != 404:
            raise
        return no("the API server does not know the Gateway API")
    found = next((c for c in classes if c["metadata"]["name"] == CLASS), None)
    if found is None:
        there = ", ".join(c["metadata"]["name"] for c in classes)
        return no(f"the GatewayClasses there are: {there}" if there else "there is no GatewayClass")
    conditions = (found.get("status") or {}).get("conditions") or ()
    if not any(c["type"] == "Accepted" and c["status"] == "True" for c in conditions):
        return no(f"no controller has accepted GatewayClass {CLASS}", sure=False)
    return yes(f"GatewayClass {CLASS} is accepted by {found['spec'].get('controllerName', 'its controller')}")


# -- a load balancer

QUICK, BUSY = 5.0, 120.0
"""Seconds that an address may take: when nobody says a word of our Service, and when somebody is at work on it (a cloud
makes a machine for it, cloud-provider-kind a container)."""


def _load_balancer(api: Api, space: str) -> Found:
    """A Service of ours is given an address; nobody need answer at it."""
    name = f"kindlab-balancer-{secrets.token_hex(4)}"
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app.kubernetes.io/name": name}}
    with room(api, space) as here:
        try:
            meta = {"name": name, "labels": MANAGED}
            api.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}, here)
        except ApiError as error:
            if error.code != 403:
                raise
            return no(f"a Service of type LoadBalancer was refused: {error.message}")
        try:
            return _awaited(api, here, name)
        finally:
            api.delete("Service", name, here)


def _awaited(api: Api, space: str, name: str) -> Found:
    began, limit = time.monotonic(), QUICK
    while True:
        left = limit - (time.monotonic() - began)
        for live in api.follow("Service", space, fields=f"metadata.name={name}", timeout=max(0.0, min(left, QUICK))):
            for service in live.values():
                if address := _address(service):
                    return yes(f"a Service of ours was given the address {address}")
        event = _last_event(api, space, name)
        said = event.get("message") or event.get("reason")
        limit = BUSY if said and event.get("type") != "Warning" else QUICK
        if time.monotonic() - began >= limit:
            more = f"; what its events say: {said}" if said else ", and nobody has said a word of it"
            return no(f"a Service of type LoadBalancer got no address within {limit:.0f} s{more}")


def _address(service: Obj) -> str:
    given = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    return given[0].get("ip") or given[0].get("hostname") or ""


def _last_event(api: Api, space: str, name: str) -> Obj:
    """About our Service; empty when nobody cares for it."""
    with suppress(ApiError):
        found = api.list("Event", space, fields=f"involvedObject.name={name}")
        return found[-1] if found else {}
    return {}


# -- ports of the nodes

REACHED = 10.0
"""Seconds after which every node has heard of a new port."""


def _node_ports(api: Api, space: str) -> Found:
    """A Pod of ours reaches another one at a port of the node on which that runs."""
    label = {"kindlab-try": secrets.token_hex(4)}
    with room(api, space) as here, visitors(api, {"a": Guest(here, label, serves=8080), "b": Guest(here)}) as guests:
        pod = guests["a"].object()
        ports = [{"port": 8080}]
        spec = {"type": "NodePort", "ports": ports, "selector": label}
        meta = {"name": pod["metadata"]["name"], "labels": MANAGED}
        try:
            made = api.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}, here)
        except ApiError as error:
            if error.code not in (403, 422):
                raise
            return no(f"a Service of type NodePort was refused: {error.message}")
        try:
            port = made["spec"]["ports"][0]["nodePort"]
            url = f"http://{in_url(pod['status']['hostIP'])}:{port}/hostname"
            deadline = time.monotonic() + REACHED
            while True:
                reply = guests["b"].get(url, timeout=1)
                if reply.ok:
                    return yes(f"a Pod of ours was reached at {url}")
                if time.monotonic() > deadline:
                    return no(f"a Pod of ours was not reached at {url}: {reply}")
                time.sleep(0.25)
        finally:
            api.delete("Service", meta["name"], here)


WORDS = (
    Need("ingress", f"an ingress controller of class {CLASS}", _ingress, TRAEFIK),
    Need("gateway", f"the Gateway API and a controller of class {CLASS} for it", _gateway, TRAEFIK),
    Need(
        "load-balancer",
        "a load balancer that gives Services addresses",
        _load_balancer,
        "On kind: kindlab addons install metallb, or run cloud-provider-kind beside it. In a cloud its own load "
        "balancers do, and may cost money; a cluster of your own machines wants MetalLB.",
        tried=True,
    ),
    Need(
        "node-ports",
        "ports of the nodes that Pods can reach",
        _node_ports,
        "Ask whoever runs the cluster: a firewall between its nodes, or a network plugin without kube-proxy's node "
        "ports, keeps them shut.",
        tried=True,
    ),
)
