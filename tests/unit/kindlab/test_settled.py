"""When a grade stops waiting for a rollout: a look at the Pods may fall between two of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from kindlab.api import Obj
from kindlab.checks import live
from kindlab.checks.live import PATIENCE, LiveLab

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
BROKEN = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}


class Rollout:
    """An API whose Deployment of two is complete after so many windows, with one Pod until then. `unseen`: how many
    windows the controller takes to look at it."""

    def __init__(self, complete_after: int, pod: Obj, unseen: int = 0) -> None:
        self.left, self.pod = complete_after, pod
        self.windows, self.unseen = 0, unseen
        self.generation, self.uid = 1, "p"

    def get(self, kind: str, name: str, namespace: str) -> Obj:
        made = 2 if self.left <= 0 else 1
        seen = 0 if self.windows < self.unseen else self.generation
        status = {"observedGeneration": seen, "replicas": made, "updatedReplicas": made, "availableReplicas": made}
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}
        return {"metadata": {"name": "web", "uid": "d", "generation": self.generation}, "spec": spec, "status": status}

    def follow(self, kind: str, namespace: str, *, labels: str, timeout: float) -> Iterator[dict[str, Obj]]:
        self.windows += 1
        self.left -= 1
        yield {"web": self.get(kind, "web", namespace)}

    def list(self, kind: str, namespace: str, *, labels: str) -> list[Obj]:
        if kind == "Deployment":
            return [self.get(kind, "web", namespace)]
        return [{"metadata": {"name": "web-1", "uid": self.uid}, "spec": {"containers": []}, "status": self.pod}]


def settled(api: Rollout) -> Any:
    return LiveLab(cast(Any, api), "lab").settled("web")["status"]["availableReplicas"]


def test_a_rollout_whose_next_pod_is_not_made_yet_is_waited_for() -> None:
    assert settled(Rollout(2, READY)) == 2


def test_but_not_for_ever() -> None:
    api = Rollout(100, READY)
    assert settled(api) == 1
    assert api.windows == 2


def test_one_with_a_broken_pod_is_not() -> None:
    api = Rollout(2, BROKEN)
    assert settled(api) == 1
    assert api.windows == 1


def test_pods_of_before_are_not_judged_while_the_controller_has_not_looked() -> None:
    api = Rollout(100, READY, unseen=9)
    assert settled(api) == 1
    assert api.windows == 10


def again(monkeypatch: pytest.MonkeyPatch, *, after: float = PATIENCE, **changes: Any) -> int:
    """Windows that a second look waits, so many seconds after a first one at a broken Pod, and after these changes."""
    now = [0.0]
    monkeypatch.setattr(live, "monotonic", lambda: now[0])
    api = Rollout(100, changes.pop("before", BROKEN))
    lab = LiveLab(cast(Any, api), "lab")
    lab.settled("web")
    before, now[0] = api.windows, after
    vars(api).update({"pod": BROKEN, **changes})
    lab.settled("web")
    return api.windows - before


def test_what_has_stayed_broken_since_the_grade_began_is_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert again(monkeypatch) == 0


@pytest.mark.parametrize(
    "changes",
    [{"after": PATIENCE - 1}, {"uid": "another"}, {"generation": 2}, {"before": READY}],
    ids=["so soon", "another Pod", "written since", "ready at first"],
)
def test_what_has_changed_is(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]) -> None:
    assert again(monkeypatch, **changes) == 1
