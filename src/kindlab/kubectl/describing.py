"""The texts of `kubectl describe`, made of an object's fields. Events are not among them: they come from the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kindlab.api import Obj
from kindlab.kubectl import (
    describing_access,
    describing_autoscalers,
    describing_config,
    describing_fields,
    describing_jobs,
    describing_network,
    describing_nodes,
    describing_pods,
    describing_policy,
    describing_quota,
    describing_scheduling,
    describing_sets,
    describing_storage,
    printers,
)

BRIEF = {"ServiceAccount", "Endpoints", "Event", "Deployment"}
BRIEF |= {"StatefulSet", "DaemonSet", "IPAddress"}
BRIEF |= {"ServiceCIDR"}
"""Kinds kubectl has more to say about. All others are described as it does."""

_WITHOUT_EVENTS: tuple[str, ...] = ("NetworkPolicy", "ResourceQuota", "LimitRange", "Namespace", "Secret")
_WITHOUT_EVENTS += ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
Rows = list[tuple[str, str]]

_OF_FIELDS: dict[str, Callable[[Obj], Iterable[str]]] = {
    "IngressClass": describing_network.ingress_class,
    "Pod": describing_pods.pod,
    "ConfigMap": describing_config.config_map,
    "Secret": describing_config.secret,
    "Job": describing_jobs.job,
    "HorizontalPodAutoscaler": describing_autoscalers.autoscaler,
    "CronJob": describing_jobs.cron_job,
    "ResourceQuota": describing_quota.quota,
    "LimitRange": describing_quota.limit_range,
    "PersistentVolume": describing_storage.volume,
    "StorageClass": describing_storage.storage_class,
    "VolumeAttributesClass": describing_storage.attributes_class,
    "CSINode": describing_storage.csi_node,
    "PriorityClass": describing_scheduling.priority_class,
    "Role": describing_access.role,
    "ClusterRole": describing_access.role,
    "RoleBinding": describing_access.binding,
    "ClusterRoleBinding": describing_access.binding,
}
"""Kinds whose own fields are all there is to tell."""


def describe(
    obj: Obj,
    asked: describing_network.Asked,
    pods: describing_storage.Pods,
    inside: Callable[[str], list[Obj]] = lambda kind: [],
) -> str:
    """The text for one object, without its events; columns that events are to be in line with still have their tabs.

    `inside`: the objects of a kind in the namespace that is described; of a Node, in that of the nodes' leases.
    `pods`: those of the object's namespace, or on the Node."""
    kind, group = obj["kind"], obj["apiVersion"].rpartition("/")[0]
    if "." in group and not group.endswith(".k8s.io"):
        kind = ""  # a custom resource, which may be called Service too
    if kind == "Service":
        return "\n".join(describing_network.service(obj, asked(obj["metadata"]["name"])[1]))
    if kind == "Ingress":
        return "\n".join(describing_network.ingress(obj, asked))
    if kind == "PersistentVolumeClaim":
        return "\n".join(describing_storage.claim(obj, pods))
    if kind in ("ReplicaSet", "ReplicationController"):
        return "\n".join(describing_sets.replica_set(obj, pods()))
    if kind == "Namespace":
        return "\n".join(describing_quota.namespace(obj, inside("v1/ResourceQuota"), inside("v1/LimitRange")))
    if kind == "Node":
        name = obj["metadata"]["name"]
        lease = next((found for found in inside("leases") if found["metadata"]["name"] == name), None)
        return "\n".join(describing_nodes.node(obj, lease, pods()))
    if kind in _OF_FIELDS:
        return "\n".join(_OF_FIELDS[kind](obj))
    if kind not in (*BRIEF, "EndpointSlice", "NetworkPolicy"):
        return "\n".join(describing_fields.anything(obj))
    if obj["kind"] == "EndpointSlice":
        return _slice(obj)
    if obj["kind"] == "NetworkPolicy":
        name, namespace, *rest = _head(obj)
        rows = [name, namespace, ("Created on", describing_policy.created(obj)), *rest]
        return "\n".join([_aligned(rows), *describing_policy.lines(obj)])
    fields = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind", "metadata")}
    meta = obj["metadata"]
    rows = [
        *_head(obj),
        ("API Version", obj["apiVersion"]),
        ("Kind", obj["kind"]),
        ("Created", meta.get("creationTimestamp", "")),
    ]
    sections = [
        f"{describing_fields.words(key)}:\n{_indented(value)}"
        for key, value in fields.items()
        if value not in ({}, [], None)
    ]
    return "\n".join([_aligned(rows), *sections])


def no_events(obj: Obj) -> str:
    """How an object without events ends; "" where kubectl shows none."""
    if obj["kind"] in _WITHOUT_EVENTS:
        return ""
    if obj["kind"] == "EndpointSlice" and obj.get("endpoints"):
        return f"{'Events:':<16}<none>\n"
    return "Events:  <none>\n" if obj["kind"] in (*BRIEF, "EndpointSlice") else "Events:\t<none>\n"


def _head(obj: Obj) -> Rows:
    meta = obj["metadata"]
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != describing_fields.LAST_APPLIED}
    rows = [("Name", meta["name"])]
    if meta.get("namespace"):
        rows.append(("Namespace", meta["namespace"]))
    return [*rows, ("Labels", _pairs(meta.get("labels"), "=")), ("Annotations", _pairs(annotations, ": "))]


def _pairs(found: dict[str, str] | None, between: str) -> str:
    return "\n".join(f"{k}{between}{v}" for k, v in sorted((found or {}).items())) or "<none>"


def _aligned(rows: Iterable[tuple[str, str]], indent: str = "") -> str:
    """Labels and values in two columns; further lines of a value stand under its first."""
    rows = list(rows)
    width = max((len(name) + 1 for name, _ in rows), default=0) + 2
    lines = []
    for name, value in rows:
        first, *more = value.split("\n")
        lines.append(f"{indent}{name + ':':<{width}}{first}")
        lines += [f"{indent}{'':<{width}}{line}" for line in more]
    return "\n".join(lines)


def _slice(obj: Obj) -> str:
    lines = [_aligned([*_head(obj), ("AddressType", obj["addressType"])])]
    ports = obj.get("ports") or []
    if ports:
        rows = [["  Name", "Port", "Protocol"], ["  ----", "----", "--------"]]
        rows += [
            [f"  {p.get('name') or '<unset>'}", str(p.get("port", "<unset>")), p.get("protocol", "TCP")] for p in ports
        ]
        lines += ["Ports:", printers.table(rows, padding=2)]
    else:
        lines.append("Ports: <unset>")
    endpoints = obj.get("endpoints") or []
    lines.append("Endpoints:" if endpoints else "Endpoints: <none>")
    for endpoint in endpoints:
        ready = (endpoint.get("conditions") or {}).get("ready")
        target = endpoint.get("targetRef")
        lines += [
            f"  - Addresses:  {', '.join(endpoint['addresses'])}",
            "    Conditions:",
            f"      Ready:    {'<unset>' if ready is None else str(ready).lower()}",
            f"    Hostname:   {endpoint.get('hostname') or '<unset>'}",
            *([f"    TargetRef:  {target['kind']}/{target['name']}"] if target else []),
            f"    NodeName:   {endpoint.get('nodeName') or '<unset>'}",
            f"    Zone:       {endpoint.get('zone') or '<unset>'}",
        ]
    return "\n".join(lines)


def _indented(value: Any) -> str:
    return "\n".join(f"  {line}" for line in printers.as_yaml(value).splitlines())
