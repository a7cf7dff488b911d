"""The texts of `kubectl describe`, made of an object's fields. Events are not among them: they come from the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kindlab.api import Obj
from kindlab.kubectl import describing_fields, describing_network, describing_policy, describing_storage, printers

BRIEF = {"Pod", "Node", "Namespace", "ConfigMap", "Secret", "ServiceAccount", "Endpoints", "Event", "Deployment"}
BRIEF |= {"ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "HorizontalPodAutoscaler", "IPAddress"}
BRIEF |= {"ServiceCIDR"}
"""Kinds kubectl has more to say about. All others are described as it does."""

Rows = list[tuple[str, str]]

_OF_FIELDS: dict[str, Callable[[Obj], Iterable[str]]] = {
    "IngressClass": describing_network.ingress_class,
    "PersistentVolume": describing_storage.volume,
    "StorageClass": describing_storage.storage_class,
    "VolumeAttributesClass": describing_storage.attributes_class,
    "CSINode": describing_storage.csi_node,
}
"""Kinds whose own fields are all there is to tell."""


def describe(obj: Obj, asked: describing_network.Asked, pods: describing_storage.Pods) -> str:
    """The text for one object, without its events; columns that events are to be in line with still have their tabs."""
    kind, group = obj["kind"], obj["apiVersion"].rpartition("/")[0]
    if "." in group and not group.endswith(".k8s.io"):
        kind = ""  # a custom resource, which may be called Service too
    if kind == "Service":
        return "\n".join(describing_network.service(obj, asked(obj["metadata"]["name"])[1]))
    if kind == "Ingress":
        return "\n".join(describing_network.ingress(obj, asked))
    if kind == "PersistentVolumeClaim":
        return "\n".join(describing_storage.claim(obj, pods))
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
    if obj["kind"] == "Pod":
        return "\n".join([_aligned([*_head(obj), *_pod(obj)]), *_pod_sections(obj)])
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
    if obj["kind"] == "NetworkPolicy":
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


def _join(found: dict[str, str] | None) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((found or {}).items())) or "<none>"


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


def _pod(obj: Obj) -> Rows:
    spec, status, meta = obj["spec"], obj.get("status", {}), obj["metadata"]
    node = f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else "<none>"
    rows: Rows = [("Service Account", spec.get("serviceAccountName", "")), ("Node", node)]
    if status.get("startTime"):
        rows.append(("Start Time", status["startTime"]))
    doomed = meta.get("deletionTimestamp")
    rows.append(("Status", "Terminating" if doomed else status.get("phase", "")))
    if status.get("message"):
        rows.append(("Message", status["message"]))
    rows.append(("IP", status.get("podIP", "")))
    for owner in meta.get("ownerReferences") or []:
        rows.append(("Controlled By", f"{owner['kind']}/{owner['name']}"))
    return rows


def _pod_sections(obj: Obj) -> list[str]:
    spec, status = obj["spec"], obj.get("status", {})
    states = {s["name"]: s for k in ("containerStatuses", "initContainerStatuses") for s in status.get(k) or []}
    lines = []
    for title, key in (("Init Containers", "initContainers"), ("Containers", "containers")):
        if spec.get(key):
            lines.append(f"{title}:")
        for container in spec.get(key) or []:
            lines += [f"  {container['name']}:", _aligned(_container(container, states.get(container["name"])), "    ")]
    rows = [["  Type", "Status"], *([f"  {c['type']}", f"{c['status']} "] for c in status.get("conditions") or [])]
    lines += ["Conditions:", printers.table(rows)]
    names = [v["name"] for v in spec.get("volumes") or []]
    lines.append(f"Volumes:         {', '.join(names) or '<none>'}")
    lines.append(f"QoS Class:       {status.get('qosClass', '')}")
    lines.append(f"Node-Selectors:  {_join(spec.get('nodeSelector'))}")
    return lines


def _container(container: Obj, status: Obj | None) -> Rows:
    ports = [
        f"{p['containerPort']}/{p.get('protocol', 'TCP')}" + (f" ({p['name']})" if p.get("name") else "")
        for p in container.get("ports") or []
    ]
    rows: Rows = [
        ("Image", container.get("image", "")),
        ("Ports" if len(ports) > 1 else "Port", ", ".join(ports) or "<none>"),
    ]
    for title, key in (("Command", "command"), ("Args", "args")):
        if container.get(key):
            rows.append((title, "\n".join(container[key])))
    if status:
        rows += _state("State", status.get("state") or {})
        rows += _state("Last State", status.get("lastState") or {})
        rows += [("Ready", str(bool(status.get("ready")))), ("Restart Count", str(status.get("restartCount", 0)))]
    for title, key in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        if container.get(key):
            rows.append((title, probe(container[key])))
    env = [
        f"{e['name']}: {e.get('value', '<from ' + next(iter(e.get('valueFrom') or {'': ''})) + '>')}"
        for e in container.get("env") or []
    ]
    rows.append(("Environment", "\n".join(env) or "<none>"))
    mounts = [
        f"{m['mountPath']} from {m['name']} ({'ro' if m.get('readOnly') else 'rw'})"
        for m in container.get("volumeMounts") or []
    ]
    rows.append(("Mounts", "\n".join(mounts) or "<none>"))
    return rows


def _state(title: str, state: Obj) -> Rows:
    if not state:
        return [] if title == "Last State" else [(title, "Waiting")]
    name, facts = next(iter(state.items()))
    rows: Rows = [(title, name.capitalize())]
    for label, key in (
        ("  Reason", "reason"),
        ("  Message", "message"),
        ("  Exit Code", "exitCode"),
        ("  Started", "startedAt"),
        ("  Finished", "finishedAt"),
    ):
        if facts.get(key) not in (None, ""):
            rows.append((label, str(facts[key])))
    return rows


def probe(found: Obj) -> str:
    """A probe in kubectl's one line."""
    how = "<unknown>"
    if "exec" in found:
        how = f"exec [{' '.join(found['exec'].get('command') or [])}]"
    elif "httpGet" in found:
        get = found["httpGet"]
        how = f"http-get {get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get['port']}{get.get('path', '')}"
    elif "tcpSocket" in found:
        how = f"tcp-socket {found['tcpSocket'].get('host', '')}:{found['tcpSocket']['port']}"
    elif "grpc" in found:
        how = f"grpc <pod>:{found['grpc']['port']} {found['grpc'].get('service') or ''}".rstrip()
    delay, timeout = found.get("initialDelaySeconds", 0), found.get("timeoutSeconds", 1)
    return (
        f"{how} delay={delay}s timeout={timeout}s period={found.get('periodSeconds', 10)}s "
        f"#success={found.get('successThreshold', 1)} #failure={found.get('failureThreshold', 3)}"
    )


def _indented(value: Any) -> str:
    return "\n".join(f"  {line}" for line in printers.as_yaml(value).splitlines())
