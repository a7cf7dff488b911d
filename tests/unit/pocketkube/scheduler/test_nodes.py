"""What pods request, and what is left of a node."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pocketkube.objects import Obj
from pocketkube.podresources import host_ports, requests
from pocketkube.scheduler.nodes import NodeState


def container(cpu: str, *, sidecar: bool = False, port: int = 0, ip: str = "") -> Obj:
    found: Obj = {"name": "c", "resources": {"requests": {"cpu": cpu}}}
    if sidecar:
        found["restartPolicy"] = "Always"
    if port:
        found["ports"] = [{"containerPort": 80, "hostPort": port, **({"hostIP": ip} if ip else {})}]
    return found


def pod(uid: str = "u", **spec: object) -> Obj:
    return {"metadata": {"name": uid, "uid": uid}, "spec": spec}


def test_init_containers_count_by_their_peak_and_sidecars_beside_all() -> None:
    plain = pod(containers=[container("100m"), container("200m")])
    assert requests(plain["spec"]) == {"cpu": 300}
    init = pod(containers=[container("300m")], initContainers=[container("1"), container("500m")])
    assert requests(init["spec"]) == {"cpu": 1000}
    sidecar = [container("100m", sidecar=True), container("1")]
    assert requests({"containers": [container("300m")], "initContainers": sidecar}) == {"cpu": 1100}
    late = [container("350m"), container("100m", sidecar=True)]
    assert requests({"containers": [container("300m")], "initContainers": late}) == {"cpu": 400}


def test_overhead_and_requests_of_the_whole_pod() -> None:
    whole = pod(containers=[container("1")], overhead={"cpu": "50m"}, resources={"requests": {"cpu": "2"}})
    assert requests(whole["spec"]) == {"cpu": 2050}


def test_ports_conflict_on_the_same_address_or_the_wildcard() -> None:
    state = NodeState({"metadata": {"name": "n"}})
    state.add(pod("a", containers=[container("1", port=80, ip="10.0.0.1")]))
    assert state.conflicts(host_ports(dict(containers=[container("1", port=80)])))
    assert state.conflicts(host_ports(dict(containers=[container("1", port=80, ip="10.0.0.1")])))
    assert not state.conflicts(host_ports(dict(containers=[container("1", port=80, ip="10.0.0.2")])))
    assert not state.conflicts(host_ports(dict(containers=[container("1", port=81)])))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=20))
def test_adding_and_removing_leaves_nothing_behind(steps: list[tuple[str, int]]) -> None:
    state = NodeState({"metadata": {"name": "n"}})
    for uid, cores in steps:
        state.add(pod(uid, containers=[container(str(cores), port=cores)]))
    last = dict(steps)
    assert state.requested["cpu"] == 1000 * sum(last.values())
    for uid in last:
        state.remove(uid)
    assert not any(state.requested.values())
    assert not any(state.ports.values())
    assert not any(state.seen.values())
