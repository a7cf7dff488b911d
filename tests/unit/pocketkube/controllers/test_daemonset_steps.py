"""A DaemonSet's steps in a model of a cluster: whatever happens in which order, the promises of an update hold."""

from __future__ import annotations

from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pocketkube import objects
from pocketkube.controllers import pods
from pocketkube.controllers.daemonset_history import HASH
from pocketkube.controllers.daemonset_look import Look
from pocketkube.controllers.daemonset_pods import new_pod, oldest_first, tolerant
from pocketkube.controllers.daemonset_steps import FIRST_REST, LONGEST_REST, Failures, placing, updating
from pocketkube.objects import Obj


def daemonset(unavailable: int | str, surge: int | str) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "test", "uid": "u", "generation": 1},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "c"}]}},
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": unavailable, "maxSurge": surge},
            },
        },
    }


class Model:
    """Nodes with pods that get ready and go when they are told to."""

    def __init__(self, found: Obj, nodes: int) -> None:
        self.found = found
        self.nodes = [{"metadata": {"name": f"n{number}"}, "spec": {}} for number in range(nodes)]
        self.pods: dict[str, Obj] = {}
        self.hash = "old"
        self.failures = Failures()
        self._numbers = count()

    def look(self) -> Look:
        return Look(self.found, self.nodes, self.pods.values(), self.hash, 0.0)

    def step(self) -> bool:
        """What the controller does with one look; whether that is anything."""
        look = self.look()
        steps = placing(look, self.failures) or updating(look)
        for node in steps.create:
            name = f"p{next(self._numbers):04}"
            pod = new_pod(self.found, node, self.hash)
            pod["metadata"].update(name=name, uid=name, creationTimestamp=name)
            pod["spec"]["nodeName"] = node
            self.pods[name] = pod
        for pod in steps.delete:
            pod["metadata"]["deletionTimestamp"] = "now"
        return bool(steps)

    def get_ready(self, pod: Obj) -> None:
        pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}

    def go(self, pod: Obj) -> None:
        del self.pods[objects.name(pod)]

    def available(self) -> int:
        there = [pod for pod in self.pods.values() if not objects.is_terminating(pod) and pods.is_ready(pod)]
        return len({pod["spec"]["nodeName"] for pod in there})

    def settle(self) -> None:
        for _ in range(200):
            for pod in list(self.pods.values()):
                if objects.is_terminating(pod):
                    self.go(pod)
                else:
                    self.get_ready(pod)
            if not self.step():
                return
        raise AssertionError("it comes to no end")


strategies = st.one_of(
    st.tuples(st.integers(1, 4) | st.sampled_from(["1%", "40%", "100%"]), st.just(0)),
    st.tuples(st.just(0), st.integers(1, 4) | st.sampled_from(["1%", "40%", "100%"])),
)


@given(st.integers(1, 6), strategies, st.data())
def test_an_update_keeps_its_promises_and_comes_to_its_end(
    nodes: int, strategy: tuple[int | str, int | str], data: Any
) -> None:
    model = Model(daemonset(*strategy), nodes)
    model.settle()
    assert model.available() == nodes
    model.hash = "new"
    look = model.look()
    least = nodes if look.surge else nodes - look.max_unavailable
    for _ in range(data.draw(st.integers(0, 30))):
        act = data.draw(st.sampled_from(["step", "ready", "go"]))
        if act == "step":
            model.step()
        pending = [pod for pod in model.pods.values() if not pods.is_ready(pod)]
        going = [pod for pod in model.pods.values() if objects.is_terminating(pod)]
        if act == "ready" and pending:
            model.get_ready(data.draw(st.sampled_from(pending)))
        if act == "go" and going:
            model.go(data.draw(st.sampled_from(going)))
        assert model.available() >= least
        by_node: dict[str, int] = {}
        for pod in model.pods.values():
            if not objects.is_terminating(pod):
                by_node[pod["spec"]["nodeName"]] = by_node.get(pod["spec"]["nodeName"], 0) + 1
        double = [node for node, number in by_node.items() if number > 1]
        assert max(by_node.values(), default=0) <= (2 if look.surge else 1)
        assert len(double) <= look.surge
    model.settle()
    assert sorted(pod["spec"]["nodeName"] for pod in model.pods.values()) == [f"n{n}" for n in range(nodes)]
    assert {objects.labels(pod)[HASH] for pod in model.pods.values()} == {"new"}
    assert not model.step()


@given(st.integers(1, 5), st.data())
def test_nodes_that_are_tainted_at_random_end_with_the_pods_they_should_have(nodes: int, data: Any) -> None:
    model = Model(daemonset(1, 0), nodes)
    for _ in range(data.draw(st.integers(0, 15))):
        node = data.draw(st.sampled_from(model.nodes))
        effect = data.draw(st.sampled_from(["", "NoSchedule", "NoExecute", "PreferNoSchedule"]))
        node["spec"]["taints"] = [{"key": "x", "effect": effect}] if effect else []
        model.step()
    model.settle()
    wanted, there = set(model.look().wanted), [pod["spec"]["nodeName"] for pod in model.pods.values()]
    assert len(there) == len(set(there))
    assert wanted <= set(there)
    for node in model.nodes:
        name = objects.name(node)
        if name in there and name not in wanted:
            assert node["spec"]["taints"][0]["effect"] == "NoSchedule", "it was there before the taint"


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=40))
def test_failed_pods_rest_longer_each_time_and_start_anew_after_long_enough(gaps: list[float]) -> None:
    failures, found = Failures(), {"metadata": {"uid": "u"}, "status": {}}
    now = last = 1e9
    rest = 0.0
    for gap in gaps:
        now += gap
        wait = failures.wait(found, "n", now)
        if rest and now < last + rest:
            assert abs(wait - (last + rest - now)) < 1e-6
            continue
        assert wait == 0
        expired = now > last + 2 * LONGEST_REST
        rest = FIRST_REST if not rest or expired else min(rest * 2, LONGEST_REST)
        last = now
    assert failures.wait(found, "other", now) == 0


def test_tolerations_are_added_once() -> None:
    once = tolerant({"hostNetwork": True, "tolerations": [{"operator": "Exists"}]})
    assert tolerant(once) == once
    assert len(once["tolerations"]) == 8


def test_scheduled_pods_come_first_then_old_ones() -> None:
    def pod(name: str, created: str, node: str = "") -> Obj:
        return {"metadata": {"name": name, "creationTimestamp": created}, "spec": {"nodeName": node} if node else {}}

    given_pods = [pod("d", "1"), pod("c", "2", "n"), pod("b", "1", "n"), pod("a", "2", "n")]
    assert [objects.name(found) for found in oldest_first(given_pods)] == ["b", "a", "c", "d"]
