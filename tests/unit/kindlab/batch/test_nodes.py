"""Names of the student's nodes, as they are here."""

from typing import Any

import pytest

from kindlab.batch.nodes import Here, mapped

HOSTNAME = "kubernetes.io/hostname"


def node(name: str, address: str, *, leads: bool = False) -> dict[str, Any]:
    labels = {HOSTNAME: name} | ({"node-role.kubernetes.io/control-plane": ""} if leads else {})
    addresses = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    return {"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}}


POCKET = Here.of([node("pocket-worker", "172.18.0.3"), node("pocket-control-plane", "172.18.0.2", leads=True)])
LARGE = Here.of([node("a-cp", "10.0.0.1", leads=True), node("b1", "10.0.0.2"), node("b2", "10.0.0.3")])


def volume(*names: str) -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": list(names)}]}]
    return {"kind": "PersistentVolume", "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}


def named(obj: dict[str, Any]) -> list[str]:
    [term] = obj["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    found: list[str] = term["matchExpressions"][0]["values"]
    return found


@pytest.mark.parametrize(
    ("name", "theirs", "here"),
    [
        ("kind-worker", (), "pocket-worker"),
        ("kindlab-worker", ("kindlab-control-plane", "kindlab-worker"), "pocket-worker"),
        ("kindlab-control-plane", ("kindlab-control-plane", "kindlab-worker"), "pocket-control-plane"),
        ("kindlab-worker2", ("kindlab-control-plane", "kindlab-worker", "kindlab-worker2"), "pocket-worker"),
        ("minikube", (), "pocket-worker"),
        ("docker-desktop", ("docker-desktop",), "pocket-worker"),
        ("node-7.example.com", ("node-7.example.com",), "pocket-worker"),
        ("pocket-worker", (), "pocket-worker"),
        ("worker-of-another-cluster", (), "worker-of-another-cluster"),
        ("node-1", (), "node-1"),
        ("kind-worker", ("mine",), "kind-worker"),
    ],
)
def test_a_name_becomes_that_of_a_node_with_the_same_part(name: str, theirs: tuple[str, ...], here: str) -> None:
    obj = volume(name)
    notes = mapped([obj], POCKET, theirs)
    assert named(obj) == [here]
    assert bool(notes) == (name != "pocket-worker")


def test_workers_stay_apart_where_there_are_enough() -> None:
    obj = volume("kind-worker", "kind-worker2", "kind-worker3", "kind-control-plane")
    mapped([obj], LARGE, ())
    assert named(obj) == ["b1", "b2", "b1", "a-cp"]


def test_every_place_that_names_a_node_is_found() -> None:
    spec = {
        "nodeName": "kind-worker",
        "nodeSelector": {HOSTNAME: "kind-worker", "disk": "kind-worker"},
        "affinity": {"x": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["kind-worker"]}]}]},
    }
    mapped([{"kind": "Deployment", "spec": {"template": {"spec": spec}}}], POCKET, ())
    assert spec["nodeName"] == "pocket-worker"
    assert spec["nodeSelector"] == {HOSTNAME: "pocket-worker", "disk": "kind-worker"}
    assert "kind-worker" not in str(spec["affinity"])


def test_the_address_of_an_old_machine_is_a_nodes_here() -> None:
    slice_ = {"kind": "EndpointSlice", "endpoints": [{"addresses": ["192.168.49.2"]}, {"addresses": ["192.0.2.10"]}]}
    ends = {"kind": "Endpoints", "subsets": [{"addresses": [{"ip": "172.18.0.9"}, {"ip": "10.244.1.7"}]}]}
    notes = mapped([slice_, ends], POCKET, ())
    assert [one["addresses"] for one in slice_["endpoints"]] == [["172.18.0.3"], ["192.0.2.10"]]  # type: ignore[index]
    assert [one["ip"] for one in ends["subsets"][0]["addresses"]] == ["172.18.0.3", "10.244.1.7"]  # type: ignore[index]
    assert len(notes) == 2


def test_an_address_that_is_a_nodes_here_stays() -> None:
    slice_ = {"kind": "EndpointSlice", "endpoints": [{"addresses": ["172.18.0.2"]}]}
    assert mapped([slice_], POCKET, ()) == []
    assert slice_["endpoints"] == [{"addresses": ["172.18.0.2"]}]


@pytest.mark.parametrize(
    "spec", [None, 5, {"nodeSelector": 5}, {"nodeName": 5}, {"key": HOSTNAME, "values": [5, None]}]
)
def test_malformed_fields_are_left_as_they_are(spec: Any) -> None:
    assert mapped([{"kind": "Pod", "spec": spec}], POCKET, ()) == []
