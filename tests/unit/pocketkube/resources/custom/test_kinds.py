"""Kinds that come and go: in the registry, for in-process clients, over a restart, and in several versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.pocketkube.resources import direct
from tests.unit.pocketkube.resources.custom.definitions import WIDGETS, definition, install, widget

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.errors import Invalid, NotFound
from pocketkube.registry import Registry
from pocketkube.store import Store

SPEC = {"type": "object", "properties": {"size": {"type": "integer", "default": 1}, "color": {"type": "string"}}}
SMALL = {"type": "object", "properties": {"size": {"type": "integer"}}}
ALPHA = {
    "name": "v1alpha1",
    "served": True,
    "storage": False,
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SMALL}}},
}


@pytest.fixture
def held() -> Registry:
    found = direct.registry()
    direct.namespace(found, "ns")
    return found


def test_a_component_may_be_there_before_the_kind(held: Registry) -> None:
    client, seen, kinds = Client(held, "gateway"), [], []
    client.subscribe(WIDGETS, lambda event: seen.append((event.type, objects.name(event.object))))
    client.on_kinds(kinds.append)
    assert client.list(WIDGETS) == []
    assert client.find(WIDGETS, "ns", "a") is None
    with pytest.raises(NotFound):
        client.get(WIDGETS, "ns", "a")
    with pytest.raises(NotFound, match="could not find the requested resource"):
        client.create(WIDGETS, widget("a", {}))
    install(held, definition(SPEC))
    client.create(WIDGETS, widget("a", {"size": 2}))
    assert seen == [("ADDED", "a")]
    assert kinds == [WIDGETS]
    assert WIDGETS in dict(client.kinds())


def test_a_kind_goes_with_its_definition(held: Registry) -> None:
    install(held, definition(SPEC))
    held.delete("customresourcedefinitions", "", WIDGETS)
    finalizers = {"metadata": {"finalizers": None}}
    held.patch("customresourcedefinitions", "", WIDGETS, lambda obj: obj["metadata"].update(finalizers["metadata"]))
    assert WIDGETS not in held.resources
    with pytest.raises(NotFound):
        held.create(WIDGETS, widget("a", {}))


def test_objects_and_their_kind_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first = Registry(Store(path), Clock(), direct.ZONE)
    direct.namespace(first, "ns")
    install(first, definition(SPEC))
    first.create(WIDGETS, widget("a", {}))
    first.store.close()
    second = Registry(Store(path), Clock(), direct.ZONE)
    assert second.get(WIDGETS, "ns", "a")["spec"] == {"size": 1}
    with pytest.raises(Invalid, match="must be of type integer"):
        second.create(WIDGETS, widget("b", {"size": "x"}))
    second.store.close()


def test_a_changed_schema_counts_at_once_for_what_is_stored(held: Registry) -> None:
    install(held, definition(SPEC))
    held.create(WIDGETS, widget("a", {"color": "red"}))
    changed = {**SMALL, "properties": {"size": {"type": "integer"}, "new": {"type": "string", "default": "d"}}}

    def change(obj: objects.Obj) -> None:
        obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = changed

    held.patch("customresourcedefinitions", "", WIDGETS, change)
    assert held.get(WIDGETS, "ns", "a")["spec"] == {"size": 1, "new": "d"}
    assert [o["spec"] for o in held.objects(WIDGETS)] == [{"size": 1, "new": "d"}]
    assert held.store.list(WIDGETS)[0]["spec"] == {"size": 1, "color": "red"}  # rewritten by the next write only


def test_versions_share_their_objects(held: Registry) -> None:
    install(held, definition(SPEC, ALPHA))
    alpha = held.definitions.custom[WIDGETS].versions["v1alpha1"]
    made = held.create(WIDGETS, widget("a", {"size": 3, "color": "red"}, "v1alpha1"))
    assert made["apiVersion"] == "example.com/v1alpha1"
    assert held.store.list(WIDGETS)[0]["apiVersion"] == "example.com/v1"
    stored = held.get(WIDGETS, "ns", "a")
    shown = alpha.present(stored)
    assert (shown["apiVersion"], shown["spec"]) == ("example.com/v1alpha1", {"size": 3})
    before = held.store.revision
    held.patch(WIDGETS, "ns", "a", lambda obj: None, kind=alpha)
    assert held.store.revision == before + 1  # what v1alpha1 does not know is dropped by a write through it
    held.patch(WIDGETS, "ns", "a", lambda obj: None, kind=alpha)
    assert held.store.revision == before + 1


def test_generation_counts_changes_beside_metadata_and_status(held: Registry) -> None:
    install(held, definition(SPEC, subresources={"status": {}}))
    held.create(WIDGETS, widget("a", {}))

    def generation(change: object, subresource: str = "") -> int:
        return held.patch(WIDGETS, "ns", "a", change, subresource=subresource)["metadata"]["generation"]  # type: ignore[arg-type]

    assert generation(lambda obj: obj["metadata"].update(labels={"a": "b"})) == 1
    assert generation(lambda obj: obj.update(status={"x": "y"}), "status") == 1
    assert generation(lambda obj: obj["spec"].update(size=2)) == 2
    assert held.get(WIDGETS, "ns", "a")["status"] == {"x": "y"}


def test_nothing_is_loaded_before_there_is_a_definition() -> None:
    import subprocess
    import sys

    script = (
        "import sys; from tests.unit.pocketkube.resources import direct; direct.registry();"
        "print([m for m in sys.modules if m.startswith('pocketkube.resources.custom.') or m.startswith('cel')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
