"""Pods: what is put into them, what may change, how they go."""

from __future__ import annotations

from typing import Any

import pytest
from tests.golden import scenario
from tests.unit.pocketkube.resources.direct import Replay, namespace, registry

from pocketkube import duration
from pocketkube.errors import Conflict, Forbidden, Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions
from pocketkube.resources.pod_spec import defaults
from pocketkube.resources.pod_spec.admission import TOKEN_PATH
from pocketkube.resources.pod_spec.quality import qos_class
from pocketkube.store import Event


@pytest.fixture
def held() -> Registry:
    found = registry()
    namespace(found, "shop")
    return found


def pod(name: str = "p", meta: Obj | None = None, **spec: Any) -> Obj:
    containers = spec.pop("containers", None) or [{"name": "c", "image": "nginx:1.27"}]
    return {"metadata": {"name": name, "namespace": "shop", **(meta or {})}, "spec": {"containers": containers, **spec}}


def bound(held: Registry, **spec: Any) -> Obj:
    held.create("pods", pod(**spec))
    return held.patch("pods", "shop", "p", lambda p: p["spec"].update(nodeName="node-1"), subresource="binding")


@pytest.mark.parametrize("said", [{}, {"service": None}, {"service": "health"}])
def test_a_grpc_probe_always_has_a_service(held: Registry, said: Obj) -> None:
    """kubectl describe reads it without looking, and panics where there is none."""
    probed = {"name": "c", "image": "i:1", "livenessProbe": {"grpc": {"port": 80, **said}}}
    made = held.create("pods", pod(containers=[probed]))
    assert made["spec"]["containers"][0]["livenessProbe"]["grpc"] == {"port": 80, "service": said.get("service") or ""}


# -- admission


def test_a_placed_pod_knows_the_zone_and_region_of_its_node(held: Registry) -> None:
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    labels = {zone: "a", region: "r", "kubernetes.io/hostname": "node-1"}
    held.create("nodes", {"metadata": {"name": "node-1", "labels": labels}})
    mine = {zone: "elsewhere", "app": "web"}
    expected = {zone: "a", region: "r", "app": "web"}
    assert (
        held.create("pods", pod("at-once", {"labels": dict(mine)}, nodeName="node-1"))["metadata"]["labels"] == expected
    )
    held.create("pods", pod("p", {"labels": dict(mine)}))
    made = held.patch("pods", "shop", "p", lambda p: p["spec"].update(nodeName="node-1"), subresource="binding")
    assert made["metadata"]["labels"] == expected
    assert made["metadata"]["generation"] == 1
    assert "labels" not in held.create("pods", pod("lost", nodeName="nowhere"))["metadata"]


def test_the_token_is_mounted_once_and_where_it_is_wanted(held: Registry) -> None:
    own = {"name": "b", "image": "i:1", "volumeMounts": [{"name": "v", "mountPath": TOKEN_PATH}]}
    containers = [{"name": "a", "image": "i:1"}, own]
    made = held.create("pods", pod(containers=containers, volumes=[{"name": "v", "emptyDir": {}}]))["spec"]
    volume = made["volumes"][1]["name"]
    assert volume.startswith("kube-api-access-")
    assert [[m["name"] for m in c["volumeMounts"]] for c in made["containers"]] == [[volume], ["v"]]


def test_no_token_where_account_or_pod_say_so(held: Registry) -> None:
    assert "volumes" not in held.create("pods", pod("a", automountServiceAccountToken=False))["spec"]
    held.patch("serviceaccounts", "shop", "default", lambda s: s.update(automountServiceAccountToken=False))
    assert "volumes" not in held.create("pods", pod("b"))["spec"]
    assert "volumes" in held.create("pods", pod("c", automountServiceAccountToken=True))["spec"]


def test_an_unknown_account_is_refused_by_the_name_there_is(held: Registry) -> None:
    unnamed = pod("", {"generateName": "web-"}, serviceAccountName="nobody")
    text = 'pods "web-" is forbidden: error looking up service account shop/nobody: serviceaccount "nobody" not found'
    with pytest.raises(Forbidden) as refused:
        held.create("pods", unnamed)
    assert refused.value.message == text


def test_pull_secrets_come_from_the_account(held: Registry) -> None:
    held.patch("serviceaccounts", "shop", "default", lambda s: s.update(imagePullSecrets=[{"name": "key"}]))
    assert held.create("pods", pod("a"))["spec"]["imagePullSecrets"] == [{"name": "key"}]
    own = [{"name": "mine"}]
    assert held.create("pods", pod("b", imagePullSecrets=own))["spec"]["imagePullSecrets"] == own


def test_tolerations_are_added_where_none_does_it_already(held: Registry) -> None:
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    made = held.create("pods", pod("a", tolerations=[own]))["spec"]["tolerations"]
    assert [t["key"] for t in made] == ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    assert held.create("pods", pod("b", tolerations=[{"operator": "Exists"}]))["spec"]["tolerations"] == [
        {"operator": "Exists"}
    ]


