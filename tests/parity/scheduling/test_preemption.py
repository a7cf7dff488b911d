"""Pods that go for more important ones. After upstream's e2e tests (test/e2e/scheduling/preemption.go)."""

from __future__ import annotations

import pytest
from tests.parity.network.support import START, Place, seen, watch
from tests.parity.scheduling.support import (
    FAKE,
    Nodes,
    Priorities,
    among,
    expression,
    is_going,
    is_running,
    on,
    pausing,
    replicaset,
    run,
)

from kindlab.api import STRATEGIC_PATCH, Api, ApiError, Obj

FINALIZER = "example.com/test-finalizer"


def occupied(here: Place, nodes: Nodes, low: str, middle: str) -> list[str]:
    """Two pods on each node take four fifths of a resource; the first is the least important. Their names."""
    pods = []
    for i, node in enumerate(nodes.names):
        nodes.advertise(node, 5)
        for j in range(2):
            importance = middle if pods else low
            name = f"pod{i}-{j}"
            pods.append(pausing(name, asks={FAKE: "2"}, priorityClassName=importance, affinity=on(node)))
    run(here, *pods)
    return [pod["metadata"]["name"] for pod in pods]


def test_basic_preemption(here: Place, nodes: Nodes, priorities: Priorities) -> None:
    low, middle, high = (priorities.add(word, value) for word, value in (("low", 1), ("middle", 100), ("high", 1000)))
    first, *others = occupied(here, nodes, low, middle)
    uid = here.require("Pod", first)["metadata"]["uid"]
    (preemptor,) = run(here, pausing("preemptor", asks={FAKE: "2"}, priorityClassName=high))
    assert is_going(here, first)
    assert not any(is_going(here, name) for name in others)
    assert preemptor["spec"]["nodeName"] == nodes.names[0]
    assert preemptor["spec"]["priority"] == 1000
    assert "nominatedNodeName" not in preemptor["status"]

    def told(events: list[Obj]) -> list[Obj]:
        return [e for e in events if e["reason"] == "Preempted" and e["involvedObject"]["uid"] == uid]

    (event,) = here.until("Event", told)
    expected = f"Preempted by pod {preemptor['metadata']['uid']} on node {nodes.names[0]}"
    assert (event["type"], event["message"]) == ("Normal", expected)


def test_a_critical_pod_goes_before_others(api: Api, here: Place, nodes: Nodes, priorities: Priorities) -> None:
    low, middle = priorities.add("low", 1), priorities.add("middle", 100)
    first, *others = occupied(here, nodes, low, middle)
    system = Place(api, "kube-system")
    name = f"critical-{here.namespace[-4:]}"
    try:
        run(system, pausing(name, asks={FAKE: "2"}, priorityClassName="system-cluster-critical"))
        assert is_going(here, first)
        assert not any(is_going(here, other) for other in others)
    finally:
        api.delete("Pod", name, "kube-system", grace=0)


def test_the_preempted_pod_tells_of_it(here: Place, nodes: Nodes, priorities: Priorities) -> None:
    low, high = priorities.add("low", 1), priorities.add("high", 1000)
    node = nodes.names[0]
    nodes.advertise(node, 1)
    victim = pausing("victim", asks={FAKE: "1"}, priorityClassName=low, affinity=on(node))
    victim["metadata"]["finalizers"] = [FINALIZER]
    run(here, victim)
    try:
        here.put(pausing("preemptor", asks={FAKE: "1"}, priorityClassName=high, affinity=on(node)))
        live = here.wait("Pod", "victim", lambda pod: "deletionTimestamp" in pod["metadata"])
        (condition,) = (c for c in live["status"]["conditions"] if c["type"] == "DisruptionTarget")
        assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
        assert condition["message"] == "default-scheduler: preempting to accommodate a higher priority pod"
    finally:
        here.merge("Pod", "victim", {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}})
    here.wait("Pod", "preemptor", is_running, timeout=START)


