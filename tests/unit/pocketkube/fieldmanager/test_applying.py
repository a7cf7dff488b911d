"""Apply and update on shapes and entries alone; over HTTP it is in apiserver/test_applies.py."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pocketkube.errors import Conflict
from pocketkube.fieldmanager import applying, entries, shapes, tracking
from pocketkube.fieldmanager.entries import Entries
from pocketkube.objects import Obj

CONFIGMAP = shapes.of_kind("v1", "ConfigMap")
SERVICE = shapes.of_kind("v1", "Service")


class Object:
    """An object and its entries, written in turn."""

    def __init__(self, shape: shapes.Shape = CONFIGMAP, **held: Any) -> None:
        self.shape, self.held, self.managed, self.now = shape, dict(held), Entries(), 0

    def apply(self, manager: str, *, force: bool = False, **config: Any) -> Obj:
        self.now += 1
        by = applying.Applier(manager, "v1", force=force)
        self.held, self.managed = applying.apply(self.shape, self.held, self.managed, config, by, f"{self.now}")
        return self.held

    def update(self, manager: str, **new: Any) -> None:
        self.now += 1
        writer = (manager, entries.UPDATE, "v1", "")
        self.managed = tracking.updated(self.managed, writer, self.shape, self.held, new, ignored={}, now=f"{self.now}")
        self.held = new

    def fields(self, manager: str) -> Any:
        return next((one["fieldsV1"] for one in self.managed if one["manager"] == manager), None)

    def time(self, manager: str) -> str:
        return next(one["time"] for one in self.managed if one["manager"] == manager)


def test_what_is_not_applied_again_goes() -> None:
    obj = Object()
    obj.apply("alice", data={"a": "1", "b": "2"})
    assert obj.apply("alice", data={"b": "2"}) == {"data": {"b": "2"}}
    assert obj.fields("alice") == {"f:data": {"f:b": {}}}


def test_what_another_owns_too_stays() -> None:
    obj = Object()
    obj.apply("alice", data={"a": "1"})
    obj.apply("bob", data={"a": "1"})
    assert obj.apply("alice", data={}) == {"data": {"a": "1"}}
    assert obj.fields("bob") == {"f:data": {"f:a": {}}}


def test_what_was_there_before_stays() -> None:
    obj = Object()
    obj.update("before-first-apply", data={"z": "0"})
    obj.apply("alice", data={"a": "1"})
    assert obj.apply("alice") == {"data": {"z": "0"}}


def test_what_an_updater_owns_stays() -> None:
    obj = Object(SERVICE)
    obj.apply("alice", spec={"ports": [{"port": 80}, {"port": 81}]})
    obj.update("carol", spec={"ports": [{"port": 80}, {"port": 81, "name": "b"}]})
    assert obj.apply("alice", spec={"ports": [{"port": 80}]}) == {"spec": {"ports": [{"port": 80}]}}
    assert obj.fields("carol") is None  # a name of a port that has gone


def test_a_conflict_and_force() -> None:
    obj = Object()
    obj.apply("alice", data={"a": "1", "b": "1"})
    with pytest.raises(Conflict) as refused:
        obj.apply("bob", data={"a": "2"})
    assert str(refused.value) == 'Apply failed with 1 conflict: conflict with "alice": .data.a'
    obj.update("carol", data={"a": "1", "b": "3"})
    with pytest.raises(Conflict) as refused:
        obj.apply("bob", data={"a": "2", "b": "2"})
    assert str(refused.value) == (
        'Apply failed with 2 conflicts: conflicts with "alice":\n- .data.a\nconflicts with "carol" using v1:\n- .data.b'
    )
    causes = (refused.value.details or {})["causes"]
    assert causes[0] == {"reason": "FieldManagerConflict", "message": 'conflict with "alice"', "field": ".data.a"}
    assert obj.apply("bob", force=True, data={"a": "2"})["data"]["a"] == "2"
    assert obj.fields("alice") is None


def test_nothing_changed_keeps_the_time() -> None:
    obj = Object()
    obj.apply("alice", data={"a": "1"})
    obj.apply("alice", data={"a": "1"})
    assert obj.time("alice") == "1"
    obj.apply("alice", data={"a": "2"})
    assert obj.time("alice") == "3"


def test_updates_take_what_they_change_and_drop_what_they_remove() -> None:
    obj = Object()
    obj.apply("alice", data={"a": "1", "b": "1", "c": "1"})
    obj.update("carol", data={"a": "2", "c": "1"})
    assert obj.fields("alice") == {"f:data": {"f:c": {}}}
    assert obj.fields("carol") == {"f:data": {"f:a": {}}}
    before = obj.managed
    obj.update("dave", **obj.held)
    assert obj.managed is before


def test_kubectl_goes_on_where_client_side_apply_stopped() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    noted = {"annotations": {applying.LAST_APPLIED: json.dumps(config)}, "name": "c"}
    obj = Object(apiVersion="v1", kind="ConfigMap", metadata={"name": "c"})
    obj.update("kubectl-client-side-apply", **{**config, "metadata": noted})
    with pytest.raises(Conflict):
        obj.apply("bob", **{**config, "data": {"a": "2"}})
    result = obj.apply("kubectl", **{**config, "data": {"a": "2"}})
    assert result["data"] == {"a": "2"}
    note = result["metadata"]["annotations"][applying.LAST_APPLIED]
    assert note.endswith("\n")
    assert json.loads(note)["data"] == {"a": "2"}


def test_a_note_that_is_no_configuration_allows_nothing() -> None:
    obj = Object(metadata={"annotations": {applying.LAST_APPLIED: "["}}, data={"a": "1"})
    obj.update("x", metadata=obj.held["metadata"], data={"a": "0"})
    with pytest.raises(Conflict, match="1 conflict"):
        obj.apply("kubectl", data={"a": "2"})
