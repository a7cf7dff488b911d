"""StatefulSets and ControllerRevisions: what they say when they are wrong, and what may change of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry

FIXED = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' "
    "are forbidden"
)
CLAIM: Obj = {
    "metadata": {"name": "data"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def body(**spec: Any) -> Obj:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    whole = {"serviceName": "web", "selector": {"matchLabels": labels}, "template": template, **spec}
    return {"metadata": {"name": "web", "namespace": "test"}, "spec": objects.copy(whole)}


def template(**spec: Any) -> Obj:
    made: Obj = body()["spec"]["template"]
    made["spec"].update(spec)
    return made


def create(held: Registry, obj: Obj) -> tuple[Obj, list[str]]:
    warnings: list[str] = []
    return held.create("statefulsets", obj, warn=warnings.append), warnings


def refusal(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        call()
    causes = (caught.value.details or {})["causes"]
    return [f"{cause['field']}: {cause['message']}" for cause in causes]


@pytest.mark.parametrize(
    ("spec", "texts"),
    [
        (
            {"podManagementPolicy": "Sorted"},
            ["spec.podManagementPolicy: Invalid value: \"Sorted\": must be 'OrderedReady' or 'Parallel'"],
        ),
        (
            {"updateStrategy": {"type": "Recreate"}},
            [
                'spec.updateStrategy: Invalid value: {"Type":"Recreate","RollingUpdate":null}: '
                "must be 'RollingUpdate' or 'OnDelete'"
            ],
        ),
        (
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}},
            [
                'spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: '
                "only allowed for updateStrategy 'RollingUpdate'"
            ],
        ),
        (
            {"updateStrategy": {"rollingUpdate": {"partition": -1}}},
            ["spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            {"replicas": -1, "minReadySeconds": -2, "ordinals": {"start": -3}},
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0",
                "spec.ordinals.start: Invalid value: -3: must be greater than or equal to 0",
            ],
        ),
        (
            {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}},
            [
                'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": '
                'supported values: "Retain", "Delete"'
            ],
        ),
        (
            {"selector": {"matchLabels": {"app": "else"}}},
            [
                'spec.template.metadata.labels: Invalid value: {"app":"web"}: '
                "`selector` does not match template `labels`"
            ],
        ),
        ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for statefulset"]),
        (
            {"template": template(restartPolicy="Never")},
            ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
        ),
        (
            {"template": template(activeDeadlineSeconds=5)},
            [
                "spec.template.spec.activeDeadlineSeconds: Forbidden: "
                "activeDeadlineSeconds in StatefulSet is not Supported"
            ],
        ),
        (
            {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]},
            [
                "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required",
                "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value",
            ],
        ),
    ],
)
def test_what_is_wrong_is_told_in_upstream_s_words(held: Registry, spec: Obj, texts: list[str]) -> None:
    assert refusal(lambda: create(held, body(**spec))) == texts


def test_a_governing_service_s_name_is_a_label(held: Registry) -> None:
    [text] = refusal(lambda: create(held, body(serviceName="a.b")))
    assert text.startswith('spec.serviceName: Invalid value: "a.b": must not contain dots')


def test_a_name_makes_host_names(held: Registry) -> None:
    wrong = body()
    wrong["metadata"]["name"] = "my.web"
    [text] = refusal(lambda: create(held, wrong))
    assert text == 'metadata.name: Invalid value: "my.web": must not contain dots'


def test_wrong_labels_are_told_twice_as_upstream_does(held: Registry) -> None:
    wrong = template()
    wrong["metadata"]["labels"]["b@d"] = "x"
    texts = refusal(lambda: create(held, body(template=wrong)))
    assert len(texts) == 2
    assert texts[0] == texts[1]


def test_names_that_the_controller_writes_anyway_are_not_judged(held: Registry) -> None:
    stored, _ = create(held, body(template=template(hostname="No Label", subdomain="No Label")))
    assert stored["spec"]["template"]["spec"]["hostname"] == "No Label"


def test_mounts_may_name_claim_templates(held: Registry) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    with_mount = template(containers=[{"name": "c", "image": "nginx", "volumeMounts": mounts}])
    assert refusal(lambda: create(held, body(template=with_mount))) == [
        'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"'
    ]
    stored, _ = create(held, body(template=with_mount, volumeClaimTemplates=[CLAIM]))
    [claim] = stored["spec"]["volumeClaimTemplates"]
    assert (claim["kind"], claim["apiVersion"], claim["status"]) == (
        "PersistentVolumeClaim",
        "v1",
        {"phase": "Pending"},
    )
    assert claim["spec"]["volumeMode"] == "Filesystem"


def test_max_unavailable_is_dropped_while_its_gate_is_off(held: Registry) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "0%"}}
    stored, _ = create(held, body(updateStrategy=strategy))
    assert stored["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def test_a_rolling_update_without_parameters_stays_without(held: Registry) -> None:
    stored, _ = create(held, body(updateStrategy={"type": "RollingUpdate"}))
    assert stored["spec"]["updateStrategy"] == {"type": "RollingUpdate"}


CHANGES: list[tuple[str, Any, bool]] = [
    ("replicas", 5, True),
    ("minReadySeconds", 5, True),
    ("ordinals", {"start": 3}, True),
    ("revisionHistoryLimit", 2, True),
    ("updateStrategy", {"type": "OnDelete"}, True),
    ("persistentVolumeClaimRetentionPolicy", {"whenDeleted": "Delete", "whenScaled": "Retain"}, True),
    ("template", template(terminationGracePeriodSeconds=1), True),
    ("serviceName", "other", False),
    ("podManagementPolicy", "Parallel", False),
    ("selector", {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]}, False),
    ("volumeClaimTemplates", [], False),
]


@pytest.mark.parametrize(("field", "value", "allowed"), CHANGES)
def test_what_may_change(held: Registry, field: str, value: Any, allowed: bool) -> None:
    create(held, body(volumeClaimTemplates=[CLAIM]))

    def change() -> Obj:
        return held.patch("statefulsets", "test", "web", lambda obj: obj["spec"].update({field: value}))

    if allowed:
        assert change()["metadata"]["generation"] == 2
    else:
        assert refusal(change) == [FIXED]


def test_a_negative_history_limit_is_warned_about(held: Registry) -> None:
    _, warnings = create(held, body(revisionHistoryLimit=-1))
    assert warnings == [
        "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
    ]


def test_a_status_must_add_up(held: Registry) -> None:
    stored, _ = create(held, body())
    status = {"replicas": 1, "readyReplicas": 2, "currentReplicas": 2, "updatedReplicas": 2, "availableReplicas": 3}

    def write() -> None:
        held.update("statefulsets", {**objects.copy(stored), "status": status}, subresource="status")

    too_many = "cannot be greater than status.replicas"
    assert refusal(write) == [
        f"status.readyReplicas: Invalid value: 2: {too_many}",
        f"status.currentReplicas: Invalid value: 2: {too_many}",
        f"status.updatedReplicas: Invalid value: 2: {too_many}",
        f"status.availableReplicas: Invalid value: 3: {too_many}",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.readyReplicas",
    ]


# -- ControllerRevisions


def revision(**fields: Any) -> Obj:
    return {"metadata": {"name": "one", "namespace": "test"}, "data": {"a": 1}, "revision": 1, **fields}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"data": None}, "data: Required value: data is mandatory"),
        ({"data": [1]}, "data: Required value: data must be a valid JSON object"),
        ({"revision": -1}, "revision: Invalid value: -1: must be greater than or equal to 0"),
    ],
)
def test_a_revision_has_a_number_and_data(held: Registry, fields: Obj, text: str) -> None:
    assert refusal(lambda: held.create("controllerrevisions", revision(**fields))) == [text]


def test_a_revision_s_data_stays(held: Registry) -> None:
    held.create("controllerrevisions", revision())
    change = {"data": {"a": 2}}
    assert refusal(lambda: held.patch("controllerrevisions", "test", "one", lambda obj: obj.update(change))) == [
        'data: Invalid value: {"a":2}: field is immutable'
    ]
    moved = held.patch("controllerrevisions", "test", "one", lambda obj: obj.update(revision=7))
    assert moved["revision"] == 7


def test_a_revision_s_row_names_its_controller(held: Registry) -> None:
    stored, _ = create(held, body())
    meta = {"name": "web-1", "namespace": "test", "ownerReferences": [objects.owner_reference(stored)]}
    owned = held.create("controllerrevisions", revision(metadata=meta))
    alone = held.create("controllerrevisions", revision())
    kind = held.resources["controllerrevisions"]
    assert kind.row(owned)[:3] == ["web-1", "statefulset.apps/web", 1]
    assert kind.row(alone)[1] == "<none>"
