"""What the recorder sent where the normalised scenario no longer shows it, and what is sent instead to save time.

Each entry is read off the recorded answer or the step's own `about`; nothing here touches a comparison.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.golden.scenario import Step

_REPEATED = re.compile(r"<(\d+) times the letter a>")


@dataclass(frozen=True)
class Call:
    """A REST request."""

    method: str
    path: str
    content_type: str
    body: Any


@dataclass(frozen=True)
class Act:
    """What stands for a `note`: a request, and the conditions a GET of `path` meets once its effect is there. Or a
    `command` run in every pod of the namespace."""

    call: Call | None = None
    path: str = ""
    query: str = ""
    until: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


def _continue_of_revision_1() -> str:
    token = {"v": "meta.k8s.io/v1", "rv": 1, "start": "a\u0000"}
    return base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")


# (scenario, step) -> placeholder -> what was sent
HIDDEN: dict[tuple[str, str], dict[str, Callable[[], str]]] = {
    # the answer complains of a first byte 0x81, which is how these letters decode
    ("mechanics-03-lists", "continue-garbage"): {"<continue>": lambda: "garbage"},
    # "a continue token of resourceVersion 1"
    ("mechanics-04-watch", "expired-continue"): {"<continue>": _continue_of_revision_1},
    # answered 401
    ("mechanics-09-auth", "bad-token"): {"<token>": lambda: "not-a-token"},
}

# the recorder asked for a port before any answer showed one
_NODE_PORT = {"<nodePort.1>": lambda: "30111"}
HIDDEN["create-01-imperative", "create-service-nodeport-s2-tcp-80-8080-node-port-<nodePort.1>"] = _NODE_PORT
HIDDEN["create-01-imperative", "create-service-nodeport-s2b-tcp-80-node-port-<nodePort.1>"] = _NODE_PORT

# "a token of the namespace default service account"
SERVICE_ACCOUNT_TOKEN = {
    ("mechanics-09-auth", "real-sa-token-list-pods"),
    ("mechanics-09-auth", "real-sa-token-version"),
}

# the recorder asked the pod for its address, and no answer shows it: (scenario, placeholder) -> the pod that answers
POD_ADDRESSES = {
    ("traffic-02-selection", "<podIP.3>"): "flip",
    ("traffic-02-selection", "<podIP.4>"): "web-1",
}

# a `<uid>` that is a snapshot's handle: (scenario, step) -> placeholder -> where an answer showed it
_RETAINED = {"<uid>": "content-retained .status.snapshotHandle"}
POINTED_AT = {
    ("csi-06-snapshot-policies", "create-preprovisioned-content"): _RETAINED,
    ("csi-06-snapshot-policies", "create-content-for-another"): _RETAINED,
}

# the recorder looked for a pod, and no answer shows which: the first of the namespace's list
_FIRST_POD = {"web-<hash>-<rand>": "Pod  .items[0].metadata.name"}
POINTED_AT["policy-01-pdb-quota-limitrange", "evict-refused"] = _FIRST_POD
POINTED_AT["policy-01-pdb-quota-limitrange", "evict-allowed"] = _FIRST_POD

# "from a known resourceVersion": that of the list an earlier watch started from
RV_OF_EARLIER_WATCH = {("mechanics-10-watchlist", "changes"): "initial-events-rv-now"}

# what a scenario changes of the cluster's own: put back at its end, whatever became of it
KEPT: dict[str, tuple[str, ...]] = {
    "dns-08-outage": (
        "/api/v1/namespaces/kube-system/configmaps/coredns",
        "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    ),
    "csi-10-modes-and-faults": (
        "/apis/apps/v1/namespaces/kube-system/deployments/csi-hostpath-attacher",
        "/apis/apps/v1/namespaces/kube-system/deployments/csi-hostpath-provisioner",
    ),
}


def _drivers(*found: dict[str, Any]) -> Act:
    body = {"spec": {"drivers": list(found)}}
    return Act(Call("PATCH", "/apis/storage.k8s.io/v1/csinodes/node-1", "application/merge-patch+json", body))


def _suspended(component: str) -> Act:
    """Without its Pod, a sidecar of the hostpath driver says and does as little as one that is suspended."""
    pods = f"labelSelector=app.kubernetes.io/instance=hostpath.csi.k8s.io,app.kubernetes.io/component={component}"
    return Act(_scaled(component, 0), "/api/v1/namespaces/kube-system/pods", pods, ("count(.items) == 0",))


def _continued(component: str) -> Act:
    deployment = f"/apis/apps/v1/namespaces/kube-system/deployments/csi-hostpath-{component}"
    return Act(_scaled(component, 1), deployment, until=(".status.availableReplicas == 1",))


def _scaled(component: str, replicas: int) -> Call:
    path = f"/apis/apps/v1/namespaces/kube-system/deployments/csi-hostpath-{component}/scale"
    return Call("PATCH", path, "application/merge-patch+json", {"spec": {"replicas": replicas}})


# what a step shows changes until controllers have done their work: it waits for that
AWAITED = {
    ("mistakes-01", "container-no-name"): Act(
        path="/apis/apps/v1/namespaces/{namespace}/deployments/web", until=(".status.availableReplicas == 2",)
    ),
}

# what a scenario makes for a program that runs nowhere, which would let it go: lists and what tells them from others'
_ANOTHER_DRIVER = (".spec.driver", "example.com/other")
ORPHANED = {
    "csi-07-snapshot-invalid": ("/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents", *_ANOTHER_DRIVER),
}

# notes that name an act the API can do; after any other note the steps up to the next note are skipped
ACTS: dict[str, Act] = {
    "every pod of the Deployment burns CPU from here on (limit 200m, request 100m)": Act(
        command=("touch", "/tmp/burn")
    ),
    "the load stops": Act(command=("rm", "-f", "/tmp/burn")),
    "the provisioner was suspended": _suspended("provisioner"),
    "the provisioner was continued": _continued("provisioner"),
    "the attacher was suspended": _suspended("attacher"),
    "the attacher was continued": _continued("attacher"),
    # the driver itself has no Pods on pocket: a kubelet uses those of its CSINode
    "the node plugin and its registrar were stopped and the registration socket removed": _drivers(),
    "they were started again": _drivers(
        {"name": "hostpath.csi.k8s.io", "nodeID": "node-1", "topologyKeys": ["topology.hostpath.csi/node"]}
    ),
    # its process is gone and its endpoint is not: here the Service leads to a port where nobody listens
    "the metrics server was stopped": Act(
        Call(
            "PATCH",
            "/api/v1/namespaces/kube-system/services/metrics-server",
            "application/merge-patch+json",
            {"spec": {"ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 9}]}},
        )
    ),
    "args of container c were set to [sleep, 3600] here by a strategic merge patch": Act(
        Call(
            "PATCH",
            "/apis/apps/v1/namespaces/{namespace}/deployments/web",
            "application/strategic-merge-patch+json",
            {"spec": {"template": {"spec": {"containers": [{"name": "c", "args": ["sleep", "3600"]}]}}}},
        )
    ),
}


def _slice(endpoints: int, ports: int) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "x"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [f"192.0.{2 + i // 250}.{i % 250 + 1}"]} for i in range(endpoints)],
        "ports": [{"name": f"p{i}", "port": i % 65535 + 1} for i in range(ports)],
    }


# bodies too long to be recorded: "same shape as the other bodies, with <n> endpoints / <n> ports"
BODIES: dict[tuple[str, str], Callable[[], dict[str, Any]]] = {
    ("endpointslices-12-invalid", "endpoints-1001"): lambda: _slice(1001, 0),
    ("endpointslices-12-invalid", "ports-20001"): lambda: _slice(1, 20001),
}


# `rollout status` of rollouts that never end: a quarter of the recorder's minute shows it as well
ARGUMENTS: dict[tuple[str, str], dict[str, str]] = {
    ("rollout-01", "status-3"): {"--timeout=60s": "--timeout=15s"},
    ("rollout-01", "status-4"): {"--timeout=60s": "--timeout=15s"},
}


def made_up(scenario: str, step: Step, oldest_rv: str | None) -> dict[str, str]:
    """Values for placeholders that stand for no value of the cluster.

    `<time>` is now; a lone `<uid>` nobody points to is one no object has; a `<rv>` that must lead to a conflict is the
    oldest seen.
    """
    values = {name: make() for name, make in HIDDEN.get((scenario, step.get("id", "")), {}).items()}
    values["<time>"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if (step.get("response") or {}).get("code") == 409 and oldest_rv:
        values["<rv>"] = oldest_rv
    return values


def unknown_uid() -> str:
    return str(uuid.uuid4())


def expand(text: str) -> str:
    """Spell out `<1048577 times the letter a>`."""
    return _REPEATED.sub(lambda found: "a" * int(found[1]), text)
