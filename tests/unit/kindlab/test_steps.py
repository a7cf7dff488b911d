"""Answers whose moments count: which steps there are, what each waits for, and that files go in that order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from kindlab import steps
from kindlab.api import Api
from kindlab.errors import Problem


class Cluster:
    """An API whose objects pass through states given beforehand."""

    def __init__(self, **states: list[list[dict[str, Any]]]) -> None:
        self.states = states
        self.looks = 0
        self.scaled: list[tuple[str, Any]] = []

    def follow(self, kind: str, namespace: str, **_: Any) -> Iterator[dict[str, dict[str, Any]]]:
        for found in self.states[kind.partition(".")[0]]:
            self.looks += 1
            yield {str(n): obj for n, obj in enumerate(found)}

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        return None if name == "deleted" else {}

    def patch(self, kind: str, name: str, namespace: str, change: dict[str, Any]) -> dict[str, Any]:
        self.scaled.append((f"{kind}/{name}", change["spec"]["replicas"]))
        return {"spec": {"selector": {"matchLabels": {"app": name}}}}


def run(cluster: Cluster, *order: str) -> list[str]:
    return steps.run(cast(Api, cluster), "lab", order, lambda name: [f"object of {name}"])


def pod(*, ready: bool = True, leaving: bool = False) -> dict[str, Any]:
    meta = {"deletionTimestamp": "now"} if leaving else {}
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"metadata": meta, "status": status}


def test_files_are_applied_in_the_order_of_the_steps() -> None:
    assert run(Cluster(), "apply b.yaml", "apply a.yaml") == ["object of b.yaml", "object of a.yaml"]
    assert steps.files(["apply b.yaml", "wait Job/x", "apply a.yaml"]) == ["b.yaml", "a.yaml"]


@pytest.mark.parametrize(
    ("what", "states"),
    [
        ("VolumeSnapshot/x", [{}, {"readyToUse": False}, {"readyToUse": True}]),
        ("Job/x", [{}, {"conditions": [{"type": "FailureTarget", "status": "True"}]}, {"conditions": [
            {"type": "Complete", "status": "True"}]}]),
        ("PersistentVolumeClaim/x", [{}, {"phase": "Pending"}, {"phase": "Bound"}]),
    ],
)  # fmt: skip
def test_what_is_waited_for(what: str, states: list[dict[str, Any]]) -> None:
    cluster = Cluster(**{what.partition("/")[0]: [[], *([{"status": status}] for status in states), []]})
    run(cluster, f"wait {what}")
    assert cluster.looks == 4  # not there, twice not done, done; nobody looked again


def test_what_never_comes_is_told() -> None:
    with pytest.raises(Problem, match=r"wait Job/x: not done within 60 s"):
        run(Cluster(Job=[[{"status": {"active": 1}}]]), "wait Job/x")


def test_a_pod_that_is_leaving_is_still_there() -> None:
    states = [[pod()], [pod(leaving=True)], []]
    cluster = Cluster(Pod=[*states, [pod()]])
    run(cluster, "scale Deployment/shop 0")
    assert (cluster.looks, cluster.scaled) == (3, [("Deployment/shop", 0)])
    cluster = Cluster(Pod=[[], [pod(leaving=True), pod()], [pod(ready=False)], [pod()], []])
    run(cluster, "scale Deployment/shop 1")
    assert (cluster.looks, cluster.scaled) == (4, [("Deployment/shop", 1)])


def test_a_stateful_set_is_scaled_too() -> None:
    cluster = Cluster(Pod=[[pod(), pod(), pod()], [pod(), pod()]])
    run(cluster, "scale StatefulSet/mailbox 2")
    assert (cluster.looks, cluster.scaled) == (2, [("StatefulSet/mailbox", 2)])


def test_what_a_learner_has_deleted_is_not_scaled() -> None:
    cluster = Cluster(Pod=[])
    assert run(cluster, "scale Deployment/deleted 1", "apply shop.yaml") == ["object of shop.yaml"]
    assert cluster.scaled == []


def test_an_answer_without_steps(tmp_path: Path) -> None:
    assert steps.of(tmp_path) == ()


@pytest.mark.parametrize(
    "text",
    ['steps = ["sleep 5"]', 'steps = ["wait Pod/x"]', 'steps = ["wait Job"]', 'steps = ["scale Job/x 1"]',
     'steps = ["scale Deployment/x much"]', 'steps = ["scale Deployment/x \u00b2"]', "steps = [1]", "", "steps ="],
)  # fmt: skip
def test_steps_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / steps.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=r"steps.toml is not usable"):
        steps.of(tmp_path)
