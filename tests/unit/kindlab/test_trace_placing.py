"""`kindlab why pod/NAME`, the hop Scheduling: what to do next is about the node where least stands in the way."""

from __future__ import annotations

from typing import Any, cast

from kindlab.api import Api, Obj
from kindlab.trace import placing
from kindlab.trace.hops import Trace

RESERVED = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
OWN = {"key": "gpu", "effect": "NoSchedule"}


class Nodes:
    """The API of a cluster that has these nodes and no Pods."""

    def __init__(self, *nodes: Obj) -> None:
        self.nodes = list(nodes)

    def list(self, kind: str, *_: Any, **__: Any) -> list[Obj]:
        return self.nodes if kind == "Node" else []


def node(name: str, *taints: Obj, cpu: str = "4") -> Obj:
    return {"metadata": {"name": name}, "spec": {"taints": [*taints]}, "status": {"allocatable": {"cpu": cpu}}}


def next_of(cpu: str, *nodes: Obj, init: tuple[Obj, ...] = ()) -> str:
    conditions = [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: ..."}]
    container = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    meta = {"name": "web", "namespace": "shop"}
    pod = {
        "metadata": meta,
        "spec": {"containers": [container], "initContainers": [*init]},
        "status": {"conditions": conditions},
    }
    path = Trace("pod/web", "shop")
    assert not placing.scheduled(cast(Api, Nodes(*nodes)), pod, path)
    assert path.broken is not None
    return path.broken.next


def test_the_taint_that_is_taken_away_is_never_the_control_planes() -> None:
    then = next_of("1", node("first", RESERVED), node("second", OWN))
    assert then.endswith("kubectl taint node second gpu-")


def test_no_room_is_made_where_no_node_is_large_enough() -> None:
    then = next_of("100", node("first", RESERVED), node("second"), node("third", OWN, cpu="8"))
    assert then.startswith("ask for less: no node is that large")


def test_a_node_that_is_too_small_is_not_what_to_work_on() -> None:
    assert next_of("5", node("small"), node("large", OWN, cpu="8")).endswith("kubectl taint node large gpu-")


def test_a_sidecar_runs_while_the_step_after_it_does() -> None:
    sidecar = {"name": "log", "restartPolicy": "Always", "resources": {"requests": {"cpu": "3"}}}
    step = {"name": "load", "resources": {"requests": {"cpu": "2"}}}
    then = next_of("100m", node("first"), init=(sidecar, step))
    assert then.startswith("ask for less: no node is that large")
