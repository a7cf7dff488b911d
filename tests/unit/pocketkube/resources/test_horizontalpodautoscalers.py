"""HorizontalPodAutoscalers: what they say when they are wrong, how they are shown, and as autoscaling/v1.

Texts that hpa-01 recorded are replayed from there; the others are those of pkg/apis/autoscaling/validation.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import objects
from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.autoscaler_spec import v1
from pocketkube.resources.base import Resource

KIND = "horizontalpodautoscalers"
WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
HALF = {"type": "Utilization", "averageUtilization": 50}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": HALF}}


@pytest.fixture
def old(held: Registry) -> Resource:
    """The declaration of autoscaling/v1."""
    return held.resources[KIND].other_versions[0](held)


def body(**spec: Any) -> Obj:
    meta = {"name": "x", "namespace": "test"}
    return {"metadata": meta, "spec": {"scaleTargetRef": dict(WEB), "maxReplicas": 3, **spec}}


def of(type_: str, **source: Any) -> Obj:
    return {"metrics": [{"type": type_, type_[:1].lower() + type_[1:]: source}]}


def up(**rules: Any) -> Obj:
    return {"behavior": {"scaleUp": rules}}


VALUE = {"type": "Value", "value": "1"}
POLICY = {"type": "Pods", "value": 1, "periodSeconds": 10}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            {"maxReplicas": -1, "minReplicas": None},
            "maxReplicas: Invalid value: -1: must be greater than or equal to 1",
        ),
        (
            {"scaleTargetRef": {**WEB, "apiVersion": "a/b/c"}},
            'scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        ),
        (
            {"scaleTargetRef": {**WEB, "kind": "a%b"}},
            "scaleTargetRef.kind: Invalid value: \"a%b\": may not contain '%'",
        ),
        (
            of("Resource", name="cpu", target={**HALF, "type": "Half"}),
            'metrics[0].resource.target.type: Invalid value: "Half": '
            "must be either Utilization, Value, or AverageValue",
        ),
        (
            of("Resource", name="cpu", target={"type": "AverageValue", "averageValue": "-5m"}),
            'metrics[0].resource.target.averageValue: Invalid value: "-5m": must be positive',
        ),
        (
            of("ContainerResource", name="cups", container="c", target=HALF),
            'metrics[0].containerResource.name: Invalid value: "cups": must be a standard resource for containers',
        ),
        (
            of("ContainerResource", name="cpu", target=HALF),
            "metrics[0].containerResource.container: Required value: must specify a container",
        ),
        (
            of("Pods", metric={"name": "hits"}, target={"type": "Value", "value": "1"}),
            "metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue",
        ),
        (
            of("Pods", metric={"name": ""}, target={"type": "AverageValue", "averageValue": "1"}),
            "metrics[0].pods.metric.name: Required value: must specify a metric name",
        ),
        (
            of("Object", metric={"name": "hits"}, describedObject=WEB, target={"type": "Value"}),
            "metrics[0].object.target.averageValue: Required value: must set either a target value or averageValue",
        ),
        (
            of(
                "Object", metric={"name": "hits"}, describedObject={"kind": "Pod"}, target={"type": "Value", "value": 1}
            ),
            "metrics[0].object.describedObject.name: Required value",
        ),
        (
            of("External", metric={"name": "q"}, target={"type": "Value", "value": "1", "averageValue": "1"}),
            "metrics[0].external.target.value: Forbidden: "
            "may not set both a target value for metric and a per-pod target",
        ),
        (
            {"metrics": [{**CPU, "pods": {}}]},
            "metrics[0].pods: Forbidden: must populate the given metric source only",
        ),
        (up(policies=[]), "behavior.scaleUp.policies: Required value: must specify at least one Policy"),
        (
            up(policies=[{**POLICY, "type": "Nodes"}]),
            'behavior.scaleUp.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"',
        ),
        (
            up(policies=[{**POLICY, "value": 0}]),
            "behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero",
        ),
        (
            up(policies=[{**POLICY, "periodSeconds": 1801}]),
            "behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
        ),
        (
            up(stabilizationWindowSeconds=-1),
            "behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
        ),
        (
            up(tolerance="-100m"),
            'behavior.scaleUp.tolerance: Invalid value: "-100m": must be greater than or equal to 0',
        ),
    ],
)
def test_what_is_refused(held: Registry, spec: Obj, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        held.create(KIND, body(**spec))
    found = caught.value.message.removeprefix('HorizontalPodAutoscaler.autoscaling "x" is invalid: ')
    assert f"spec.{text}" in found


def test_a_metric_about_a_core_object_and_a_replication_controller_need_no_group(held: Registry) -> None:
    pod = {"kind": "Pod", "name": "p", "apiVersion": "v1"}
    metric = of("Object", metric={"name": "hits"}, describedObject=pod, target={"type": "Value", "value": "1"})
    made = held.create(
        KIND, body(**metric, scaleTargetRef={**WEB, "apiVersion": "v1", "kind": "ReplicationController"})
    )
    assert made["spec"]["minReplicas"] == 1


def test_what_was_wrong_before_may_stay(held: Registry) -> None:
    made = objects.copy(held.create(KIND, body()))
    made["spec"].update(minReplicas=0, scaleTargetRef={**WEB, "apiVersion": ""})
    held.store.update(KIND, made)
    held.patch(KIND, "test", "x", lambda copy: copy["spec"].update(of("External", **_external()), maxReplicas=9))
    with pytest.raises(Invalid, match="must specify API group"):
        held.patch(KIND, "test", "x", lambda copy: copy["spec"]["scaleTargetRef"].update(kind="ReplicaSet"))


def _external() -> Obj:
    return {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}


def test_a_behavior_is_filled_where_it_says_nothing(held: Registry) -> None:
    made = held.create(KIND, body(behavior={"scaleDown": {"policies": [POLICY], "tolerance": "200m"}}))
    assert made["spec"]["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert made["spec"]["behavior"]["scaleDown"] == {"selectPolicy": "Max", "policies": [POLICY], "tolerance": "200m"}


def _shown(held: Registry, metrics: list[Obj], current: list[Obj] | None = None) -> str:
    obj = {**body(metrics=metrics), "status": {"currentMetrics": current}}
    return str(held.resources[KIND].row(obj)[2])


def test_targets_are_shown_as_the_printer_writes_them(held: Registry) -> None:
    current = [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}]
    assert _shown(held, [CPU], current) == "cpu: 12%/50%"
    assert _shown(held, [CPU], [{"type": ""}]) == "cpu: <unknown>/50%"
    assert _shown(held, [], None) == "<none>"
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "100Mi"}}
    used = {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "20Mi"}}}
    assert _shown(held, [{"type": "Resource", "resource": memory}], [used]) == "memory: 20Mi/100Mi"
    hits = {"metric": {"name": "hits"}, "target": {"averageValue": "5"}}
    others = [{"type": "Pods", "pods": hits}, {"type": "External", "external": hits}, {"type": "Magic"}]
    assert _shown(held, others[:2]) == "<unknown>/5, <unknown>/5 (avg)"
    assert _shown(held, others) == "<unknown>/5, <unknown>/5 (avg) + 1 more..."
    assert _shown(held, others[2:]) == "<unknown type>"
    value = {"metric": {"name": "hits"}, "target": {"value": "7"}}
    assert _shown(held, [{"type": "Object", "object": value}]) == "<unknown>/7"


# -- autoscaling/v1


def test_v1_is_a_view(held: Registry, old: Resource) -> None:
    made = held.create(KIND, old.internal({**body(targetCPUUtilizationPercentage=40), "apiVersion": "autoscaling/v1"}))
    assert made["apiVersion"] == "autoscaling/v2"
    assert made["spec"]["metrics"] == [
        {**CPU, "resource": {"name": "cpu", "target": {**HALF, "averageUtilization": 40}}}
    ]
    shown = old.present(made)
    assert shown["spec"] == {"scaleTargetRef": WEB, "minReplicas": 1, "maxReplicas": 3} | {
        "targetCPUUtilizationPercentage": 40
    }
    assert shown["status"] == {"currentReplicas": 0, "desiredReplicas": 0}
    assert "annotations" not in shown["metadata"]
    assert old.row(shown) == held.resources[KIND].row(made)


def test_v1_without_a_target_gets_the_default(held: Registry, old: Resource) -> None:
    made = held.create(KIND, old.internal(body()))
    assert old.present(made)["spec"]["targetCPUUtilizationPercentage"] == 80


@pytest.mark.parametrize("text", ["{", "[1]", '[{"type":7}]', "null", '[{"type":"Resource","resource":"cpu"}]'])
def test_v1_annotations_that_cannot_be_read_are_dropped(old: Resource, text: str) -> None:
    obj = body(targetCPUUtilizationPercentage=50)
    obj["metadata"]["annotations"] = {name: text for name in v1.ANNOTATIONS} | {"mine": "kept"}
    read = old.internal(obj)
    assert read["spec"]["metrics"] == [CPU]
    assert "behavior" not in read["spec"]
    assert read["metadata"]["annotations"] == {"mine": "kept"}


def test_v2_drops_the_annotations_of_v1(held: Registry) -> None:
    obj = body()
    obj["metadata"]["annotations"] = dict.fromkeys(v1.ANNOTATIONS, "[]")
    assert "annotations" not in held.resources[KIND].internal(obj)["metadata"]


def test_texts_of_v1_have_the_order_of_go(old: Resource, held: Registry) -> None:
    """currentMetrics and conditions as a real v1.36.2 wrote them (the order of Go's fields, `<` made safe for HTML)."""
    obj = held.create(KIND, body(metrics=[CPU]))
    when = "2026-01-02T03:04:05Z"
    condition = {"reason": "R", "type": "AbleToScale", "message": "a<b", "status": "True", "lastTransitionTime": when}
    current = {"averageValue": "12m", "averageUtilization": 12}
    status = {"desiredReplicas": 1, "currentReplicas": 1, "conditions": [condition]}
    status["currentMetrics"] = [{"type": "Resource", "resource": {"current": current, "name": "cpu"}}, {"type": ""}]
    shown = old.present({**obj, "status": status})
    assert shown["metadata"]["annotations"] == {
        "autoscaling.alpha.kubernetes.io/current-metrics": '[{"type":"Resource","resource":{"name":"cpu",'
        '"currentAverageUtilization":12,"currentAverageValue":"12m"}},{"type":""}]',
        "autoscaling.alpha.kubernetes.io/conditions": '[{"type":"AbleToScale","status":"True",'
        f'"lastTransitionTime":"{when}","reason":"R","message":"a\\u003cb"}}]',
    }
    assert shown["status"]["currentCPUUtilizationPercentage"] == 12
    assert old.internal(shown)["status"] == status


NAMES = st.sampled_from(["cpu", "memory", "hits"])
AMOUNTS = st.sampled_from(["1", "500m", "100Mi"])
SELECTORS = st.none() | st.just({"matchLabels": {"a": "b"}})


def _metric(name: str, amount: str, percent: int, selector: Obj | None) -> st.SearchStrategy[Obj]:
    about = {"name": name, **({"selector": selector} if selector else {})}
    value, average = {"type": "Value", "value": amount}, {"type": "AverageValue", "averageValue": amount}
    share = {"type": "Utilization", "averageUtilization": percent}
    found = [
        {"type": "Resource", "resource": {"name": "memory", "target": share}},
        {"type": "Resource", "resource": {"name": name, "target": average}},
        {"type": "ContainerResource", "containerResource": {"name": name, "container": "c", "target": share}},
        {"type": "Pods", "pods": {"metric": about, "target": average}},
        {"type": "Object", "object": {"metric": about, "describedObject": WEB, "target": value}},
        {"type": "Object", "object": {"metric": about, "describedObject": WEB, "target": average}},
        {"type": "External", "external": {"metric": about, "target": value}},
        {"type": "External", "external": {"metric": about, "target": average}},
    ]
    return st.sampled_from(found)


METRICS = st.builds(lambda *a: a, NAMES, AMOUNTS, st.integers(1, 200), SELECTORS).flatmap(lambda a: _metric(*a))
RULES = st.builds(
    lambda window, select, tolerance: {
        "selectPolicy": select,
        "policies": [POLICY, {"type": "Percent", "value": 3, "periodSeconds": 7}],
        **({} if window is None else {"stabilizationWindowSeconds": window}),
        **({} if tolerance is None else {"tolerance": tolerance}),
    },
    st.none() | st.integers(0, 3600),
    st.sampled_from(["Max", "Min", "Disabled"]),
    st.none() | st.just("50m"),
)


@given(st.lists(METRICS, max_size=3), st.none() | st.integers(1, 100), st.none() | st.tuples(RULES, RULES))
def test_nothing_is_lost_on_the_way_through_v1(
    metrics: list[Obj], cpu: int | None, rules: tuple[Obj, Obj] | None
) -> None:
    obj = body(minReplicas=1, metrics=list(metrics))
    if cpu is not None or not metrics:
        share = {"type": "Utilization", "averageUtilization": cpu or 80}
        obj["spec"]["metrics"].append({"type": "Resource", "resource": {"name": "cpu", "target": share}})
    if rules is not None:
        obj["spec"]["behavior"] = {"scaleUp": rules[0], "scaleDown": rules[1]}
    obj |= {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    obj["status"] = {"desiredReplicas": 2, "currentReplicas": 1, "currentMetrics": None}
    shown = json.loads(json.dumps(v1.from_v2(obj)))
    assert v1.to_v2(shown) == obj