def test_tolerations_that_a_write_leaves_out_are_put_back(held: Registry) -> None:
    stored = held.create("pods", pod("a"))
    own = {"key": "own", "operator": "Equal", "value": "x", "effect": "NoSchedule"}
    again = held.update("pods", {**stored, "spec": {**stored["spec"], "tolerations": [own]}})
    assert again["spec"]["tolerations"] == [own, *stored["spec"]["tolerations"]]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([{}], "BestEffort"),
        ([{"requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}], "Burstable"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}], "Guaranteed"),
        ([{"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, {}], "Burstable"),
        ([{"requests": {"cpu": "0"}}], "BestEffort"),
    ],
)
def test_quality_of_service(resources: list[Obj], expected: str) -> None:
    assert qos_class({"containers": [{"resources": r} for r in resources]}) == expected


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_pull_policy(image: str, policy: str) -> None:
    assert defaults.pull_policy(image) == policy


def test_requests_follow_limits_and_amounts_are_rounded_up(held: Registry) -> None:
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.0001"}}
    made = held.create("pods", pod(containers=[{"name": "c", "image": "i:1", "resources": resources}]))
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1m", "memory": "1Gi"}


# -- binding and updates


def test_binding_once(held: Registry) -> None:
    made = bound(held)
    assert made["spec"]["nodeName"] == "node-1"
    assert made["metadata"]["generation"] == 1
    assert made["status"]["conditions"][0]["type"] == "PodScheduled"
    with pytest.raises(Conflict, match='pod p is already assigned to node "node-1"'):
        held.patch("pods", "shop", "p", lambda p: p["spec"].update(nodeName="node-2"), subresource="binding")


def test_an_update_may_not_change_the_node_but_the_image(held: Registry) -> None:
    bound(held)
    with pytest.raises(Invalid, match="pod updates may not change fields other than") as refused:
        held.patch("pods", "shop", "p", lambda p: p["spec"].update(nodeName="node-2"))
    assert '\n- "NodeName": "node-1",\n+ "NodeName": "node-2",\n' in refused.value.message
    changed = held.patch("pods", "shop", "p", lambda p: p["spec"]["containers"][0].update(image="nginx:1.28"))
    assert changed["metadata"]["generation"] == 2


@pytest.mark.parametrize("step", ["change-env", "change-restartpolicy"])
def test_the_difference_is_the_recorded_one(step: str) -> None:
    replay = Replay("pods-08-invalid")
    steps = {s["id"]: s for s in replay.scenario.steps if scenario.kind_of(s) == "rest"}
    assert replay.step(steps["create"]) == ()
    assert "\n@@ -" in steps[step]["response"]["body"]["message"]
    assert replay.step(steps[step]) == ()


def test_ephemeral_containers_may_only_be_added(held: Registry) -> None:
    bound(held)
    debug = {"name": "debug", "image": "busybox:1.36"}

    def add(obj: Obj) -> None:
        obj["spec"]["ephemeralContainers"] = [debug]

    def take_away(obj: Obj) -> None:
        del obj["spec"]["ephemeralContainers"]

    made = held.patch("pods", "shop", "p", add, subresource="ephemeralcontainers")
    assert made["spec"]["ephemeralContainers"][0]["terminationMessagePolicy"] == "File"
    with pytest.raises(Invalid, match='existing ephemeral containers "debug" may not be removed'):
        held.patch("pods", "shop", "p", take_away, subresource="ephemeralcontainers")


def test_a_status_does_not_touch_spec_owners_or_quality(held: Registry) -> None:
    bound(held)

    def report(obj: Obj) -> None:
        obj["status"]["phase"] = "Running"
        obj["spec"]["containers"] = []
        obj["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}]

    made = held.patch("pods", "shop", "p", report, subresource="status")
    assert made["status"]["phase"] == "Running"
    assert made["spec"]["containers"]
    assert "ownerReferences" not in made["metadata"]
    with pytest.raises(Invalid, match=r"status\.qosClass: .*field is immutable"):
        held.patch("pods", "shop", "p", lambda p: p["status"].update(qosClass="Guaranteed"), subresource="status")


# -- deletion


def test_a_pod_on_no_node_goes_at_once_and_says_when(held: Registry) -> None:
    held.create("pods", pod())
    seen: list[Event] = []
    held.subscribe("pods", seen.append)
    last, gone = held.delete("pods", "shop", "p")
    assert gone
    assert last["metadata"]["deletionGracePeriodSeconds"] == 0
    assert [event.type for event in seen] == ["MODIFIED", "DELETED"]


def test_grace_ends_with_the_kubelets_own_delete(held: Registry) -> None:
    bound(held, terminationGracePeriodSeconds=20)
    going, gone = held.delete("pods", "shop", "p")
    assert not gone
    meta = going["metadata"]
    assert (meta["deletionGracePeriodSeconds"], meta["generation"]) == (20, 2)
    again, gone = held.delete("pods", "shop", "p")
    assert again == going
    assert not gone
    assert held.delete("pods", "shop", "p", DeleteOptions(grace_period_seconds=0))[1]
    assert held.find("pods", "shop", "p") is None


def test_grace_can_be_shortened_but_not_extended(held: Registry) -> None:
    bound(held)
    first, _ = held.delete("pods", "shop", "p", DeleteOptions(grace_period_seconds=100))
    shorter, _ = held.delete("pods", "shop", "p", DeleteOptions(grace_period_seconds=40))
    ends = [duration.parse_time(p["metadata"]["deletionTimestamp"]) for p in (first, shorter)]
    assert (ends[0] - ends[1]).total_seconds() == 60
    same, _ = held.delete("pods", "shop", "p", DeleteOptions(grace_period_seconds=90))
    assert same["metadata"]["deletionGracePeriodSeconds"] == 40


def test_a_finalizer_holds_a_pod_until_it_is_taken_away(held: Registry) -> None:
    held.create("pods", pod(meta={"finalizers": ["example.com/hold"]}))
    going, gone = held.delete("pods", "shop", "p")
    assert not gone
    assert going["metadata"]["deletionGracePeriodSeconds"] == 0

    def release(obj: Obj) -> None:
        del obj["metadata"]["finalizers"]

    held.patch("pods", "shop", "p", release)
    assert held.find("pods", "shop", "p") is None
