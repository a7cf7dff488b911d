"""The WHY engine: follow a path hop by hop to the first one that is broken. One file per kind of path."""

from kindlab.api import Api
from kindlab.checks.client import Client
from kindlab.errors import UsageProblem
from kindlab.trace import (
    address,
    autoscaler,
    claim,
    cronjob,
    gateway,
    httproute,
    ingress,
    node,
    pod,
    service,
    snapshot,
    workload,
)
from kindlab.trace.hops import Trace

SERVICES = ("svc", "service", "services")
INGRESSES = ("ing", "ingress", "ingresses")
GATEWAYS = ("gtw", "gateway", "gateways")
ROUTES = ("httproute", "httproutes")
SNAPSHOTS = ("vs", "volumesnapshot", "volumesnapshots")
NODES = ("no", "node", "nodes")
PODS = ("po", "pod", "pods")
AUTOSCALERS = ("hpa", "horizontalpodautoscaler", "horizontalpodautoscalers")
CLAIMS = ("pvc", "persistentvolumeclaim", "persistentvolumeclaims")


def is_everywhere(target: str) -> bool:
    """Whether the target is in no namespace."""
    return target.partition("/")[0].lower() in NODES


def trace(api: Api, namespace: str, target: str, *, sender: str = "") -> Trace:
    """Trace `svc/NAME[:PORT]`, `ingress/NAME`, `httproute/NAME`, `gateway/NAME`, `deployment/NAME` (and the other kinds
    of workload.KINDS), `pod/NAME`, `node/NAME`, `hpa/NAME`, `pvc/NAME`, `vs/NAME` or a URL; `sender` is the Pod of
    `namespace` that asks (default: the probe). Raises UsageProblem for what it cannot follow."""
    kind, _, name = target.partition("/")
    client = Client(api, namespace, sender) if sender else None
    if target.startswith(("http://", "https://")):
        return address.trace(api, namespace, target, client)
    if name and kind.lower() in SERVICES:
        name, _, port = name.partition(":")
        if port and not port.isdigit():
            raise UsageProblem(f"{port!r} is no port number.", "", f"For example: kindlab why svc/{name}:80")
        return service.trace(api, namespace, name, client, port=int(port) if port else None)
    if name and kind.lower() in INGRESSES:
        return ingress.trace(api, namespace, name)
    if name and kind.lower() in ROUTES:
        return httproute.trace(api, namespace, name)
    if name and kind.lower() in GATEWAYS:
        return gateway.trace(api, namespace, name)
    if name and kind.lower() in NODES:
        return node.trace(api, name)
    if name and kind.lower() in PODS:
        return pod.trace(api, namespace, name)
    if name and (made := workload.kind_of(kind)):
        return workload.trace(api, namespace, made, name)
    if name and kind.lower() in cronjob.WORDS:
        return cronjob.trace(api, namespace, name)
    if name and kind.lower() in CLAIMS:
        return claim.trace(api, namespace, name)
    if name and kind.lower() in SNAPSHOTS:
        return snapshot.trace(api, namespace, name)
    if name and kind.lower() in AUTOSCALERS:
        return autoscaler.trace(api, namespace, name)
    raise UsageProblem(
        f"kindlab why cannot follow {target!r}.",
        "It follows svc/NAME, ingress/NAME, httproute/NAME, gateway/NAME, deployment/NAME (replicaset, "
        "statefulset, daemonset, job, cronjob), pod/NAME, node/NAME, hpa/NAME, pvc/NAME, vs/NAME (a "
        "VolumeSnapshot) and http:// or https:// addresses.",
        f"For example: kindlab why svc/{target if target.isidentifier() else 'web'}",
    )
