"""What a pod asks of a node, against a model that plays its life step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pocketkube.podresources import allocatable, host_ports, ports_conflict, requests

AMOUNTS = st.dictionaries(st.sampled_from(["cpu", "memory"]), st.integers(0, 9))
CONTAINER = st.builds(lambda asked: {"resources": {"requests": asked}}, AMOUNTS)
INIT = st.builds(
    lambda container, sidecar: {**container, **({"restartPolicy": "Always"} if sidecar else {})},
    CONTAINER,
    st.booleans(),
)


def asked(container: dict[str, Any], name: str) -> int:
    amount = container["resources"]["requests"].get(name, 0)
    return amount * 1000 if name == "cpu" else amount


@given(st.lists(CONTAINER, min_size=1, max_size=3), st.lists(INIT, max_size=4))
def test_a_pod_asks_for_what_it_uses_at_its_largest_step(containers: list[Any], inits: list[Any]) -> None:
    found = requests({"containers": containers, "initContainers": inits})
    for name in ("cpu", "memory"):
        running: list[dict[str, Any]] = []
        steps = []
        for init in inits:
            steps.append([*running, init])
            if "restartPolicy" in init:
                running.append(init)
        steps.append([*running, *containers])
        assert found.get(name, 0) == max(sum(asked(container, name) for container in step) for step in steps)


def test_overhead_the_pods_own_requests_and_containers_that_ask_for_nothing() -> None:
    one, silent = {"resources": {"requests": {"cpu": "250m", "memory": "1Mi"}}}, {}
    spec = {"containers": [one, silent], "overhead": {"cpu": "10m"}}
    assert requests(spec) == {"cpu": 260, "memory": 1 << 20}
    assert requests(spec, {"cpu": 100, "memory": 5}) == {"cpu": 360, "memory": (1 << 20) + 5}
    assert requests({**spec, "resources": {"requests": {"cpu": "1"}}}) == {"cpu": 1010, "memory": 1 << 20}


def test_a_node_without_allocatable_has_its_capacity() -> None:
    assert allocatable({"capacity": {"cpu": "2", "pods": "110"}}) == {"cpu": 2000, "pods": 110}
    assert allocatable({"capacity": {"cpu": "2"}, "allocatable": {"cpu": "1500m"}}) == {"cpu": 1500}
    assert allocatable({}) == {}


def test_ports_of_the_host() -> None:
    def of(**port: Any) -> list[tuple[str, str, int]]:
        return host_ports({"containers": [{"ports": [{"containerPort": 80, **port}]}]})

    anywhere, here = of(hostPort=80), of(hostPort=80, hostIP="10.0.0.1")
    assert of() == []
    assert anywhere == [("0.0.0.0", "TCP", 80)]
    assert ports_conflict(anywhere, here)
    assert ports_conflict(here, anywhere)
    assert not ports_conflict(here, of(hostPort=80, hostIP="10.0.0.2"))
    assert not ports_conflict(anywhere, of(hostPort=80, protocol="UDP"))
    step, sidecar = ({"ports": [{"hostPort": 1}]}, {"ports": [{"hostPort": 2}], "restartPolicy": "Always"})
    assert host_ports({"initContainers": [step, sidecar]}) == [("0.0.0.0", "TCP", 2)]