def test_as_many_go_as_spreading_asks_for(here: Place, nodes: Nodes, priorities: Priorities) -> None:
    if len(nodes.names) < 2:
        pytest.skip("the cluster has one node only")
    low, middle, high = (priorities.add(word, value) for word, value in (("low", 1), ("middle", 100), ("high", 1000)))
    key, label = "example.com/e2e-pts-preemption", {"e2e-pts-preemption": ""}
    two = nodes.names[:2]
    for node in two:
        nodes.label(node, key, node)
        nodes.advertise(node, 10)
    affinity = among(expression(key, "In", *two))
    run(here, pausing("high", labels=label, asks={FAKE: "9"}, priorityClassName=high, affinity=affinity))
    run(
        here,
        *(
            pausing(f"low-{n}", labels=label, asks={FAKE: "3"}, priorityClassName=low, affinity=affinity)
            for n in range(3)
        ),
    )
    constraint = {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchExpressions": [expression("e2e-pts-preemption", "Exists")]},
    }
    # for its resources alone one would have to go
    run(
        here,
        pausing(
            "middle",
            labels=label,
            asks={FAKE: "3"},
            priorityClassName=middle,
            affinity=affinity,
            topologySpreadConstraints=[constraint],
        ),
    )

    def left(pods: list[Obj]) -> set[str] | None:
        return {pod["metadata"]["name"].partition("-")[0] for pod in pods} if len(pods) == 3 else None

    assert here.until("Pod", left) == {"high", "middle", "low"}


def test_replicasets_are_preempted_once_each(here: Place, nodes: Nodes, priorities: Priorities) -> None:
    """The most important pod takes the place of the two least important sets' pods; theirs wait, and no more go."""
    node = nodes.names[0]
    nodes.advertise(node, 1000)
    nodes.label(node, "example.com/chosen", here.namespace)
    spot = {"example.com/chosen": here.namespace}
    classes = [priorities.add(f"p{n}", n) for n in range(1, 5)]
    for n, amount in enumerate(("200", "300", "450"), start=1):
        spec = {"asks": {FAKE: amount}, "priorityClassName": classes[n - 1], "nodeSelector": spot}
        here.put(replicaset(f"rs-pod{n}", 1, **spec))
        here.wait("ReplicaSet", f"rs-pod{n}", lambda rs: rs["status"].get("availableReplicas") == 1, timeout=START)
    before = {pod["metadata"]["uid"]: pod["metadata"]["labels"]["name"] for pod in here.list("Pod")}
    here.put(pausing("pod4", asks={FAKE: "500"}, priorityClassName=classes[3], nodeSelector=spot))
    here.wait("Pod", "pod4", is_running, timeout=START)

    def settled(pods: list[Obj]) -> bool:
        """Only the new pods and the one that stayed are there, and those without a node have been told so."""
        sets = [pod for pod in pods if "name" in pod["metadata"]["labels"]]
        waiting = [pod for pod in sets if not pod["spec"].get("nodeName")]
        return len(sets) == 3 and len(waiting) == 2 and all(pod["status"].get("conditions") for pod in waiting)

    here.until("Pod", settled)
    after = {pod["metadata"]["uid"]: pod["metadata"]["labels"].get("name", "") for pod in here.list("Pod")}
    assert [after[uid] for uid in before if uid in after] == ["rs-pod3"]
    assert sorted(name for uid, name in after.items() if uid not in before and name) == ["rs-pod1", "rs-pod2"]
    preempted = [e for e in here.list("Event") if e["reason"] == "Preempted"]
    assert sorted(before[e["involvedObject"]["uid"]] for e in preempted) == ["rs-pod1", "rs-pod2"]


