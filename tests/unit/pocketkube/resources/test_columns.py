"""Table columns and cells, against the recorded Tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.golden import scenario
from tests.unit.pocketkube.resources.direct import GOLDEN, registry

from pocketkube.clock import Clock
from pocketkube.objects import Obj
from pocketkube.resources import scan
from pocketkube.resources.base import Resource

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Stopped(Clock):
    """A clock that always says NOW."""

    def time(self) -> float:
        return NOW.timestamp()


def recorded() -> dict[str, list[Obj]]:
    """plural -> columnDefinitions, from every recorded Table of a list or an object."""
    found = {}
    for name in ("mechanics-01-tables-workloads", "mechanics-02-tables-cluster"):
        for step in scenario.load(GOLDEN / f"{name}.yaml").steps:
            body = (step.get("response") or {}).get("body")
            if isinstance(body, dict) and body.get("kind") == "Table" and body.get("columnDefinitions"):
                parts = step["path"].split("/")[3:] if step["path"].startswith("/api/") else step["path"].split("/")[4:]
                plural = parts[2] if parts[0] == "namespaces" and len(parts) > 2 else parts[0]
                found.setdefault(plural, body["columnDefinitions"])
    return found


RECORDED = recorded()
# What the recording shows of its own node's texts was replaced in it.
REPLACED = {("nodes", "OS-Image"), ("nodes", "Container-Runtime")}
NOT_RECORDED = {"leases"}


@pytest.mark.parametrize("kind", [cls for cls in scan() if cls.plural in RECORDED], ids=lambda cls: cls.plural)
def test_columns_are_the_recorded_ones(kind: type[Resource]) -> None:
    seen = [vars(column) for column in kind.columns]
    expected = [
        {**column, "description": mine["description"]} if (kind.plural, column["name"]) in REPLACED else column
        for column, mine in zip(RECORDED[kind.plural], seen, strict=True)
    ]
    assert seen == expected


def test_every_other_kind_is_known_to_be_without_a_recording() -> None:
    founding = {
        *("configmaps", "deployments", "endpoints", "endpointslices", "events", "leases", "namespaces"),
        *("nodes", "pods", "replicasets", "secrets", "serviceaccounts", "services"),
    }
    assert founding - set(RECORDED) == NOT_RECORDED
    assert all(column.description for cls in scan() if cls.plural in founding for column in cls.columns)


def row(plural: str, obj: Obj) -> list[Any]:
    held = registry()
    held.clock = Stopped()
    created = {"name": "x", "creationTimestamp": "2026-01-02T03:03:00Z"}
    return held.resources[plural].row({**obj, "metadata": {**created, **obj.get("metadata", {})}})


def pod(status: Obj, spec: Obj | None = None, meta: Obj | None = None) -> list[Any]:
    containers = [{"name": "c"}]
    return row("pods", {"metadata": meta or {}, "spec": {"containers": containers, **(spec or {})}, "status": status})


def state(name: str = "c", **fields: Any) -> Obj:
    return {"name": name, "restartCount": 0, "ready": False, **fields}


RUNNING = {"running": {"startedAt": "2026-01-02T03:03:10Z"}}
ENDED = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-02T03:03:35Z"}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": "2026-01-02T03:03:35Z"}}


def test_a_running_pod() -> None:
    status = {
        "phase": "Running",
        "podIPs": [{"ip": "10.244.0.5"}],
        "containerStatuses": [state(ready=True, state=RUNNING)],
    }
    cells = pod(status, {"nodeName": "node-1"})
    assert cells == ["x", "1/1", "Running", "0", "65s", "10.244.0.5", "node-1", "<none>", "<none>"]


def test_a_pod_nobody_has_scheduled() -> None:
    assert pod({"phase": "Pending"}) == ["x", "0/1", "Pending", "0", "65s", *["<none>"] * 4]


def test_a_crashed_container_counts_restarts_since_the_last_one() -> None:
    crashed = state(restartCount=2, state=ENDED, lastState=ENDED)
    assert pod({"phase": "Running", "containerStatuses": [crashed]})[1:4] == ["0/1", "Error", "2 (30s ago)"]


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "CrashLoopBackOff"),
        ({"waiting": {}}, "Pending"),
        (DONE, "Completed"),
        ({"terminated": {"exitCode": 3}}, "ExitCode:3"),
        ({"terminated": {"exitCode": 137, "signal": 9}}, "Signal:9"),
    ],
)
def test_the_status_of_one_container(container: Obj, expected: str) -> None:
    assert pod({"phase": "Pending", "containerStatuses": [state(state=container)]})[2] == expected


def test_a_pod_with_one_container_done_and_one_running() -> None:
    statuses = [state("a", state=DONE), state("b", ready=True, state=RUNNING)]
    spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert pod({"phase": "Running", "containerStatuses": statuses}, spec)[1:3] == ["1/2", "NotReady"]
    assert pod({"phase": "Running", "containerStatuses": statuses, **ready}, spec)[1:3] == ["1/2", "Running"]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({"waiting": {"reason": "PodInitializing"}}, "Init:0/2"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "Init:ImagePullBackOff"),
        (ENDED, "Init:Error"),
        ({"terminated": {"exitCode": 2}}, "Init:ExitCode:2"),
        (DONE, "Init:1/2"),
    ],
)
def test_init_containers_come_first(first: Obj, expected: str) -> None:
    statuses = [state("a", state=first), state("b", state={"waiting": {"reason": "PodInitializing"}})]
    spec = {"initContainers": [{"name": "a"}, {"name": "b"}]}
    assert pod({"phase": "Pending", "initContainerStatuses": statuses}, spec)[2] == expected


def test_a_sidecar_counts_as_a_container() -> None:
    spec = {"initContainers": [{"name": "s", "restartPolicy": "Always"}]}
    status = {
        "phase": "Running",
        "conditions": [{"type": "Initialized", "status": "True"}],
        "initContainerStatuses": [state("s", started=True, ready=True, restartCount=1, state=RUNNING)],
        "containerStatuses": [state(ready=True, state=RUNNING)],
    }
    assert pod(status, spec)[1:4] == ["2/2", "Running", "1"]


def test_terminating_gated_and_lost_pods() -> None:
    going = {"deletionTimestamp": "2026-01-02T03:04:35Z"}
    assert pod({"phase": "Running"}, meta=going)[2] == "Terminating"
    assert pod({"phase": "Succeeded"}, meta=going)[2] == "Succeeded"
    assert pod({"phase": "Running", "reason": "NodeLost"}, meta=going)[2] == "Unknown"
    gated = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
    assert pod({"phase": "Pending", "conditions": [gated]})[2] == "SchedulingGated"


def test_readiness_gates() -> None:
    spec = {"readinessGates": [{"conditionType": "a/b"}, {"conditionType": "c/d"}]}
    assert pod({"conditions": [{"type": "a/b", "status": "True"}]}, spec)[8] == "1/2"


def test_finished_pods_say_so_in_row_conditions() -> None:
    kind = registry().resources["pods"]
    assert kind.row_conditions({"status": {"phase": "Running"}}) == []
    assert kind.row_conditions({"status": {"phase": "Failed"}}) == [
        {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
    ]


def test_a_node() -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "Unknown"}],
        "addresses": [{"type": "Hostname", "address": "x"}, {"type": "InternalIP", "address": "172.18.0.2"}],
        "nodeInfo": {"kubeletVersion": "v1.36.2", "kernelVersion": "6.1", "architecture": "amd64", "osImage": "Debian"},
    }
    labels = {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge"}
    cells = row("nodes", {"metadata": {"labels": labels}, "spec": {"unschedulable": True}, "status": status})
    roles, states = "control-plane,edge", "NotReady,SchedulingDisabled"
    known = ["172.18.0.2", "<none>", "Debian", "6.1 (amd64)", "<unknown>"]
    assert cells == ["x", states, roles, "65s", "v1.36.2", *known]


def test_slices_and_endpoints_list_three_and_count_the_rest() -> None:
    endpoints = [{"addresses": [f"10.244.0.{n}"]} for n in range(5)]
    cells = row(
        "endpointslices", {"addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 80}, {"name": "any"}]}
    )
    assert cells[1:4] == ["IPv4", "80,any", "10.244.0.0,10.244.0.1,10.244.0.2 + 2 more..."]
    assert row("endpointslices", {"addressType": "IPv4", "endpoints": None, "ports": None})[2:4] == ["<unset>"] * 2
    subset = {"addresses": [{"ip": "10.244.0.1"}, {"ip": "10.244.0.2"}], "ports": [{"port": 80}, {"port": 53}]}
    assert row("endpoints", {"subsets": [subset]})[1] == "10.244.0.1:80,10.244.0.2:80,10.244.0.1:53 + 1 more..."
    assert row("endpoints", {})[1] == "<none>"


def test_workloads() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:2"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    status = {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
    wide = ["a,b", "i:1,i:2", "app=web"]
    assert row("deployments", {"spec": spec, "status": status}) == ["x", "1/2", 2, 1, "65s", *wide]
    assert row("replicasets", {"spec": spec, "status": status}) == ["x", 2, 2, 1, "65s", *wide]


def test_an_event() -> None:
    about = {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"}
    event = {
        "involvedObject": about,
        "type": "Normal",
        "reason": "Pulled",
        "message": "done \n",
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-01-02T03:00:05Z",
        "lastTimestamp": "2026-01-02T03:04:00Z",
        "count": 3,
    }
    where = ["pod/web", "spec.containers{c}", "kubelet, node-1"]
    assert row("events", event) == ["5s", "Normal", "Pulled", *where, "done", "4m", 3, "x"]
