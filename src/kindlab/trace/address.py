"""The path of a URL: whose name or address the host is, then that Service's, Pod's, Ingress' or HTTPRoute's path."""

from __future__ import annotations

import difflib
from urllib.parse import urlsplit

from kindlab import ingresses
from kindlab.api import Api, Obj
from kindlab.checks.client import Client
from kindlab.errors import UsageProblem
from kindlab.hosts import is_address
from kindlab.rights import visible
from kindlab.trace import annotated, httproute, ingress, ingressclass, service
from kindlab.trace.hops import Trace

DOMAIN = "cluster.local"
REALLY_NEAR = 0.8
"""difflib's ratio of a host to one that may be meant: long names share a domain, and so much by chance."""
HERE = ("localhost", "127.0.0.1", "::1")


def trace(api: Api, namespace: str, url: str, client: Client | None = None) -> Trace:
    """Trace http(s)://HOST[:PORT][/PATH]. HOST is a name in the cluster (NAME, NAME.NAMESPACE,
    ...svc.cluster.local), an address of a Service, a node or this machine, or a name that an Ingress or
    an HTTPRoute serves.

    Raises UsageProblem."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise UsageProblem(f"{url} is no URL: {error}.", "", "For example: kindlab why http://web:80/") from error
    if not host:
        raise UsageProblem(f"{url} names no host.", "", "For example: kindlab why http://web:80/")
    client = client or Client(api, namespace)
    where = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if host in HERE or is_address(host):
        return _by_address(api, namespace, host, port, where, client, url)
    labels = host.rstrip(".").split(".")
    if _in_cluster(api, namespace, labels):
        return service.trace(api, labels[1] if len(labels) > 1 else namespace, labels[0], client, port=port)
    return _by_rule(api, namespace, host, where, url, tls=parts.scheme == "https")


def _in_cluster(api: Api, namespace: str, labels: list[str]) -> bool:
    """Whether the name is one of the cluster's own: short, ending in svc, or the name and namespace of a Service."""
    if ".".join(labels).endswith(f".{DOMAIN}") or len(labels) == 1 or (len(labels) == 3 and labels[2] == "svc"):
        return True
    return len(labels) == 2 and api.get("Namespace", labels[1]) is not None


def _by_address(api: Api, namespace: str, host: str, port: int, where: str, client: Client, url: str) -> Trace:
    services = api.list("Service")
    for found in services:
        if host in _addresses(found):
            meta = found["metadata"]
            return service.trace(api, meta["namespace"], meta["name"], client, port=port)
    nodes = {a["address"] for n in api.list("Node") for a in n["status"].get("addresses") or ()}
    if host in nodes or host in HERE:
        for found in services:
            open_ports = [p for p in found["spec"].get("ports") or () if p.get("nodePort") == port]
            if open_ports:
                meta = found["metadata"]
                return service.trace(api, meta["namespace"], meta["name"], client, port=open_ports[0]["port"])
    if host in HERE:
        return _by_rule(api, namespace, "localhost", where, url, tls=url.startswith("https"))
    path = Trace(url, namespace)
    path.fail(
        "Address",
        f"{host} is the address of no Service and of no node of this cluster"
        + (f", or port {port} is no node port" if host in nodes else ""),
        "kubectl get services -A -o wide",
    )
    return path


def _addresses(found: Obj) -> list[str]:
    spec, balanced = found["spec"], (found.get("status") or {}).get("loadBalancer") or {}
    given = [i.get("ip", "") for i in balanced.get("ingress") or ()]
    return [*(spec.get("clusterIPs") or ()), *(spec.get("externalIPs") or ()), *given]


def _by_rule(api: Api, namespace: str, host: str, where: str, url: str, *, tls: bool) -> Trace:
    """The Ingress, else the HTTPRoute, that takes a host and a path; those open for the scheme first, then those of
    the namespace."""
    runs, scheme = ingressclass.controllers(api), "https" if tls else "http"

    def far(one: Obj) -> tuple[bool, bool]:
        opened = annotated.schemes(one, runs.get(ingressclass.named(one), ""))
        return scheme not in opened, one["metadata"]["namespace"] != namespace

    every = sorted(visible(api, "Ingress", namespace), key=far)
    for exact in (True, False):  # a default backend takes what no rule does
        for found in every:
            route = ingresses.match(list(ingresses.routes(found)), host, where)
            if route is not None and bool(route.path) == exact:
                meta = found["metadata"]
                return ingress.trace(api, meta["namespace"], meta["name"], host=host, where=where, tls=tls)
        if exact and (taken := httproute.find(api, namespace, host, where)) is not None:
            meta = taken["metadata"]
            return httproute.trace(api, meta["namespace"], meta["name"], host=host, where=where, tls=tls)
    hosts = sorted({r.host for i in every for r in ingresses.routes(i) if r.host} | httproute.hosts(api, namespace))
    near = difflib.get_close_matches(host, hosts, n=1, cutoff=REALLY_NEAR)
    known = (
        f"; did you mean {near[0]}?"
        if near and near[0] != host
        else f"; hosts with rules: {', '.join(hosts) or 'none'}"
    )
    theirs = [ingresses.described(r) for i in every for r in ingresses.routes(i) if r.host == host]
    if theirs:  # the host is right, so it is the path
        known = f"; of that host there are: {', '.join(theirs[:6])}"
    path = Trace(url, namespace)
    what = "no Ingress and no HTTPRoute has" if httproute.served(api) else "no Ingress has"
    labels = host.split(".")
    if len(labels) == 2:  # meant as the name of a Service, perhaps
        known = f", and there is no namespace {labels[1]}, in which a Service {labels[0]} could be{known}"
    path.fail(
        "Rule",
        f"{what} a rule for {host}{where}{known}",
        "kubectl get namespaces" if len(labels) == 2 else "kubectl get ingress -A",
    )
    return path
