"""ComponentStatuses: asked for, never written."""

from __future__ import annotations

from tests.unit.pocketkube.apiserver.world import TABLE, World

ALL = "/api/v1/componentstatuses"


async def test_what_the_parts_say(world: World) -> None:
    code, found = await world.get(ALL)
    assert (code, found["kind"], found["metadata"]) == (200, "ComponentStatusList", {})
    healthy = [{"type": "Healthy", "status": "True", "message": "ok"}]
    assert [(one["metadata"], one["conditions"]) for one in found["items"]] == [
        ({"name": name}, healthy) for name in ("etcd-0", "scheduler", "controller-manager")
    ]
    code, one = await world.get(f"{ALL}/scheduler")
    assert (code, one["kind"], one["conditions"]) == (200, "ComponentStatus", healthy)
    _, table = await world.get(ALL, Accept=TABLE)
    assert table["rows"][0]["cells"] == ["etcd-0", "Healthy", "ok", ""]


async def test_there_is_no_other(world: World) -> None:
    code, status = await world.get(f"{ALL}/etcd-7")
    assert (code, status["message"]) == (404, 'componentstatus "etcd-7" not found')
    _, found = await world.get(f"{ALL}?fieldSelector=metadata.name%3Dscheduler")
    assert [one["metadata"]["name"] for one in found["items"]] == ["scheduler"]
    _, found = await world.get(f"{ALL}?labelSelector=a%3Db")
    assert found["items"] == []


async def test_nothing_is_written_or_watched(world: World) -> None:
    code, status = await world.post(ALL, {"metadata": {"name": "x"}})
    assert (code, status["reason"]) == (405, "MethodNotAllowed")
    assert (await world.get(f"{ALL}?watch=true"))[0] == 405
