"""The path of a request to a Service: name -> Service -> selector -> Pods -> readiness -> endpoints -> port -> answer.

Every hop reads the live cluster; the last two send traffic from the probe Pod. The first broken hop is what the
learner is told, so each one is checked only when those before it hold.
"""

from __future__ import annotations

import difflib
from urllib.parse import urlsplit

from kindlab.api import Api, Obj
from kindlab.checks.live import is_ready
from kindlab.checks.probe import NAME as PROBE
from kindlab.checks.probe import Probe
from kindlab.checks.verdict import CouldNotGrade
from kindlab.errors import UsageProblem
from kindlab.trace.hops import Trace

REQUESTS = 24
"""Enough to meet an endpoint that does not answer: by chance one of two is missed once in 16 million."""
SERVICE_LABEL = "kubernetes.io/service-name"


def trace_url(api: Api, namespace: str, url: str) -> Trace:
    """Trace an in-cluster URL: http://NAME[.NAMESPACE[.svc...]][:PORT]/..."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    if not labels[0]:
        raise UsageProblem(f"{url} names no host.", "", "For example: kindlab why http://web:80/")
    space = labels[1] if len(labels) > 1 else namespace
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return trace(api, space, labels[0], port=port)


def trace(api: Api, namespace: str, name: str, *, port: int | None = None, send: bool = True) -> Trace:
    """Trace Service `name`; `port` is the one a client asks for (default: the Service's first). `send` False sends
    no traffic."""
    path = Trace(f"svc/{name}", namespace)
    service = api.get("Service", name, namespace)
    if service is None:
        there = [s["metadata"]["name"] for s in api.list("Service", namespace)]
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(there) or 'none'}"
        path.fail(
            "Service",
            f"there is no Service {name} in namespace {namespace}{hint}",
            f"kubectl get services -n {namespace}",
        )
        return path
    path.ok("Service", _describe(service))
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        path.ok(
            "DNS", f"the name is an alias (CNAME) of {spec.get('externalName')}: no endpoints, no ports, no proxying"
        )
        return path
    headless = spec.get("clusterIP") == "None"
    chosen = _port(spec, port) or (_port(spec, None) or {} if headless else None)
    if chosen is None:
        listed = ", ".join(str(p["port"]) for p in spec.get("ports") or ())
        path.fail(
            "Service port",
            f"Service {name} has no port {port}; it listens on {listed or 'none'}",
            f"kubectl describe service {name} -n {namespace}",
        )
        return path
    if spec.get("selector"):
        if not _pods(api, namespace, service, path):
            return path
    else:
        path.ok("Selector", "there is none: endpoints come from EndpointSlices made by hand")
    endpoints = _endpoints(api, namespace, service, chosen, path)
    if endpoints and send:
        if headless:  # nothing stands between: a client must know the port the Pods listen on
            chosen = {**chosen, "port": port or endpoints[0][1]}
        _answer(api, namespace, service, chosen, path)
    return path


def _pods(api: Api, namespace: str, service: Obj, path: Trace) -> bool:
    name, selector = service["metadata"]["name"], service["spec"]["selector"]
    wanted = ",".join(f"{k}={v}" for k, v in selector.items())
    matched = [p for p in api.list("Pod", namespace, labels=wanted) if p["metadata"]["name"] != PROBE]
    live = [p for p in matched if p["status"].get("phase") not in ("Succeeded", "Failed")]
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


def _endpoints(api: Api, namespace: str, service: Obj, port: Obj, path: Trace) -> list[tuple[str, int]]:
    """The ready (address, port) behind a Service port; port 0 where a headless Service has none."""
    name = service["metadata"]["name"]
    slices = api.list("EndpointSlice", namespace, labels=f"{SERVICE_LABEL}={name}")
    ready = [
        (address, p.get("port") or 0)
        for s in slices
        for p in (s.get("ports") or () if port else [{}])
        if not port or (p.get("name", "") == port.get("name", "") and p.get("port"))
        for e in s.get("endpoints") or ()
        if (e.get("conditions") or {}).get("ready", True)
        for address in e["addresses"]
    ]
    if not ready:
        target = port.get("targetPort")
        if isinstance(target, str) and any(s.get("endpoints") for s in slices):
            why = f"no container port of the Pods is named {target!r}, the Service's targetPort"
        else:
            which = f" for port {port.get('name') or port['port']}" if port else ""
            why = f"the EndpointSlices of {name} hold no ready address{which}"
        path.fail("EndpointSlices", why, f"kubectl get endpointslices -n {namespace} -l {SERVICE_LABEL}={name}")
        return []
    shown = ", ".join(f"{a}:{p}" if p else a for a, p in ready[:4]) + (", ..." if len(ready) > 4 else "")
    path.ok("EndpointSlices", f"{_count(len(ready), 'ready endpoint')}: {shown}")
    return ready


def _answer(api: Api, namespace: str, service: Obj, port: Obj, path: Trace) -> None:
    name = service["metadata"]["name"]
    probe = Probe(api, namespace)
    if port.get("protocol", "TCP") != "TCP":
        path.ok("Answer", f"port {port['port']} is {port['protocol']}: not tried")
        return
    try:
        addresses = probe.addresses(f"{name}.{namespace}")
    except CouldNotGrade as error:
        path.fail("DNS", str(error), f"kubectl describe pod {PROBE} -n {namespace}")
        return
    if not addresses:
        path.fail(
            "DNS",
            f"the name {name}.{namespace} does not resolve inside the cluster",
            "kubectl get pods -n kube-system -l k8s-app=kube-dns",
        )
        return
    path.ok("DNS", f"{name}.{namespace} resolves to {', '.join(addresses)}")
    number = port["port"]
    if not number:
        path.ok("Answer", "the Service names no port: not tried")
        return
    replies = probe.get_many(f"http://{name}.{namespace}:{number}/", count=REQUESTS, timeout=1.5)
    broken = [r for r in replies if r.exit and r.exit not in (52, 56)]
    if not broken:
        path.ok("Answer", f"port {number} answered {len(replies)} of {len(replies)} requests")
        return
    target = port.get("targetPort", port["port"])
    why = f"{len(broken)} of {len(replies)} connections to {name}:{number} failed: {broken[0]}"
    if any(r.exit == 7 for r in broken):
        some = "some Pods do not listen" if len(broken) < len(replies) else "nothing listens"
        if service["spec"].get("clusterIP") == "None":
            why += f"; a headless Service's name leads to the Pods themselves, and {some} on {number}"
        else:
            why += f"; the Service sends them to targetPort {target}, and {some} there"
        then = (
            "compare the targetPort with what the containers listen on: "
            f"kubectl get service {name} -n {namespace} -o yaml, kubectl describe pods -n {namespace}"
        )
    else:
        then = f"kubectl get endpointslices -n {namespace} -l {SERVICE_LABEL}={name} -o wide"
    path.fail("Answer", why, then)


def _port(spec: Obj, number: int | None) -> Obj | None:
    ports: list[Obj] = spec.get("ports") or []
    if number is None:
        return ports[0] if ports else None
    return next((p for p in ports if p["port"] == number), None)


def _describe(service: Obj) -> str:
    spec = service["spec"]
    kind = "headless" if spec.get("clusterIP") == "None" else spec.get("type", "ClusterIP")
    ports = ", ".join(
        f"{p['port']} -> {p.get('targetPort', p['port'])}" + (f" ({p['name']})" if p.get("name") else "")
        for p in spec.get("ports") or ()
    )
    address = "" if spec.get("clusterIP") in (None, "None", "") else f" at {spec['clusterIP']}"
    return f"{kind}{address}, ports {ports or 'none'}"


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
