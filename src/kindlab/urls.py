"""`kindlab url`: addresses a browser on this machine can open for what runs in the cluster."""

from __future__ import annotations

from kindlab.clusters.base import Status
from kindlab.errors import Problem, UsageProblem


def for_target(status: Status, namespace: str, target: str) -> list[str]:
    """The URLs of `svc/NAME`, one a node port. Raises Problem for a Service that is not open to the outside."""
    kind, _, name = target.partition("/")
    if not name or kind.lower() not in ("svc", "service", "services"):
        raise UsageProblem(
            f"kindlab url does not know {target!r}.",
            "It takes svc/NAME.",
            f"For example: kindlab url svc/{target if target.isidentifier() else 'web'}",
        )
    service = status.api().get("Service", name, namespace)
    if service is None:
        there = ", ".join(s["metadata"]["name"] for s in status.api().list("Service", namespace)) or "none"
        raise Problem(
            f"There is no Service {name} in namespace {namespace}.",
            f"The Services there are: {there}.",
            "Name one of those, or another namespace with -n.",
        )
    ports = [p["nodePort"] for p in service["spec"].get("ports") or () if p.get("nodePort")]
    if not ports:
        kind = service["spec"].get("type", "ClusterIP")
        raise Problem(
            f"Service {name} cannot be opened from outside the cluster.",
            f"It is of type {kind}, which has an address inside the cluster only.",
            "Make it a NodePort."
            if status.kind == "pocket"  # it forwards no ports (docs/fidelity.md)
            else f"Make it a NodePort, or forward a port: kubectl port-forward -n {namespace} svc/{name} 8080:80",
        )
    if status.kind == "current":
        nodes = status.api().list("Node")
        hosts = [
            a["address"]
            for n in nodes
            for a in n["status"].get("addresses") or ()
            if a["type"] in ("ExternalIP", "InternalIP")
        ][:1]
        if not hosts:
            raise Problem("The cluster's nodes have no addresses.", "", "kubectl get nodes -o wide")
        return [f"http://{hosts[0]}:{port}" for port in ports]
    if status.kind == "kind":
        raise Problem(
            f"On kind, node port {ports[0]} is not open on this machine.",
            "cluster-config/kind.yaml maps only the Ingress ports.",
            f"Forward it: kubectl --kubeconfig {status.kubeconfig} port-forward -n {namespace} svc/{name} {ports[0]}:"
            f"{service['spec']['ports'][0]['port']}",
        )
    return [f"http://127.0.0.1:{port}" for port in ports]
