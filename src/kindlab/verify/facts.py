"""What a cluster is, as far as its API tells: what has to stand above a table of verdicts for anybody to use it.

Only what lies in namespaces of the system and of the course's add-ons is looked at: on a shared cluster the rest is
somebody else's. What may not be read is said to be unknown.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable

from kindlab.api import Api, ApiError, Obj
from kindlab.errors import Problem

NAMESPACES = (
    "kube-system",
    "traefik",
    "local-path-storage",
    "metallb-system",
    "calico-system",
    "tigera-operator",
    "kube-flannel",
)
WORKLOADS = ("DaemonSet.apps", "Deployment.apps", "StatefulSet.apps")
HOSTPATH = ("default", "csi-hostpathplugin")
"""Where the hostpath driver's own manifests put it."""
PLUGINS = (
    "kindnet",
    "calico",
    "cilium",
    "flannel",
    "weave",
    "antrea",
    "kube-router",
    "aws-node",
    "azure-cni",
    "ovnkube",
)
"""How the DaemonSets of network plugins are called, or how their names begin. Not whole: others are not named."""


def here(kind: str) -> list[tuple[str, str]]:
    """(what, which) of this machine, where it is what the cluster runs on."""
    if kind != "kind":
        return []
    from kindlab import engines, tools

    engine, tool = engines.chosen(), tools.find("kind")
    return [
        ("kind", tool.version if tool else "unknown"),
        ("container engine", engine.title if engine else "unknown"),
        ("this machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"),
    ]


def of(api: Api) -> list[tuple[str, str]]:
    """(what, which) of the cluster: Kubernetes, nodes, their engine, network, storage, add-ons with their versions."""
    rows: list[tuple[str, Callable[[Api], str]]] = [
        ("Kubernetes", lambda api: str(api.request("GET", "/version")["gitVersion"])),
        ("nodes", _nodes),
        ("runtime and system", _runtime),
        ("network plugin", _plugin),
        ("kube-proxy", _proxy),
        ("classes of storage", _storage),
        ("classes of ingress", lambda api: _names(api, "IngressClass")),
        ("runs there", _runs),
    ]
    found = []
    for what, ask in rows:
        try:
            found.append((what, ask(api) or "none"))
        except (ApiError, Problem, KeyError):
            found.append((what, "unknown (may not be read)"))
    return found


def _nodes(api: Api) -> str:
    nodes = api.list("Node")
    planes = sum("node-role.kubernetes.io/control-plane" in (n["metadata"].get("labels") or {}) for n in nodes)
    zones = {(n["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone") for n in nodes} - {None}
    return f"{len(nodes)} ({planes} control plane), {len(zones)} zones"


def _runtime(api: Api) -> str:
    infos = [node["status"]["nodeInfo"] for node in api.list("Node")]
    keys = ("containerRuntimeVersion", "osImage", "kernelVersion", "architecture")
    return "; ".join(sorted({", ".join(str(info.get(key, "")) for key in keys) for info in infos}))


def _plugin(api: Api) -> str:
    found = [(name, image) for name, image in _workloads(api) if name.startswith(PLUGINS)]
    return ", ".join(f"{name} ({image})" for name, image in found) or "not one that kindlab knows by name"


def _proxy(api: Api) -> str:
    found = api.get("ConfigMap", "kube-proxy", "kube-system")
    if found is None:
        return ""
    modes = [line.split(":", 1)[1].strip(" \"'") for line in _config(found) if line.startswith("mode:")]
    return (modes[0] if modes else "") or "the default mode"


def _config(found: Obj) -> list[str]:
    return str((found.get("data") or {}).get("config.conf", "")).splitlines()


def _storage(api: Api) -> str:
    return ", ".join(f"{c['metadata']['name']} ({c['provisioner']})" for c in api.list("StorageClass"))


def _names(api: Api, kind: str) -> str:
    return ", ".join(found["metadata"]["name"] for found in api.list(kind))


def _runs(api: Api) -> str:
    counted = Counter(f"{name} ({image})" for name, image in _workloads(api))
    return ", ".join(sorted(counted))


def _workloads(api: Api) -> list[tuple[str, str]]:
    """(name, the image of the first container without registry and digest)."""
    spaces = [name for name in NAMESPACES if api.get("Namespace", name) is not None]
    found = [obj for space in spaces for kind in WORKLOADS for obj in api.list(kind, space)]
    driver = api.get("StatefulSet.apps", HOSTPATH[1], HOSTPATH[0])
    rows = []
    for obj in [*found, *([driver] if driver else [])]:
        containers = obj["spec"]["template"]["spec"]["containers"]
        image = next((c for c in containers if c["name"] == "hostpath"), containers[0])["image"]
        rows.append((obj["metadata"]["name"], image.rpartition("/")[2].partition("@")[0]))
    return rows
