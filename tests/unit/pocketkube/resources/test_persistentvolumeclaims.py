"""PersistentVolumeClaims: what is filled in, what may be said, what may change, and what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.golden import scenario
from tests.unit.pocketkube.resources.direct import Replay, namespace, registry

from pocketkube.errors import Forbidden, Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
POPULATOR = {"apiGroup": "example.com", "kind": "Populator", "name": "p"}
ABOVE = (
    'PersistentVolumeClaim "c" is invalid: spec: Forbidden: spec is immutable after creation except '
    "resources.requests and volumeAttributesClassName for bound claims\n"
)


@pytest.fixture
def held() -> Registry:
    made = registry()
    namespace(made, "ns")
    return made


def claim(name: str = "c", size: str = "1Gi", **spec: Any) -> Obj:
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": asked}


def create(held: Registry, obj: Obj) -> Obj:
    return held.create("persistentvolumeclaims", obj)


def change(held: Registry, do: Callable[[Obj], Any], *, subresource: str = "", name: str = "c") -> Obj:
    def apply(obj: Obj) -> None:
        do(obj)

    return held.patch("persistentvolumeclaims", "ns", name, apply, subresource=subresource)


def sized(size: str) -> Callable[[Obj], Any]:
    return lambda obj: obj["spec"]["resources"]["requests"].update(storage=size)


def bind(held: Registry, name: str = "c", capacity: str = "1Gi", space: str = "ns", to: str = "v") -> Obj:
    """What the binder and a controller would write."""

    def spec(obj: Obj) -> None:
        obj["spec"]["volumeName"] = to
        marks = {"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"}
        obj["metadata"].setdefault("annotations", {}).update(marks)

    def status(obj: Obj) -> None:
        obj["status"] = {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": capacity}}

    held.patch("persistentvolumeclaims", space, name, spec)
    return held.patch("persistentvolumeclaims", space, name, status, subresource="status")


def storage_class(held: Registry, name: str, *, expand: bool = False, default: str = "", created: str = "") -> None:
    annotations = {"storageclass.kubernetes.io/is-default-class": default} if default else {}
    obj = {"metadata": {"name": name, "annotations": annotations}, "provisioner": "x", "allowVolumeExpansion": expand}
    made = held.create("storageclasses", obj)
    if created:
        made["metadata"]["creationTimestamp"] = created  # the store hands out what it holds


def causes(error: Invalid) -> list[str]:
    assert error.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in error.details["causes"]]


def refused(held: Registry, obj: Obj) -> list[str]:
    with pytest.raises(Invalid) as found:
        create(held, obj)
    return causes(found.value)


def not_changed(held: Registry, do: Callable[[Obj], Any], *, subresource: str = "") -> list[str]:
    with pytest.raises(Invalid) as found:
        change(held, do, subresource=subresource)
    return causes(found.value)


def test_immutability_as_recorded() -> None:
    """storage-05 without a binder: what it would have written is written where the recording waits for it."""
    replay, wrong = Replay("storage-05-immutability"), {}
    for step in replay.scenario.steps:
        if scenario.kind_of(step) != "rest" or step["id"] == "expanding-events":  # an event of a controller
            continue
        if diffs := replay.step(step):
            wrong[step["id"]] = diffs
        if step["id"] == "create-pvc-x":
            for name, volume in (("c", "golden-st05-a"), ("x", "golden-st05-b")):
                made = bind(replay.registry, name, space=replay.scenario.namespace, to=volume)
                reserve(replay.registry, volume, made)
    assert not wrong


def reserve(held: Registry, name: str, claim: Obj) -> None:
    meta = claim["metadata"]
    ref = {key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion")}

    def spec(obj: Obj) -> None:
        obj["spec"]["claimRef"] = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", **ref}
        obj["metadata"]["annotations"] = {"pv.kubernetes.io/bound-by-controller": "yes"}

    held.patch("persistentvolumes", "", name, spec)
    held.patch("persistentvolumes", "", name, lambda obj: obj["status"].update(phase="Bound"), subresource="status")


def test_a_new_claim_is_pending_and_protected(held: Registry) -> None:
    made = create(held, {**claim(size="1.5Gi"), "status": {"phase": "Bound"}})
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert made["status"] == {"phase": "Pending"}
    assert made["spec"]["volumeMode"] == "Filesystem"
    assert "storageClassName" not in made["spec"]


# -- the default class


def test_of_several_default_classes_the_newest_is_taken_then_the_first_by_name(held: Registry) -> None:
    storage_class(held, "new-b", default="true", created="2026-01-02T00:00:00Z")
    storage_class(held, "new-a", default="true", created="2026-01-02T00:00:00Z")
    storage_class(held, "old", default="true", created="2026-01-01T00:00:00Z")
    storage_class(held, "newest", default="false", created="2026-01-03T00:00:00Z")
    assert create(held, claim())["spec"]["storageClassName"] == "new-a"


def test_a_claim_that_says_which_class_or_that_it_wants_none_keeps_to_it(held: Registry) -> None:
    storage_class(held, "standard", default="true")
    assert create(held, claim("a", storageClassName=""))["spec"]["storageClassName"] == ""
    assert create(held, claim("b", storageClassName="other"))["spec"]["storageClassName"] == "other"
    annotated = claim("d")
    annotated["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "old"}
    assert "storageClassName" not in create(held, annotated)["spec"]


def test_a_claim_without_a_class_may_get_one_later_but_not_another(held: Registry) -> None:
    create(held, claim())
    change(held, lambda obj: obj["spec"].update(storageClassName="standard"))
    (found,) = not_changed(held, lambda obj: obj["spec"].update(storageClassName="other"))
    assert found.startswith("spec: Forbidden: spec is immutable after creation")


def test_a_class_may_move_from_the_annotation_into_the_field(held: Registry) -> None:
    obj = claim()
    obj["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "old"}
    create(held, obj)
    (found,) = not_changed(held, lambda obj: obj["metadata"]["annotations"].clear())
    assert found == (
        'metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid value: "": field is immutable'
    )
    moved = change(
        held, lambda obj: (obj["metadata"]["annotations"].clear(), obj["spec"].update(storageClassName="old"))
    )
    assert moved["spec"]["storageClassName"] == "old"


# -- where the data comes from


@pytest.mark.parametrize("source", [{"kind": "PersistentVolumeClaim", "name": "other"}, SNAPSHOT])
def test_either_field_fills_the_other(held: Registry, source: Obj) -> None:
    for name, field in (("a", "dataSource"), ("b", "dataSourceRef")):
        spec = create(held, claim(name, **{field: dict(source)}))["spec"]
        assert spec["dataSource"] == spec["dataSourceRef"] == source


def test_what_only_the_newer_field_may_name(held: Registry) -> None:
    assert "dataSource" not in create(held, claim("a", dataSource=dict(POPULATOR)))["spec"]
    spec = create(held, claim("b", dataSourceRef=dict(POPULATOR)))["spec"]
    assert spec["dataSource"] == spec["dataSourceRef"] == POPULATOR


def test_data_of_another_namespace_is_not_taken(held: Registry) -> None:
    spec = create(held, claim(dataSourceRef={**SNAPSHOT, "namespace": "elsewhere"}))["spec"]
    assert "dataSource" not in spec
    assert "dataSourceRef" not in spec


def test_rules_for_sources(held: Registry) -> None:
    empty = refused(held, claim(dataSourceRef={"apiGroup": "Bad_Group"}))
    at = [text.partition(": ")[0] for text in empty]
    assert at == [
        f"spec.{field}.{name}" for field in ("dataSource", "dataSourceRef") for name in ("name", "kind", "apiGroup")
    ]
    other = {"kind": "PersistentVolumeClaim", "name": "b"}
    assert refused(held, claim(dataSource=SNAPSHOT, dataSourceRef=other)) == [
        "spec: Invalid value: {}: must match dataSourceRef"
    ]


def test_a_client_that_does_not_know_the_newer_field_can_still_write(held: Registry) -> None:
    create(held, claim(dataSource=dict(SNAPSHOT)))
    changed = change(held, lambda obj: (obj["spec"].pop("dataSourceRef"), obj["metadata"].update(labels={"a": "b"})))
    assert changed["spec"]["dataSourceRef"] == SNAPSHOT
    mismatch, immutable = not_changed(held, lambda obj: obj["spec"].update(dataSource={**SNAPSHOT, "name": "t"}))
    assert mismatch == "spec: Invalid value: {}: must match dataSourceRef"
    assert '-  "Name": "s"\n+  "Name": "t"\n' in immutable


# -- size


def test_only_a_bound_claim_of_an_expandable_class_grows(held: Registry) -> None:
    storage_class(held, "fixed")
    storage_class(held, "growing", expand=True)
    for name, class_ in (("c", "growing"), ("fixed", "fixed"), ("none", "")):
        create(held, claim(name, storageClassName=class_))
        with pytest.raises(Invalid):
            change(held, sized("2Gi"), name=name)
        bind(held, name)
    assert change(held, sized("2Gi"))["spec"]["resources"]["requests"] == {"storage": "2Gi"}
    for name in ("fixed", "none"):
        with pytest.raises(Forbidden) as found:
            change(held, sized("2Gi"), name=name)
        assert found.value.message == (
            f'persistentvolumeclaims "{name}" is forbidden: only dynamically provisioned pvc can be resized and the '
            "storageclass that provisions the pvc must support resize"
        )


def test_a_claim_that_could_not_grow_may_ask_for_less_but_for_more_than_it_has(held: Registry) -> None:
    storage_class(held, "growing", expand=True)
    create(held, claim(storageClassName="growing"))
    bind(held)
    change(held, sized("5Gi"))
    change(held, sized("2Gi"))
    below = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    assert not_changed(held, sized("1Gi")) == [below]
    assert not_changed(held, sized("1")) == [below]


def test_an_amount_written_otherwise_is_no_change(held: Registry) -> None:
    create(held, claim())
    change(held, sized("1024Mi"))


def test_the_difference_shows_the_end_of_the_spec(held: Registry) -> None:
    create(held, claim())
    with pytest.raises(Invalid) as found:
        change(held, lambda obj: obj["spec"].update(volumeAttributesClassName="gold"))
    assert found.value.message == ABOVE + (
        "@@ -14,5 +14,5 @@\n"
        '  "VolumeMode": "Filesystem",\n'
        '  "DataSource": null,\n'
        '  "DataSourceRef": null,\n'
        '- "VolumeAttributesClassName": null\n'
        '+ "VolumeAttributesClassName": "gold"\n'
        " }\n"
    )


def test_a_selector_is_shown_in_its_own_order(held: Registry) -> None:
    expression = {"values": ["x"], "operator": "In", "key": "k"}
    create(held, claim(selector={"matchExpressions": [expression], "matchLabels": {"b": "1", "a": "1"}}))
    (found,) = not_changed(held, lambda obj: obj["spec"]["selector"]["matchLabels"].update(b="2"))
    assert found.split("@@\n")[1] == (
        '  "Selector": {\n'
        '   "matchLabels": {\n'
        '    "a": "1",\n'
        '-   "b": "1"\n'
        '+   "b": "2"\n'
        "   },\n"
        '   "matchExpressions": [\n'
        "    {\n"
    )


def test_a_bound_claim_may_change_its_class_of_attributes(held: Registry) -> None:
    create(held, claim())
    bind(held)
    assert change(held, lambda obj: obj["spec"].update(volumeAttributesClassName="gold"))
    change(held, lambda obj: obj["status"].update(currentVolumeAttributesClassName="gold"), subresource="status")
    why = "is forbidden when status.currentVolumeAttributesClassName is not nil"
    assert not_changed(held, lambda obj: obj["spec"].pop("volumeAttributesClassName")) == [
        f"spec.volumeAttributesClassName: Forbidden: update to nil {why}"
    ]
    assert not_changed(held, lambda obj: obj["spec"].update(volumeAttributesClassName="")) == [
        f"spec.volumeAttributesClassName: Forbidden: update to empty string {why}"
    ]


def test_statuses(held: Registry) -> None:
    create(held, claim())
    status = {
        "phase": "Bound",
        "capacity": {"storage": "-1"},
        "allocatedResourceStatuses": {"storage": "Soon", "cpu": "NodeResizePending", "a.b/c": "NodeResizePending"},
        "allocatedResources": {"storage": "-2", "kubernetes.io/x": "1"},
    }
    states = (
        '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", '
        '"NodeResizePending"'
    )
    assert not_changed(held, lambda obj: obj.update(status=status), subresource="status") == [
        "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity",
        'status.allocatedResourceStatuses: Unsupported value: "cpu": supported values: "storage"',
        f'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: {states}',
        'status.allocatedResources: Unsupported value: "kubernetes.io/x": supported values: "storage"',
        "status.allocatedResources[storage]: Invalid value: -2: must be a valid resource quantity",
    ]
    changed = change(held, lambda obj: obj.update(status={}), subresource="status")
    assert changed["status"] == {"phase": "Pending"}


def test_warnings(held: Registry) -> None:
    obj = claim(size="1500m", resources={"requests": {"storage": "1500m"}, "limits": {"storage": "2500m"}})
    obj["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "c"}
    warnings: list[str] = []
    held.create("persistentvolumeclaims", obj, warn=warnings.append)
    assert warnings == [
        "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; "
        'use "storageClassName" attribute instead',
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
        'spec.resources.limits[storage]: fractional byte value "2500m" is invalid, must be an integer',
    ]


def test_what_the_table_shows(held: Registry) -> None:
    kind = held.resources["persistentvolumeclaims"]
    made = create(held, claim(storageClassName="fast"))
    assert kind.row(made) == ["c", "Pending", "", "", "", "fast", "<unset>", "0s", "Filesystem"]
    assert kind.row(bind(held))[1:5] == ["Bound", "v", "1Gi", "RWO"]
    held.delete("persistentvolumeclaims", "ns", "c")
    assert kind.row(held.get("persistentvolumeclaims", "ns", "c"))[1] == "Terminating"