def test_the_most_important_of_several_preemptors_gets_the_room(
    here: Place, nodes: Nodes, priorities: Priorities
) -> None:
    """A node is full of little pods; of those that come at once the most important ones run in the end."""
    low, middle, high = (priorities.add(word, value) for word, value in (("low", 1), ("middle", 100), ("high", 1000)))
    node = nodes.names[0]
    nodes.advertise(node, 5)
    asks = {FAKE: "1"}
    run(here, *(pausing(f"low-{n}", asks=asks, priorityClassName=low, affinity=on(node)) for n in range(5)))
    wave = [
        pausing(f"{word}-{n}", asks=asks, priorityClassName=chosen, affinity=on(node))
        for n in range(5)
        for word, chosen in (("middle", middle), ("high", high))
    ]
    here.put(*wave)
    for n in range(5):
        here.wait("Pod", f"high-{n}", is_running, timeout=START)

    def settled(pods: list[Obj]) -> bool:
        return sorted(pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName")) == [
            f"high-{n}" for n in range(5)
        ]

    here.until("Pod", settled)


def test_who_never_preempts_waits(here: Place, nodes: Nodes, priorities: Priorities) -> None:
    low, polite = priorities.add("low", 1), priorities.add("polite", 1000, preemptionPolicy="Never")
    node = nodes.names[0]
    nodes.advertise(node, 1)
    run(here, pausing("little", asks={FAKE: "1"}, priorityClassName=low, affinity=on(node)))
    (waiting,) = here.put(pausing("polite", asks={FAKE: "1"}, priorityClassName=polite, affinity=on(node)))
    assert waiting["spec"]["preemptionPolicy"] == "Never"

    def told(pod: Obj) -> bool:
        conditions = pod["status"].get("conditions") or ()
        return any("not eligible due to preemptionPolicy=Never." in c.get("message", "") for c in conditions)

    here.wait("Pod", "polite", told)
    assert not is_going(here, "little")
    here.api.delete("Pod", "little", here.namespace, grace=0)
    here.wait("Pod", "polite", is_running, timeout=START)


# -- PriorityClass endpoints


@pytest.fixture
def two(api: Api, priorities: Priorities) -> list[Obj]:
    names = [priorities.add("p1", 1), priorities.add("p2", 2)]
    return [api.request("GET", api.path("PriorityClass", None, name)) for name in names]


def test_what_may_change_in_a_class(api: Api, two: list[Obj]) -> None:
    first, second = two
    with pytest.raises(ApiError) as caught:
        api.patch("PriorityClass", first["metadata"]["name"], None, {"value": 10}, how=STRATEGIC_PATCH)
    assert caught.value.code == 422
    with pytest.raises(ApiError) as caught:
        api.request("PUT", api.path("PriorityClass", None, second["metadata"]["name"]), {**second, "value": 20})
    assert "may not be changed in an update." in caught.value.message
    text = {"description": "updated description"}
    api.patch("PriorityClass", first["metadata"]["name"], None, text, how=STRATEGIC_PATCH)
    api.request("PUT", api.path("PriorityClass", None, second["metadata"]["name"]), {**second, **text})
    listed = {found["metadata"]["name"]: found for found in api.list("PriorityClass")}
    assert {"system-cluster-critical", "system-node-critical"} <= listed.keys()
    for old in two:
        live = listed[old["metadata"]["name"]]
        assert (live["value"], live["description"]) == (old["value"], "updated description")
        assert int(live["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
        assert live["metadata"]["generation"] == 1


def test_classes_go_as_a_collection_and_are_watched(api: Api, two: list[Obj]) -> None:
    query = {"labelSelector": f"e2e={two[0]['metadata']['labels']['e2e']}"}
    listing = api.request("GET", api.path("PriorityClass", None), query=query)
    events = watch(
        api, api.path("PriorityClass", None), resourceVersion=listing["metadata"]["resourceVersion"], **query
    )
    api.request("DELETE", api.path("PriorityClass", None), query=query)
    gone = {seen(events, "DELETED")["metadata"]["name"] for _ in two}
    assert gone == {found["metadata"]["name"] for found in two}
