"""The CSINode of a kubelet, and what the registration of a CSI driver writes to its Node: golden csi-01 and csi-09."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.kubelet import csinode
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.storage.driver import NAME, TOPOLOGY_KEY, HostPathDriver
from pocketkube.store import Store

PLUGINS = (
    "kubernetes.io/aws-ebs,kubernetes.io/azure-disk,kubernetes.io/azure-file,kubernetes.io/cinder,kubernetes.io/gce-pd,"
    "kubernetes.io/portworx-volume,kubernetes.io/vsphere-volume"
)


@pytest.fixture
def client() -> Client:
    return Client(Registry(Store(None), Clock(), {}), "kubelet", "node-1")


def make(client: Client) -> Obj:
    return client.create("nodes", {"metadata": {"name": "node-1", "annotations": {"other": "x"}}})


def driver(tmp_path: Path, limit: int = 0) -> dict[str, Any]:
    return {NAME: HostPathDriver(tmp_path / "storage", limit)}


def drivers(client: Client) -> list[Obj]:
    return objects.spec(client.get("csinodes", "", "node-1"))["drivers"] or []


def test_a_node_without_drivers(client: Client) -> None:
    node = make(client)
    csinode.register(client, node, {})
    made = client.get("csinodes", "", "node-1")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": objects.uid(node)}
    assert made["metadata"]["ownerReferences"] == [owner]
    assert made["metadata"]["annotations"] == {"storage.alpha.kubernetes.io/migrated-plugins": PLUGINS}
    assert made["spec"] == {"drivers": None}
    assert objects.annotations(client.get("nodes", "", "node-1")) == {"other": "x"}


def test_a_driver_is_registered(client: Client, tmp_path: Path) -> None:
    csinode.register(client, make(client), driver(tmp_path))
    assert drivers(client) == [{"name": NAME, "nodeID": "node-1", "topologyKeys": [TOPOLOGY_KEY]}]
    node = client.get("nodes", "", "node-1")
    assert objects.labels(node)[TOPOLOGY_KEY] == "node-1"
    assert objects.annotations(node) == {"other": "x", csinode.NODE_ID: '{"hostpath.csi.k8s.io":"node-1"}'}


def test_how_many_volumes_it_takes_is_brought_up_to_date(client: Client, tmp_path: Path) -> None:
    csinode.register(client, make(client), driver(tmp_path, 2))
    assert drivers(client)[0]["allocatable"] == {"count": 2}
    csinode.register(client, client.get("nodes", "", "node-1"), driver(tmp_path, 5))
    assert drivers(client)[0]["allocatable"] == {"count": 5}
    csinode.register(client, client.get("nodes", "", "node-1"), driver(tmp_path))
    assert "allocatable" not in drivers(client)[0]


def test_drivers_of_others_are_left_alone(client: Client, tmp_path: Path) -> None:
    csinode.register(client, make(client), driver(tmp_path))
    foreign = {"name": "csi.example.com", "nodeID": "n", "topologyKeys": None, "allocatable": {"count": 1}}

    def add(copy: Obj) -> None:
        copy["spec"]["drivers"].append(foreign)

    client.patch("csinodes", ("", "node-1"), add)
    for here in (driver(tmp_path), {}):
        csinode.register(client, client.get("nodes", "", "node-1"), here)
        assert {d["name"] for d in drivers(client)} == {"csi.example.com", *here}
        assert foreign in drivers(client)
    assert csinode.NODE_ID not in objects.annotations(client.get("nodes", "", "node-1"))


def test_nothing_is_written_twice(client: Client, tmp_path: Path) -> None:
    csinode.register(client, make(client), driver(tmp_path))
    before = client.registry.store.revision
    csinode.register(client, client.get("nodes", "", "node-1"), driver(tmp_path))
    assert client.registry.store.revision == before


def test_a_node_that_was_deleted_and_made_again_gets_its_own(client: Client, tmp_path: Path) -> None:
    csinode.register(client, make(client), driver(tmp_path))
    client.delete("nodes", ("", "node-1"))
    node = make(client)
    csinode.register(client, node, driver(tmp_path))
    (owner,) = client.get("csinodes", "", "node-1")["metadata"]["ownerReferences"]
    assert owner["uid"] == objects.uid(node)


@pytest.mark.parametrize("nonsense", ["{", "[]", "null", '"x"'])
def test_nonsense_on_the_node_does_not_matter(client: Client, tmp_path: Path, nonsense: str) -> None:
    make(client)
    node = client.patch(
        "nodes", ("", "node-1"), lambda n: n["metadata"]["annotations"].update({csinode.NODE_ID: nonsense})
    )
    csinode.register(client, node, driver(tmp_path))
    assert objects.annotations(client.get("nodes", "", "node-1"))[csinode.NODE_ID] == '{"hostpath.csi.k8s.io":"node-1"}'
