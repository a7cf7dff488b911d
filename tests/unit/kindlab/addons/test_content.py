"""What an add-on puts on a cluster: patched, marked, its addresses filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from kindlab.addons import content
from kindlab.addons.model import Addon, Patch
from kindlab.api import Api, Obj
from kindlab.errors import Problem


class Nodes:
    """An Api that knows nodes only."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    def list(self, kind: str) -> list[Obj]:
        assert kind == "Node"
        return [{"status": {"addresses": [{"type": "InternalIP", "address": a}]}} for a in self.addresses]


def nodes(*addresses: str) -> Api:
    return cast(Api, Nodes(*addresses))


def addon(tmp_path: Path, *operations: dict[str, Any], name: str = "web") -> Addon:
    patch = Patch("Deployment", name, "because", operations)
    return Addon("x", tmp_path, "X", "1.0", "x", patches=(patch,) if operations else ())


def deployment() -> Obj:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"args": ["a"]}}


def test_a_patch_changes_the_one_object_it_names(tmp_path: Path) -> None:
    other = {**deployment(), "metadata": {"name": "other"}}
    changed = addon(tmp_path, {"op": "add", "path": "/spec/args/-", "value": "b"})
    found = content.patched(changed, [deployment(), other])
    assert [obj["spec"]["args"] for obj in found] == [["a", "b"], ["a"]]


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ({"op": "add", "path": "/spec/args/-", "value": "b"}, "nobody"),
        ({"op": "replace", "path": "/spec/nothing", "value": 1}, "web"),
        ({"op": "add", "path": "/nothing/deep", "value": 1}, "web"),
        ({"op": "mend", "path": "/spec", "value": 1}, "web"),
    ],
)
def test_a_patch_that_does_not_fit_is_said(tmp_path: Path, operation: dict[str, Any], name: str) -> None:
    with pytest.raises(Problem, match=f"its patch of Deployment {name} does not fit"):
        content.patched(addon(tmp_path, operation, name=name), [deployment()])


def test_all_of_it_is_marked_as_ours_and_addresses_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "pool.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pool, labels: {a: b}}\naddresses: ${POOL}\n"
    )
    [found] = content.objects(addon(tmp_path), nodes("172.18.0.2"), lambda text: None)
    assert found["addresses"] == ["172.18.0.200-172.18.0.250"]
    assert found["metadata"]["labels"] == {
        "a": "b",
        "app.kubernetes.io/managed-by": "kindlab",
        content.LABEL: "x",
    }


@pytest.mark.parametrize(
    ("addresses", "pool"),
    [
        (("10.89.0.4", "10.89.0.2"), ["10.89.0.200-10.89.0.250"]),
        (
            ("172.18.0.2", "fc00:f853:ccd:e793::3"),
            ["172.18.0.200-172.18.0.250", "fc00:f853:ccd:e793::c8-fc00:f853:ccd:e793::fa"],
        ),
    ],
)
def test_the_pool_is_in_the_nodes_network(addresses: tuple[str, ...], pool: list[str]) -> None:
    assert content.pool(nodes(*addresses)) == pool


@pytest.mark.parametrize("addresses", [(), ("172.18.0.2", "172.18.0.200"), ("172.18.0.250",)])
def test_where_there_is_no_room_for_a_pool_it_is_said(addresses: tuple[str, ...]) -> None:
    with pytest.raises(Problem, match="no addresses to give to load balancers"):
        content.pool(nodes(*addresses))
