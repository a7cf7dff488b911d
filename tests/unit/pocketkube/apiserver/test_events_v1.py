"""Events by way of events.k8s.io/v1: the same ones, told in its words."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.apiserver.world import NAMESPACE, TABLE, World

from pocketkube.objects import Obj

CORE = f"/api/v1/namespaces/{NAMESPACE}/events"
NEW = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
ABOUT = {"kind": "Pod", "namespace": NAMESPACE, "name": "p", "uid": "7"}
TIME = "2026-01-02T03:04:05Z"
OLD: Obj = {
    "metadata": {"name": "p.1"},
    "involvedObject": ABOUT,
    "reason": "Failed",
    "message": "it did",
    "type": "Warning",
    "count": 3,
    "firstTimestamp": TIME,
    "lastTimestamp": TIME,
    "source": {"component": "kubelet", "host": "node-1"},
}


def without_metadata(obj: Any) -> Any:
    return {key: value for key, value in obj.items() if key != "metadata"}


async def test_an_event_of_core_is_told_as_events_v1_calls_it(world: World) -> None:
    code, made = await world.post(CORE, OLD)
    assert code == 201
    code, seen = await world.get(f"{NEW}/p.1")
    assert code == 200
    assert seen["metadata"] == made["metadata"]
    assert without_metadata(seen) == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "regarding": ABOUT,
        "reason": "Failed",
        "note": "it did",
        "type": "Warning",
        "eventTime": None,
        "deprecatedCount": 3,
        "deprecatedFirstTimestamp": TIME,
        "deprecatedLastTimestamp": TIME,
        "deprecatedSource": {"component": "kubelet", "host": "node-1"},
    }


async def test_what_is_written_as_events_v1_is_an_event_of_core(world: World) -> None:
    series = {"count": 2, "lastObservedTime": "2026-01-02T03:04:05.000001Z"}
    told = {
        "metadata": {"name": "q.1"},
        "regarding": ABOUT,
        "related": {"kind": "Node", "name": "node-1"},
        "action": "Binding",
        "reason": "Scheduled",
        "note": "there",
        "type": "Normal",
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": "scheduler",
        "reportingInstance": "scheduler-1",
        "series": series,
    }
    code, made = await world.post(NEW, told)
    assert (code, made["apiVersion"], made["note"]) == (201, "events.k8s.io/v1", "there")
    _, seen = await world.get(f"{CORE}/q.1")
    assert seen["apiVersion"] == "v1"
    assert (seen["involvedObject"], seen["related"]["name"]) == (ABOUT, "node-1")
    assert (seen["message"], seen["reportingComponent"], seen["series"]) == ("there", "scheduler", series)
    assert not set(seen) & {"note", "regarding", "reportingController"}


async def test_lists_and_selectors_of_both(world: World) -> None:
    await world.post(CORE, OLD)
    await world.post(CORE, OLD | {"metadata": {"name": "r.1"}, "involvedObject": ABOUT | {"name": "r"}})
    _, found = await world.get(f"{NEW}?fieldSelector=regarding.name%3Dr")
    assert [one["metadata"]["name"] for one in found["items"]] == ["r.1"]
    assert (found["apiVersion"], found["kind"]) == ("events.k8s.io/v1", "EventList")
    code, refused = await world.get(f"{NEW}?fieldSelector=involvedObject.name%3Dr")
    assert (code, refused["message"]) == (400, "field label not supported: involvedObject.name")
    tables = [(await world.get(path, Accept=TABLE))[1] for path in (CORE, NEW)]
    assert [row["cells"] for row in tables[0]["rows"]] == [row["cells"] for row in tables[1]["rows"]]
    assert tables[0]["rows"]
