from collections.abc import Iterator
from typing import Any, cast

import pytest

from kindlab import placeholders
from kindlab.errors import Problem


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
    return placeholders.filled(text, cast(Any, Nodes(*nodes)))


def test_an_answer_may_ask_for_the_address_of_a_node() -> None:
    master = ({placeholders.CONTROL_PLANE: ""}, ["172.18.0.2"])
    worker = ({}, ["fd00::3", "172.18.0.3"])
    assert filled("a ${NODE_ADDRESS}; b ${NODE_ADDRESS}", master, worker) == "a 172.18.0.3; b 172.18.0.3"
    assert filled("a ${NODE_ADDRESS}", master) == "a 172.18.0.2"
    assert filled("nothing to fill in") == "nothing to fill in"
    named = ({placeholders.HOSTNAME: "worker-1"}, ["172.18.0.3"])
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
    assert placeholders.filled("[${POD_ADDRESS beside app=bank}]", api) == "[10.244.1.7]"
    with pytest.raises(Problem, match="No Pod with app=none in namespace beside got an address"):
        placeholders.filled("${POD_ADDRESS beside app=none}", api)


def test_the_limit_of_a_nodes_volumes_is_filled_in() -> None:
    class Nodes:
        def list(self, kind: str) -> list[dict[str, Any]]:
            assert kind == "CSINode"
            driver = {"name": "disks.example", "allocatable": {"count": 25}}
            return [{"spec": {"drivers": drivers}} for drivers in (None, [{"name": "files.example"}, driver])]

    api = cast(Any, Nodes())
    assert placeholders.filled('limit: "${VOLUME_LIMIT disks.example}"', api) == 'limit: "25"'
    with pytest.raises(Problem, match=r"files\.example it takes"):
        placeholders.filled("${VOLUME_LIMIT files.example}", api)
