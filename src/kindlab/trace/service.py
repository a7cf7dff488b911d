"""The path of a request to a Service: name -> Service -> selector -> Pods -> readiness -> endpoints -> port -> answer.

Every hop reads the live cluster; the last two send traffic from the probe Pod. The first broken hop is what the
learner is told, so each one is checked only when those before it hold.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from kindlab.api import Api, Obj
from kindlab.checks.client import Client
from kindlab.checks.probe import NAME as PROBE
from kindlab.conditions import is_over, is_ready
from kindlab.endpoints import SERVICE_LABEL, gets_requests
from kindlab.trace import workload
from kindlab.trace.answer import Endpoint, ask
from kindlab.trace.hops import Trace


def trace(
    api: Api, namespace: str, name: str, client: Client | None = None, *, port: int | None = None, send: bool = True
) -> Trace:
    """Trace Service `name`; `port` is the one a client asks for (default: the Service's first). The requests are sent
    by `client`, the probe of the Service's namespace unless given; `send` False sends none."""
    path = Trace(f"svc/{name}", namespace)
    found = follow(api, namespace, name, path, port=port)
    if found is not None and send:
        ask(api, found.service, found.port, found.endpoints, client or Client(api, namespace), path)
    return path


@dataclass(frozen=True)
class Found:
    """What a Service's path led to: all in order so far, traffic not yet tried."""

    service: Obj
    port: Obj
    """Of the Service; for a headless one its `port` is the Pods' own."""
    endpoints: list[Endpoint]


def follow(
    api: Api, namespace: str, name: str, path: Trace, *, port: int | str | None = None, within: str = ""
) -> Found | None:
    """Add the hops from a Service to its ready endpoints; None where the path ends. `port`: number or name; `within`:
    words put before each hop's name, where there are several Services in one trace."""
    path = path.within(within) if within else path
    service = api.get("Service", name, namespace)
    if service is None:
        there = [s["metadata"]["name"] for s in api.list("Service", namespace)]
        if not there and api.get("Namespace", namespace) is None:
            path.fail("Service", f"there is no Service {name}: nor is there a namespace {namespace}", "kubectl get ns")
            return None
        path.missing("Service", name, namespace, there, "services")
        return None
    path.ok("Service", _describe(service))
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        _alias(api, spec.get("externalName") or "", path)
        return None
    headless = spec.get("clusterIP") == "None"
    chosen = _port(spec, port) or (_port(spec, None) or {} if headless else None)
    if chosen is None:
        key = "name" if isinstance(port, str) else "port"
        listed = ", ".join(str(p.get(key, "a port without a name")) for p in spec.get("ports") or ())
        path.fail(
            "Service port",
            f"Service {name} has no port {port}; it listens on {listed or 'none'}",
            f"kubectl describe service {name} -n {namespace}",
        )
        return None
    if port is None and len(spec.get("ports") or ()) > 1:
        path.ok("Service port", _one_of(service, chosen))
    if spec.get("selector"):
        if not _pods(api, namespace, service, path):
            return None
    else:
        path.ok("Selector", "there is none: endpoints come from EndpointSlices made by hand")
    endpoints = _endpoints(api, namespace, service, chosen, path)
    if not endpoints:
        return None
    if headless:  # nothing stands between: a client must know the port the Pods listen on
        chosen = {**chosen, "port": port if isinstance(port, int) else endpoints[0].port}
    return Found(service, chosen, endpoints)


def _alias(api: Api, target: str, path: Trace) -> None:
    """The hop DNS of an ExternalName: a name of this cluster must lead to a Service, others are not ours to judge."""
    evidence = f"the name is an alias (CNAME) of {target}"
    labels = target.rstrip(".").removesuffix(".cluster.local").split(".")
    if len(labels) == 3 and labels[2] == "svc":
        if api.get("Service", labels[0], labels[1]) is None:
            path.fail(
                "DNS",
                f"{evidence}, and there is no Service {labels[0]} in namespace {labels[1]}",
                f"kubectl get services -n {labels[1]}",
            )
            return
        path.ok("DNS", f"{evidence}: no proxying; to follow it: kindlab why svc/{labels[0]} -n {labels[1]}")
        return
    path.ok("DNS", f"{evidence}: no endpoints, no ports, no proxying")


def _pods(api: Api, namespace: str, service: Obj, path: Trace) -> bool:
    name, selector = service["metadata"]["name"], service["spec"]["selector"]
    wanted = ",".join(f"{k}={v}" for k, v in selector.items())
    matched = [p for p in api.list("Pod", namespace, labels=wanted) if p["metadata"]["name"] != PROBE]
    live = [p for p in matched if not is_over(p)]
    if not live and (maker := workload.maker_of(api, namespace, selector)):
        kind, made_by = maker
        why = f"selector {wanted} matches no Pod: {kind} {made_by} should make such Pods, and there are none"
        path.fail("Selector", why, f"kindlab why {kind.lower()}/{made_by} -n {namespace}")
        return False
    if not live:
        path.fail(
            "Selector",
            f"selector {wanted} matches no Pod{_nearest(api, namespace, selector)}",
            f"kubectl get pods -n {namespace} --show-labels, then compare with: "
            f"kubectl get service {name} -n {namespace} -o wide",
        )
        return False
    path.ok("Selector", f"{wanted} matches {_count(len(live), 'Pod')}: {_names(live)}")
    ready = [p for p in live if is_ready(p) and not p["metadata"].get("deletionTimestamp")]
    if not ready and not service["spec"].get("publishNotReadyAddresses"):
        pod = live[0]
        path.fail(
            "Ready Pods",
            f"none of the {_count(len(live), 'Pod')} is ready: {_why_not_ready(pod)}",
            f"kubectl describe pod {pod['metadata']['name']} -n {namespace}",
        )
        return False
    path.ok("Ready Pods", f"{len(ready)} of {len(live)} are ready")
    return True


def _endpoints(api: Api, namespace: str, service: Obj, port: Obj, path: Trace) -> list[Endpoint]:
    """The ready endpoints behind a Service port."""
    name = service["metadata"]["name"]
    slices = api.list("EndpointSlice", namespace, labels=f"{SERVICE_LABEL}={name}")
    ready = [
        Endpoint(address, p.get("port") or 0, (e.get("targetRef") or {}).get("name", ""), e.get("nodeName") or "")
        for s in slices
        for p in (s.get("ports") or () if port else [{}])
        if not port or (p.get("name", "") == port.get("name", "") and p.get("port"))
        for e in s.get("endpoints") or ()
        if gets_requests(e)
        for address in e["addresses"]
        if s.get("addressType") != "FQDN"
    ]
    if not ready:
        path.fail(
            "EndpointSlices",
            _why_no_endpoints(service, port, slices),
            f"kubectl get endpointslices -n {namespace} -l {SERVICE_LABEL}={name}",
        )
        return []
    shown = ", ".join(str(e) for e in ready[:4]) + (", ..." if len(ready) > 4 else "")
    path.ok("EndpointSlices", f"{_count(len(ready), 'ready endpoint')}: {shown}")
    return ready


def _why_no_endpoints(service: Obj, port: Obj, slices: list[Obj]) -> str:
    target = port.get("targetPort")
    if isinstance(target, str) and any(s.get("endpoints") for s in slices) and service["spec"].get("selector"):
        return f"no container port of the Pods is named {target!r}, the Service's targetPort"
    if slices and all(s.get("addressType") == "FQDN" for s in slices):
        return "its EndpointSlices are of type FQDN, which no proxy follows: a name outside is what ExternalName is for"
    name = service["metadata"]["name"]
    if not slices:
        return f"there is none: no EndpointSlice carries the label {SERVICE_LABEL}={name}"
    wanted = port.get("name", "") if port else ""
    named = {p.get("name", "") for s in slices if s.get("endpoints") for p in s.get("ports") or ()}
    if port and named and wanted not in named:
        there = ", ".join(n or "without a name" for n in sorted(named))
        return f"their ports must be named as the Service's: that is {wanted or 'without a name'}, theirs: {there}"
    which = f" for port {wanted or port['port']}" if port else ""
    return f"the EndpointSlices of {name} hold no ready address{which}"


def _port(spec: Obj, wanted: int | str | None) -> Obj | None:
    """The Service's port of that number or name; None: its first."""
    ports: list[Obj] = spec.get("ports") or []
    if wanted is None:
        return ports[0] if ports else None
    return next((p for p in ports if wanted in (p["port"], p.get("name"))), None)


def _one_of(service: Obj, chosen: Obj) -> str:
    """That one port of several is looked at, and how to look at another."""
    meta, ports = service["metadata"], service["spec"]["ports"]
    another = next((p for p in ports if p["port"] != chosen["port"]), chosen)
    shown = f"{chosen['port']} ({chosen['name']}), the first of {len(ports)}"
    if another is chosen:  # one number, several protocols
        return shown
    return f"{shown}; another: kindlab why svc/{meta['name']}:{another['port']} -n {meta['namespace']}"


def _describe(service: Obj) -> str:
    spec = service["spec"]
    kind = "headless" if spec.get("clusterIP") == "None" else spec.get("type", "ClusterIP")
    ports = ", ".join(
        f"{p['port']} -> {p.get('targetPort', p['port'])}" + (f" ({p['name']})" if p.get("name") else "")
        for p in spec.get("ports") or ()
    )
    address = "" if spec.get("clusterIP") in (None, "None", "") else f" at {spec['clusterIP']}"
    if kind == "ExternalName" and not ports:
        return kind
    given = (service.get("status") or {}).get("loadBalancer") or {}
    pending = kind == "LoadBalancer" and not given.get("ingress")
    who = spec.get("loadBalancerClass")
    waits = f"; its external address is pending{f': nobody has served class {who} yet' if who else ''}"
    return f"{kind}{address}, ports {ports or 'none'}{waits if pending else ''}"


def _nearest(api: Api, namespace: str, selector: dict[str, str]) -> str:
    """The labels of the Pods that come nearest to the selector: usually the typo shows at a glance. Those that the
    cluster puts on Pods (their keys have a prefix, or are the template's hash) would hide it."""
    best, shown = 0.0, ""
    for pod in api.list("Pod", namespace):
        labels = pod["metadata"].get("labels") or {}
        score = sum(_likeness(value, labels.get(key)) for key, value in selector.items()) / len(selector)
        if pod["metadata"]["name"] != PROBE and score > best:
            best = score
            own = {k: v for k, v in labels.items() if k in selector or ("/" not in k and k != "pod-template-hash")}
            shown = ",".join(f"{k}={v}" for k, v in own.items())
    return f"; the nearest Pods carry {shown}" if best >= 0.6 and shown else ""


def _likeness(wanted: str, found: str | None) -> float:
    return 0.0 if found is None else difflib.SequenceMatcher(None, wanted, found).ratio()


def _why_not_ready(pod: Obj) -> str:
    name = pod["metadata"]["name"]
    for status in pod["status"].get("containerStatuses") or ():
        waiting = (status.get("state") or {}).get("waiting")
        if waiting:
            detail = f" ({waiting['message']})" if waiting.get("message") else ""
            return f"container {status['name']} of {name} waits: {waiting.get('reason')}{detail}"
        if not status.get("ready"):
            return f"container {status['name']} of {name} runs but its readiness probe does not pass"
    for condition in pod["status"].get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{name} is not scheduled: {condition.get('message', '')}"
    return f"{name} is {pod['status'].get('phase', 'Pending')}"


def _names(pods: list[Obj]) -> str:
    names = sorted(p["metadata"]["name"] for p in pods)
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
