"""The registry's own rules: namespaces, preconditions, finalizers, generations, names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.resources.direct import ZONE, namespace, registry

from pocketkube.clock import Clock
from pocketkube.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from pocketkube.fieldmanager.writers import Updater
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions
from pocketkube.store import Event, Store


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "shop")
    return found


def config(name: str = "c", **fields: Any) -> Obj:
    return {"metadata": {"name": name, "namespace": "shop", **fields}, "data": {"a": "1"}}


def finish(held: Registry, name: str) -> None:
    """What the namespace controller does last."""

    def clear(obj: Obj) -> None:
        obj["spec"]["finalizers"] = []

    held.patch("namespaces", "", name, clear, subresource="finalize")


# -- namespaces


def test_a_namespace_is_labelled_and_held_by_its_controller(held: Registry) -> None:
    made = held.get("namespaces", "", "shop")
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}
    assert (made["spec"], made["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def test_a_generated_namespace_name_is_its_label(held: Registry) -> None:
    made = held.create("namespaces", {"metadata": {"generateName": "lab-"}})["metadata"]
    assert made["labels"] == {"kubernetes.io/metadata.name": made["name"]}


def test_a_namespace_goes_when_its_controller_is_done(held: Registry) -> None:
    going, gone = held.delete("namespaces", "", "shop")
    assert not gone
    assert going["status"]["phase"] == "Terminating"
    assert "deletionGracePeriodSeconds" not in going["metadata"]
    again, gone = held.delete("namespaces", "", "shop")
    assert again == going
    assert not gone
    finish(held, "shop")
    assert held.find("namespaces", "", "shop") is None


def test_nothing_new_in_a_namespace_that_goes(held: Registry) -> None:
    held.delete("namespaces", "", "shop")
    with pytest.raises(Forbidden) as refused:
        held.create("configmaps", config())
    assert refused.value.message == (
        'configmaps "c" is forbidden: unable to create new content in namespace shop because it is being terminated'
    )
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        held.create("configmaps", {"metadata": {"name": "c", "namespace": "nowhere"}})


def test_some_namespaces_stay(held: Registry) -> None:
    with pytest.raises(Forbidden, match='namespaces "default" is forbidden: this namespace may not be deleted'):
        held.delete("namespaces", "", "default")


def test_only_finalize_changes_a_namespaces_finalizers(held: Registry) -> None:
    made = held.patch("namespaces", "", "shop", lambda n: n["spec"].clear())
    assert made["spec"] == {"finalizers": ["kubernetes"]}


# -- writing


def test_names_are_unique_and_the_going_still_hold_theirs(held: Registry) -> None:
    held.create("configmaps", config(finalizers=["example.com/hold"]))
    with pytest.raises(AlreadyExists) as refused:
        held.create("configmaps", config())
    assert refused.value.message == 'configmaps "c" already exists'
    held.delete("configmaps", "shop", "c")
    with pytest.raises(AlreadyExists) as refused:
        held.create("configmaps", config())
    assert refused.value.message == 'object is being deleted: configmaps "c" already exists'


def test_generated_names(held: Registry) -> None:
    names = {held.create("configmaps", config("", generateName="x-"))["metadata"]["name"] for _ in range(20)}
    assert len(names) == 20
    assert all(len(name) == 7 and name.startswith("x-") for name in names)


def test_a_stale_write_is_refused(held: Registry) -> None:
    old = held.create("configmaps", config())["metadata"]["resourceVersion"]
    held.update("configmaps", {**config(), "data": {"a": "2"}})
    with pytest.raises(Conflict, match='configmaps "c": the object has been modified'):
        held.update("configmaps", config(resourceVersion=old))


def test_a_lease_is_only_updated_by_those_who_read_it(held: Registry) -> None:
    lease: Obj = {"metadata": {"name": "l", "namespace": "shop"}, "spec": {"holderIdentity": "a"}}
    made = held.update("leases", lease)
    assert made["spec"] == {"holderIdentity": "a"}
    with pytest.raises(Invalid) as refused:
        held.update("leases", {"metadata": {"name": "l", "namespace": "shop"}, "spec": {}})
    assert refused.value.message == (
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: '
        "Invalid value: 0: must be specified for an update"
    )


def test_a_write_without_change_is_not_made(held: Registry) -> None:
    made = held.create("configmaps", config())
    seen: list[Event] = []
    held.subscribe("configmaps", seen.append)
    again = held.update("configmaps", config())
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert not seen


def test_what_the_system_sets_stays(held: Registry) -> None:
    made = held.create("configmaps", config(uid="mine", creationTimestamp="2000-01-01T00:00:00Z", selfLink="/x"))
    assert made["metadata"]["uid"] != "mine"
    assert not made["metadata"]["creationTimestamp"].startswith("2000")
    changed = held.update("configmaps", config(creationTimestamp="2000-01-01T00:00:00Z", labels={"a": "b"}))
    assert changed["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert "selfLink" not in changed["metadata"]


def test_the_generation_counts_changes_of_the_spec(held: Registry) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    held.create("deployments", {"metadata": {"name": "d", "namespace": "shop"}, "spec": spec})

    def generation(change: Any, subresource: str = "") -> Any:
        made = held.patch("deployments", "shop", "d", change, subresource=subresource)
        return made["metadata"]["generation"]

    assert generation(lambda d: d["metadata"].update(labels={"x": "y"})) == 1
    assert generation(lambda d: d["spec"].update(replicas=3)) == 2
    assert generation(lambda d: d["status"].update(replicas=3), "status") == 2
    assert generation(lambda d: d["metadata"].update(annotations={"x": "y"})) == 3


# -- deleting


def test_preconditions_of_a_delete(held: Registry) -> None:
    held.create("configmaps", config())
    with pytest.raises(Conflict, match='ConfigMap "c": the UID in the precondition \\(other\\) does not match'):
        held.delete("configmaps", "shop", "c", DeleteOptions(uid="other"))
    with pytest.raises(Conflict, match='ConfigMap "c": the ResourceVersion in the precondition \\(1\\) does not match'):
        held.delete("configmaps", "shop", "c", DeleteOptions(resource_version="1"))


def test_what_finalizers_hold_is_deleted_as_it_was_stored(held: Registry) -> None:
    held.create("configmaps", config(finalizers=["example.com/hold"]))
    held.delete("configmaps", "shop", "c")
    seen: list[Event] = []
    held.subscribe("configmaps", seen.append)

    def release(obj: Obj) -> None:
        del obj["metadata"]["finalizers"]

    answer = held.patch("configmaps", "shop", "c", release)
    assert "finalizers" not in answer["metadata"]
    assert [(event.type, event.object["metadata"]["finalizers"]) for event in seen] == [
        ("DELETED", ["example.com/hold"])
    ]


@pytest.mark.parametrize(("policy", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_propagation_is_a_finalizer_for_the_garbage_collector(held: Registry, policy: str, finalizer: str) -> None:
    held.create("configmaps", config())
    going, gone = held.delete("configmaps", "shop", "c", DeleteOptions(propagation_policy=policy))
    assert not gone
    assert going["metadata"]["finalizers"] == [finalizer]
    assert held.delete("configmaps", "shop", "c", DeleteOptions(propagation_policy="Background"))[1]


def test_a_dry_run_deletes_nothing(held: Registry) -> None:
    held.create("configmaps", config())
    assert held.delete("configmaps", "shop", "c", dry_run=True)[1]
    assert held.find("configmaps", "shop", "c") is not None


def test_a_finalizer_needs_a_domain_and_none_is_added_late(held: Registry) -> None:
    with pytest.raises(Invalid, match="name is neither a standard finalizer name nor is it fully qualified"):
        held.create("configmaps", config(finalizers=["hold"]))
    held.create("configmaps", config(finalizers=["example.com/hold"]))
    held.delete("configmaps", "shop", "c")
    with pytest.raises(Invalid, match="no new finalizers can be added if the object is being deleted"):
        held.patch("configmaps", "shop", "c", lambda c: c["metadata"].update(finalizers=["example.com/two"]))


def test_changed_metadata_is_looked_at_as_often_as_upstream_does(held: Registry) -> None:
    held.create("configmaps", config())
    held.create("services", {"metadata": {"name": "s", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}})

    def causes(resource: str, name: str) -> int:
        with pytest.raises(Invalid) as refused:
            held.patch(resource, "shop", name, lambda o: o["metadata"].update(annotations={"$": "x"}))
        assert {cause["field"] for cause in refused.value.details["causes"]} == {"metadata.annotations"}
        return len(refused.value.details["causes"])

    assert causes("services", "s") == 3
    assert causes("configmaps", "c") == 4  # validates the whole new object, too


def test_which_kinds_answer_a_delete_with_the_object(held: Registry) -> None:
    """ReturnDeletedObject in upstream's storages; the others answer with a Status. (storage-*: claims and volumes.)"""
    answering = {name for name, kind in held.resources.items() if kind.returns_deleted}
    assert answering == {
        "csidrivers",
        "csinodes",
        "deviceclasses",
        "namespaces",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "podtemplates",
        "resourceclaims",
        "resourceclaimtemplates",
        "resourcequotas",
        "resourceslices",
        "serviceaccounts",
        "services",
        "storageclasses",
        "volumeattachments",
        "volumeattributesclasses",
    }


# -- who owns what


def test_a_write_that_changes_nothing_is_none_also_after_a_restart(tmp_path: Path) -> None:
    first = Registry(Store(tmp_path / "db"), Clock(), ZONE)
    namespace(first, "shop")
    made = first.create("configmaps", config(), by=Updater("me"))
    assert made["metadata"]["managedFields"]
    first.store.close()
    held = Registry(Store(tmp_path / "db"), Clock(), ZONE)
    same = held.patch("configmaps", "shop", "c", lambda obj: None, by=Updater("you"))
    assert same == made
    held.store.close()


def test_who_is_not_named_leaves_owners_as_they_are(held: Registry) -> None:
    made = held.create("configmaps", config(), by=Updater("me"))

    def change(obj: Obj) -> None:
        obj["data"] = {"b": "2"}

    assert (
        held.patch("configmaps", "shop", "c", change)["metadata"]["managedFields"]
        == (made["metadata"]["managedFields"])
    )
    by_you = held.patch("configmaps", "shop", "c", lambda obj: obj["data"].update(b="3"), by=Updater("you"))
    assert [entry["manager"] for entry in by_you["metadata"]["managedFields"]] == ["me", "you"]
