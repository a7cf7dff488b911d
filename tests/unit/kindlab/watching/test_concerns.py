"""Which changes count, and whom they concern: too many is a check too often, too few a wrong report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kindlab import labs
from kindlab.watching import asked, concerns
from kindlab.watching.asked import Asked, Listed
from kindlab.watching.objects import Change, Key, counts


def made(kind: str, name: str, *, uid: str = "", owner: str = "", **more: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": "n", "uid": uid or name, **more.pop("meta", {})}
    if owner:
        meta["ownerReferences"] = [{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}]
    return {"kind": kind, "metadata": meta, **more}


def change(plural: str, old: Any, new: Any) -> Change:
    return Change((plural, "n", (new or old)["metadata"]["name"]), old, new, 1.0)


BEFORE = made("Service", "web", spec={"selector": {"app": "web"}}, status={"a": 1})


@pytest.mark.parametrize(
    ("after", "does"),
    [
        ({**BEFORE, "status": {"a": 2}}, False),
        ({**BEFORE, "metadata": {**BEFORE["metadata"], "resourceVersion": "9"}}, False),
        ({**BEFORE, "metadata": {**BEFORE["metadata"], "managedFields": [1]}}, False),
        ({**BEFORE, "metadata": {**BEFORE["metadata"], "labels": {"a": "b"}}}, True),
        ({**BEFORE, "metadata": {**BEFORE["metadata"], "annotations": {"mine": "b"}}}, True),
        (
            {**BEFORE, "metadata": {**BEFORE["metadata"], "annotations": {"deployment.kubernetes.io/revision": "2"}}},
            False,
        ),
        ({**BEFORE, "metadata": {**BEFORE["metadata"], "deletionTimestamp": "now"}}, True),
        ({**BEFORE, "spec": {"selector": {"app": "wep"}}}, True),
        ({**BEFORE, "metadata": {**BEFORE["metadata"], "uid": "another"}}, True),
        (None, True),
    ],
)
def test_what_people_ask_for_counts_and_what_the_cluster_writes_does_not(after: Any, does: bool) -> None:
    assert counts(change("services", BEFORE, after), {}) is does


def test_data_counts_and_what_is_ours_does_not() -> None:
    assert counts(
        change("configmaps", made("ConfigMap", "a", data={"k": "1"}), made("ConfigMap", "a", data={"k": "2"})), {}
    )
    ours = {"labels": {"app.kubernetes.io/managed-by": "kindlab"}}
    assert not counts(change("pods", None, made("Pod", "kindlab-probe", meta=ours)), {})
    assert not counts(change("configmaps", None, made("ConfigMap", "kube-root-ca.crt")), {})


def test_the_number_that_an_autoscaler_sets_is_no_change_of_the_learner() -> None:
    one, two = (made("Deployment", "web", spec={"replicas": n}) for n in (1, 2))
    autoscaler = made("HorizontalPodAutoscaler", "any", spec={"scaleTargetRef": {"kind": "Deployment", "name": "web"}})
    assert counts(change("deployments", one, two), {})
    assert not counts(change("deployments", one, two), {("horizontalpodautoscalers", "n", "any"): autoscaler})


def test_a_pod_counts_when_it_goes_though_it_is_wanted() -> None:
    pods = {("pods", "n", name): made("Pod", name, owner="web-1") for name in ("a", "b")}
    gone = {key: obj for key, obj in pods.items() if key[2] != "a"}
    lost = change("pods", pods["pods", "n", "a"], None)

    def maker(replicas: int) -> dict[Key, Any]:
        return {("replicasets", "n", "web-1"): made("ReplicaSet", "web-1", spec={"replicas": replicas})}

    assert counts(lost, {**gone, **maker(2)})  # somebody has deleted it
    assert not counts(lost, {**gone, **maker(1)})  # it was one too many: a rollout, or fewer are wanted
    assert not counts(change("pods", None, made("Pod", "c", owner="web-1")), {**pods, **maker(3)})


# -- whom it concerns

WEB = made("Service", "web", spec={"selector": {"app": "web"}, "clusterIP": "10.96.0.7"})
POD = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}]}]},
}
SCENE: dict[Key, Any] = {
    ("services", "n", "web"): WEB,
    ("deployments", "n", "pages"): made("Deployment", "pages", spec={"template": POD}),
    ("configmaps", "n", "settings"): made("ConfigMap", "settings", data={"backend": "http://store.n.svc:80"}),
    ("services", "n", "store"): made("Service", "store", spec={"selector": {"app": "store"}}),
    ("deployments", "n", "other"): made(
        "Deployment", "other", spec={"template": {"metadata": {"labels": {"app": "x"}}}}
    ),
}
ASKED = {
    "web": Asked({"http", "web"}),
    "by-address": Asked({"10.96.0.7"}),
    "other": Asked(set(), {Listed("deployments", "n", "", "metadata.name=other")}),
    "pods": Asked({"x"}, {Listed("pods", "n", "app=web", "")}),
    "lost": Asked({"nothing"}),
}


@pytest.mark.parametrize(
    ("key", "whom"),
    [
        (("services", "n", "web"), {"web", "by-address"}),
        (("deployments", "n", "pages"), {"web", "by-address", "pods"}),
        (("configmaps", "n", "settings"), {"web", "by-address"}),
        (("services", "n", "store"), {"web", "by-address"}),
        (("deployments", "n", "other"), {"other"}),
        (("networkpolicies", "n", "any"), set(ASKED)),
    ],
)
def test_a_change_concerns_who_asked_for_it_and_who_comes_by_it(key: Key, whom: set[str]) -> None:
    obj = SCENE.get(key) or made("NetworkPolicy", "any")
    assert (
        concerns.tasks(Change(key, obj, {**obj, "spec": {**obj.get("spec", {}), "new": 1}}, 1.0), ASKED, SCENE, SCENE)
        == whom
    )


def test_what_comes_to_stand_behind_a_service_concerns_its_clients_and_what_stood_there_too() -> None:
    template = {"metadata": {"labels": {"app": "web"}}}
    new = made("Deployment", "intruder", spec={"template": template})
    key = ("deployments", "n", "intruder")
    assert "web" in concerns.tasks(Change(key, None, new, 1.0), ASKED, SCENE, {**SCENE, key: new})
    assert "web" in concerns.tasks(Change(key, new, None, 1.0), ASKED, {**SCENE, key: new}, SCENE)


def test_a_task_of_which_nothing_is_known_is_always_concerned() -> None:
    other = SCENE["deployments", "n", "other"]
    found = concerns.tasks(Change(("deployments", "n", "other"), other, None, 1.0), {"new": Asked()}, SCENE, SCENE)
    assert found == {"new"}


# -- what was asked


def test_what_is_prepared_for_several_checks_is_asked_by_each_of_them(tmp_path: Path) -> None:
    grader = tmp_path / "grader.py"
    grader.write_text(
        "def base(lab): pass\ndef shared(base): pass\n"
        "def test_a(lab, shared): pass\ndef test_b(lab): pass\ndef test_c(base): pass\n"
    )
    uses = asked.uses(grader)
    checks = {
        "test_a": Asked({"a"}),
        "shared shared": Asked({"s"}),
        "shared base": Asked({"b"}),
        "shared odd": Asked({"o"}),
    }
    found = asked.by_task(checks, {"test_a": "one", "test_b": "two", "test_c": "three"}, uses)
    assert {task: one.words for task, one in found.items()} == {
        "one": {"a", "s", "b", "o"},
        "two": {"o"},
        "three": {"b", "o"},
    }


def test_every_grader_of_the_course_says_what_its_checks_use() -> None:
    assert all(asked.uses(lab.grader) for lab in labs.all_labs())


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/api/v1/namespaces/n/services/web", ("services", "n", "web")),
        ("/apis/apps/v1/namespaces/n/deployments", ("deployments", "n", "")),
        ("/api/v1/namespaces/n", ("namespaces", "", "n")),
        ("/api/v1/nodes/one", ("nodes", "", "one")),
        ("/version", None),
        ("/apis", None),
    ],
)
def test_paths(path: str, place: tuple[str, str, str] | None) -> None:
    assert asked.placed(path) == place


def test_words_of_a_command() -> None:
    found = asked.words("curl -s -m 2 'http://web.n.svc:8080/hostname' 10.0.0.1:30042")
    assert found >= {"web", "web.n.svc", "8080", "10.0.0.1", "30042"}
