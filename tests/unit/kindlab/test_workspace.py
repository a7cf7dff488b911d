from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from kindlab import workspace
from kindlab.errors import Problem

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def test_yaml_json_and_lists_are_read() -> None:
    pod = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}'
    as_list = '{"apiVersion": "v1", "kind": "List", "items": [' + pod + "]}"
    assert [o["metadata"]["name"] for o in workspace.parse(POD + "---\n---\n" + POD, "x.yaml")] == ["a", "a"]
    assert [o["metadata"]["name"] for o in workspace.parse(as_list, "x.json")] == ["b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: Pod\n  bad: indent\n", r"x.yaml, line 2, column 6: this is not valid YAML"),
        ("just words", "is not a Kubernetes object"),
        ("kind: Pod\napiVersion: v1\n", "a Pod has no metadata.name"),
        ('{"kind": ', "x.yaml: this is not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        workspace.parse(text, "x.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_bytes(b"a: \xff")
    with pytest.raises(Problem, match=r"web\.yaml is not text in UTF-8"):
        workspace.read([tmp_path / "web.yaml"])


class Nodes:
    """An API with nodes of (labels, InternalIPs)."""

    def __init__(self, *nodes: tuple[dict[str, str], list[str]]) -> None:
        self.nodes = nodes

    def list(self, kind: str) -> list[dict[str, Any]]:
        assert kind == "Node"
        return [
            {
                "metadata": {"name": "n", "labels": labels},
                "status": {
                    "addresses": [
                        {"type": "Hostname", "address": "a"},
                        *({"type": "InternalIP", "address": address} for address in addresses),
                    ]
                },
            }
            for labels, addresses in self.nodes
        ]


def filled(text: str, *nodes: tuple[dict[str, str], list[str]]) -> str:
    return workspace.filled(text, cast(Any, Nodes(*nodes)))


def test_an_answer_may_ask_for_the_address_of_a_node() -> None:
    master = ({workspace.CONTROL_PLANE: ""}, ["172.18.0.2"])
    worker = ({}, ["fd00::3", "172.18.0.3"])
    assert filled("a ${NODE_ADDRESS}; b ${NODE_ADDRESS}", master, worker) == "a 172.18.0.3; b 172.18.0.3"
    assert filled("a ${NODE_ADDRESS}", master) == "a 172.18.0.2"
    assert filled("nothing to fill in") == "nothing to fill in"
    named = ({workspace.HOSTNAME: "worker-1"}, ["172.18.0.3"])
    assert filled("on ${NODE_NAME} at ${NODE_ADDRESS}", master, named) == "on worker-1 at 172.18.0.3"
    assert filled("on ${NODE_NAME}", master) == "on n"
    with pytest.raises(Problem, match="No node of this cluster has an IPv4 address"):
        filled("${NODE_ADDRESS}", ({}, ["fd00::3"]))


class Comers:
    """An API with one Pod that has no address at first."""

    def follow(self, kind: str, namespace: str, *, labels: str, timeout: float) -> Iterator[dict[str, Any]]:
        assert (kind, namespace) == ("Pod", "beside")
        yield {}
        if labels == "app=bank":
            yield {"bank": {"metadata": {"name": "bank"}}}
            yield {"bank": {"metadata": {"name": "bank"}, "status": {"podIP": "10.244.1.7"}}}


def test_an_answer_may_ask_for_the_address_of_a_pod() -> None:
    api = cast(Any, Comers())
    assert workspace.filled("[${POD_ADDRESS beside app=bank}]", api) == "[10.244.1.7]"
    with pytest.raises(Problem, match="No Pod with app=none in namespace beside got an address"):
        workspace.filled("${POD_ADDRESS beside app=none}", api)


class Starting:
    """An API that shows a Deployment before its Pods are made, and Pods that are pulled, one of which fits nowhere."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def follow(self, kind: str, namespace: str, *, timeout: float) -> Any:
        def pod(state: str) -> Any:
            if state == "nowhere":
                return {"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}}
            return {"status": {"phase": state}}

        steps: dict[str, list[Any]] = {
            "Deployment": [{"spec": {"replicas": 2}, "status": {"replicas": n}} for n in (0, 1, 2, 2)],
            "Pod": [pod(state) for state in ("Pending", "Pending", "nowhere", "Running")],
        }
        for number, obj in enumerate(steps[kind]):
            self.shown.append(f"{kind} {number}")
            yield {f"{namespace}/a": obj}


def test_a_lab_has_begun_when_its_pods_run_or_cannot() -> None:
    api = Starting()
    workspace._wait_for_first_pods(cast(Any, api), ["01-lab"])
    assert api.shown == ["Deployment 0", "Deployment 1", "Deployment 2", "Pod 0", "Pod 1", "Pod 2"]


def test_the_limit_of_a_nodes_volumes_is_filled_in() -> None:
    class Nodes:
        def list(self, kind: str) -> list[dict[str, Any]]:
            assert kind == "CSINode"
            driver = {"name": "disks.example", "allocatable": {"count": 25}}
            return [{"spec": {"drivers": drivers}} for drivers in (None, [{"name": "files.example"}, driver])]

    api = cast(Any, Nodes())
    assert workspace.filled('limit: "${VOLUME_LIMIT disks.example}"', api) == 'limit: "25"'
    with pytest.raises(Problem, match=r"files\.example it takes"):
        workspace.filled("${VOLUME_LIMIT files.example}", api)
