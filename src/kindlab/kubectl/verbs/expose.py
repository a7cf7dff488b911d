"""`kubectl expose`: a Service for what carries the labels of a Deployment, Pod, ReplicaSet or another Service."""

from __future__ import annotations

import click

from kindlab.api import Obj
from kindlab.kubectl import options, targets
from kindlab.kubectl.generating import NO_BALANCER
from kindlab.kubectl.session import Refused, Session


@options.command()
@options.words
@options.output
@options.dry_run
@click.option("--port", type=int, help="The Service's port.")
@click.option("--target-port", default="", help="Where the containers listen: a number or a port's name.")
@click.option("--name", default="", help="The Service's name.")
@click.option("--type", "kind", default="", help="ClusterIP, NodePort or LoadBalancer.")
@click.option("--protocol", default="", help="TCP, UDP or SCTP.")
@click.option("--cluster-ip", default="", help="None makes it headless.")
@click.option("--external-ip", default="", help="An address of its own that nodes take for it.")
@click.option("--load-balancer-ip", default="", help="The address a LoadBalancer asks for.")
@click.option("--session-affinity", default="", help="None or ClientIP.")
@click.option("--selector", "chosen", default="", help="KEY=VALUE,...: other Pods than those of the resource.")
@click.option("-l", "--labels", default="", help="KEY=VALUE,...: the Service's own labels.")
def COMMAND(
    session: Session,
    words: tuple[str, ...],
    output: str,
    dry_run: str,
    port: int | None,
    target_port: str,
    name: str,
    kind: str,
    protocol: str,
    cluster_ip: str,
    external_ip: str,
    load_balancer_ip: str,
    session_affinity: str,
    chosen: str,
    labels: str,
) -> None:
    """Make a Service for Pods: expose deployment NAME --port=80 --target-port=8080"""
    for target in targets.named(session, words):
        if target.served.plural not in ("deployments", "pods", "replicasets", "services", "replicationcontrollers"):
            kind_name = f"{target.served.kind}{'.' + target.served.group if target.served.group else ''}"
            raise Refused(f"error: cannot expose a {kind_name}")
        owner = session.get(target.served, target.name)
        spec: Obj = {
            "selector": _pairs(chosen) if chosen else selector(owner),
            "ports": _ports(owner, port, target_port, protocol),
        }
        if not spec["selector"]:
            raise Refused(
                "error: couldn't retrieve selectors via --selector flag or introspection: "
                "the pod has no labels and cannot be exposed"
            )
        if kind:
            spec["type"] = kind
        if external_ip:
            spec["externalIPs"] = [external_ip]
        if load_balancer_ip and kind == "LoadBalancer":
            spec["loadBalancerIP"] = load_balancer_ip
        if session_affinity not in ("", "None", "ClientIP"):
            raise Refused(f"error: unknown session affinity: {session_affinity}")
        if session_affinity:
            spec["sessionAffinity"] = session_affinity
        if cluster_ip:
            spec["clusterIP"] = cluster_ip
        meta: Obj = {"name": name or target.name, "namespace": session.namespace}
        own = _pairs(labels) if labels else owner["metadata"].get("labels")
        if own:
            meta["labels"] = own
        service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": NO_BALANCER}
        options.create(session, service, "exposed", output=output, dry_run=dry_run)


def _pairs(text: str) -> dict[str, str]:
    for pair in text.split(","):
        if pair.count("=") != 1:
            raise Refused(f"error: unexpected label spec: {pair}")
    return dict(pair.split("=") for pair in text.split(","))


def selector(owner: Obj) -> dict[str, str]:
    """The labels by which the owner's Pods are found; a Pod's own labels."""
    if owner["kind"] == "Pod":
        return dict(owner["metadata"].get("labels") or {})
    found = owner["spec"].get("selector") or {}
    if found.get("matchExpressions"):
        raise Refused('error: couldn\'t convert expressions - "%+v" to map-based selector format')
    return dict(found.get("matchLabels", found))


def _ports(owner: Obj, port: int | None, target: str, protocol: str) -> list[Obj]:
    pod = owner["spec"] if owner["kind"] == "Pod" else owner["spec"].get("template", {}).get("spec", {})
    known = [
        (p["containerPort"], p.get("protocol", "TCP"))
        for c in pod.get("containers") or []
        for p in c.get("ports") or []
    ]
    if owner["kind"] == "Service":
        known = [(p["port"], p.get("protocol", "TCP")) for p in owner["spec"].get("ports") or []]
    chosen = [(port, protocol or dict(known).get(port, "TCP"))] if port is not None else known
    if not chosen:
        raise Refused("error: couldn't find port via --port flag or introspection")
    ports: list[Obj] = []
    for n, (number, transport) in enumerate(chosen, 1):
        entry: Obj = {"port": number, "protocol": protocol or transport, "targetPort": _target(target, number)}
        if len(chosen) > 1:
            entry["name"] = f"port-{n}"
        ports.append(entry)
    return ports


def _target(given: str, port: int) -> int | str:
    return (int(given) if given.isdigit() else given) if given else port
