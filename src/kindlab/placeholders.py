"""What no file can know, filled in when it is put on a cluster.

- `${NODE_ADDRESS}`: a node's IPv4 address, a worker's if there is one; `${NODE_NAME}`: its label kubernetes.io/hostname
- `${POD_ADDRESS NAMESPACE LABELS}`: the address of a Pod, which is waited for
- `${VOLUME_LIMIT DRIVER}`: how many volumes of a CSI driver a node takes
"""

from __future__ import annotations

import re

from kindlab.api import Api
from kindlab.errors import Problem

NODE_ADDRESS, NODE_NAME = "${NODE_ADDRESS}", "${NODE_NAME}"
POD_ADDRESS = re.compile(r"\$\{POD_ADDRESS (\S+) (\S+)\}")
VOLUME_LIMIT = re.compile(r"\$\{VOLUME_LIMIT (\S+)\}")
CONTROL_PLANE, HOSTNAME = "node-role.kubernetes.io/control-plane", "kubernetes.io/hostname"
POD_TIMEOUT = 60.0


def filled(text: str, api: Api) -> str:
    """The text with each placeholder replaced by what this cluster has. Raises Problem when it has none."""
    text = POD_ADDRESS.sub(lambda match: _pod_address(api, match[1], match[2]), text)
    text = VOLUME_LIMIT.sub(lambda match: _volume_limit(api, match[1]), text)
    if NODE_ADDRESS not in text and NODE_NAME not in text:
        return text
    nodes = sorted(api.list("Node"), key=lambda node: CONTROL_PLANE in (node["metadata"].get("labels") or {}))
    first = nodes[0]["metadata"]
    text = text.replace(NODE_NAME, (first.get("labels") or {}).get(HOSTNAME) or first["name"])
    if NODE_ADDRESS not in text:
        return text
    found = [a["address"] for node in nodes for a in node["status"].get("addresses", ()) if a["type"] == "InternalIP"]
    for address in found:
        if ":" not in address:
            return text.replace(NODE_ADDRESS, address)
    raise Problem(
        "No node of this cluster has an IPv4 address.",
        f"Their addresses: {', '.join(found) or 'none'}.",
        "This answer needs one.",
    )


def _pod_address(api: Api, namespace: str, labels: str) -> str:
    for pods in api.follow("Pod", namespace, labels=labels, timeout=POD_TIMEOUT):
        for pod in pods.values():
            if address := (pod.get("status") or {}).get("podIP"):
                return str(address)
    raise Problem(
        f"No Pod with {labels} in namespace {namespace} got an address within {POD_TIMEOUT:.0f} s.",
        "This answer needs one.",
        f"kubectl get pods -n {namespace} shows what is there.",
    )


def _volume_limit(api: Api, driver: str) -> str:
    drivers = [found for node in api.list("CSINode") for found in node["spec"].get("drivers") or ()]
    for found in drivers:
        if found["name"] == driver and (count := (found.get("allocatable") or {}).get("count")) is not None:
            return str(count)
    raise Problem(
        f"No node of this cluster says how many volumes of {driver} it takes.",
        f"The drivers on its nodes: {', '.join(sorted({found['name'] for found in drivers})) or 'none'}.",
        "This answer needs such a limit.",
    )
