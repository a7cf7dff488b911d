"""The run itself, with trials that are made up."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kindlab import labs, trials, workspace
from kindlab.api import Api, ApiError, Unreachable
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult
from kindlab.labs import Lab
from kindlab.states import State
from kindlab.trials import Tried
from kindlab.verify import embedded, run
from kindlab.verify.results import Verified

Verdict = Callable[[State], Tried]
STATES = (
    State("x", "start", (), None),
    State("x", "solution", (), frozenset()),
    State("x", "wrong/a", (), frozenset({"test_a", "test_b"})),
)


def tried(state: State, outcome: Outcome) -> Tried:
    checks = [CheckResult("test_a", "t", "", outcome, seen="HTTP 503"), CheckResult("test_b", "u", "", outcome)]
    tasks = [TaskResult(c.task, "", 0, 1, outcome, [c]) for c in checks]
    return Tried(state, Report(state.lab, outcome, 0, 2, tasks, seconds=1.0))


def as_written(state: State) -> Tried:
    found = tried(state, Outcome.PASSED if state.name == "solution" else Outcome.FAILED)
    return found


class Cluster(Api):
    """`answers`: whether it does."""

    def __init__(self) -> None:
        self.answers = True

    def request(self, method: str, path: str, *args: Any, **options: Any) -> Any:
        if not self.answers:
            raise Unreachable("The cluster does not answer.")
        return {"gitVersion": "v1.36.4"}


class World:
    """The trials of both clusters; `there` and `pocket` may be changed, `asked` says what was tried."""

    def __init__(self) -> None:
        self.there: Verdict = as_written
        self.pocket: Verdict = as_written
        self.asked: list[str] = []
        self.api = Cluster()
        self.found = Verified("kindlab (kind)", course=1)
        self.said: list[str] = []

    def on_cluster(self, api: Api, chosen: Sequence[State], prefix: str = "") -> Iterator[Tried]:
        for state in chosen:
            self.asked.append(f"there {state.name}")
            yield self.there(state)

    def on_pocket(self, chosen: Sequence[State], jobs: int) -> Iterator[Tried]:
        for state in chosen:
            self.asked.append(f"pocket {state.name}")
            yield self.pocket(state)

    def run(self, *chosen: Lab) -> None:
        self.asked.clear()
        run.run(list(chosen), self.api, self.found, say=self.said.append)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    folder = tmp_path / "labs" / "x"
    folder.mkdir(parents=True)
    (tmp_path / "solutions" / "x").mkdir(parents=True)
    (tmp_path / "graders").mkdir()
    (tmp_path / "graders" / "test_x.py").write_text("")
    (tmp_path / "graders" / "conftest.py").write_text("")
    return Lab("x", folder, "", "", 1, (), (labs.Task("t", "", 1, ()), labs.Task("u", "", 1, ())))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    made = World()
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    monkeypatch.setattr(trials, "on_cluster", made.on_cluster)
    monkeypatch.setattr(trials, "on_pocket", made.on_pocket)
    monkeypatch.setattr(run, "states", lambda lab: iter(STATES))
    monkeypatch.setattr(run, "away", lambda api, lab: ("", {}))
    monkeypatch.setattr(workspace, "remove_namespaces", lambda api, lab: None)
    monkeypatch.setattr(embedded, "digest", lambda lab: "the same")
    monkeypatch.setattr(embedded, "_programs", lambda: "these")
    return made


def test_pocket_is_asked_once_and_what_is_done_is_not_done_again(world: World, lab: Lab) -> None:
    world.run(lab)
    assert world.found.agrees
    assert world.asked == [f"{where} {s.name}" for where in ("pocket", "there") for s in STATES]
    world.run(lab)
    assert world.asked == []
    world.found.labs.clear()
    world.run(lab)
    assert world.asked == [f"there {s.name}" for s in STATES], "pocket's verdicts are remembered"


def test_changed_files_are_graded_anew(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run(lab)
    monkeypatch.setattr(embedded, "digest", lambda lab: "changed")
    world.run(lab)
    assert len(world.asked) == 2 * len(STATES)


def test_a_difference_is_asked_for_once_more(world: World, lab: Lab) -> None:
    turns = iter((Outcome.FAILED, Outcome.PASSED))
    world.there = lambda state: tried(state, next(turns)) if state.name == "solution" else as_written(state)
    world.run(lab)
    assert world.found.agrees
    assert world.asked.count("there solution") == 2
    assert [d.check for a in world.found.answers for d in a.unsteady] == ["test_a", "test_b"]
    assert any("at the second try" in line for line in world.said)


def test_one_answer_s_trouble_ends_nothing_and_is_tried_again_when_resumed(world: World, lab: Lab) -> None:
    world.there = lambda state: Tried(state, None, "no room") if state.name == "start" else as_written(state)
    world.run(lab)
    assert world.found.problems == ["x start: no room"]
    assert len(world.found.answers) == len(STATES)
    world.there = as_written
    world.run(lab)
    assert world.asked == ["there start"]
    assert world.found.agrees


def test_one_lab_s_trouble_does_not_end_the_others(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(api: Api, lab: Lab) -> None:
        raise ApiError(409, "Conflict", "somebody holds on to it")

    monkeypatch.setattr(workspace, "remove_namespaces", refuse)
    world.run(lab)
    assert world.found.problems == ["x: Conflict (409): somebody holds on to it"]
    assert not world.found.agrees


def test_a_cluster_that_is_gone_ends_the_run(world: World, lab: Lab) -> None:
    def gone(state: State) -> Tried:
        if state.name == "start":
            return as_written(state)
        world.api.answers = False
        return Tried(state, None, "The cluster does not answer.")

    world.there = gone
    with pytest.raises(Unreachable):
        world.run(lab)
    assert [answer.state for answer in world.found.answers] == ["start"]


def test_what_cannot_run_there_is_not_compared(world: World, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "away", lambda api, lab: ("", {"u": "it lacks metrics-server"}))

    def without_u(state: State) -> Tried:
        found = as_written(state)
        assert found.report
        found.report.tasks[1].checks[0].outcome = Outcome.COULD_NOT_GRADE
        return found

    world.there = without_u
    world.run(lab)
    assert world.found.agrees
    assert world.found.labs["x"].verdicts == len(STATES)
    assert world.found.labs["x"].right == len(STATES)
    monkeypatch.setattr(run, "away", lambda api, lab: ("it lacks metrics-server", {}))
    world.found.labs.clear()
    world.run(lab)
    assert world.asked == []
    assert world.found.labs["x"].away


def test_a_wrong_verdict_of_pocket_s_is_not_remembered(world: World, lab: Lab) -> None:
    world.pocket = lambda state: tried(state, Outcome.PASSED)
    world.run(lab)
    assert not world.found.agrees
    world.pocket = as_written
    world.found.labs.clear()
    world.run(lab)
    assert world.found.agrees
    assert "pocket start" in world.asked
    assert "pocket solution" not in world.asked


def test_the_time_left_is_reckoned_from_what_was_done() -> None:
    clock = run.Clock(10)
    assert str(clock) == "0 of 10"
    clock.answered(600)
    assert str(clock) == "1 of 10, about 1 h 30 min left"
    clock.answered(120)
    assert str(clock) == "2 of 10, about 48 min left"
