"""A run over a class: what is kept, what is tried again, what --resume, --only and --tasks leave alone."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.kindlab.batch.fakes import LAB, FakeFarm, Told, submission

from kindlab import labs, variants
from kindlab.batch import intake, run, store
from kindlab.batch.run import Tally
from kindlab.batch.scoring import scored
from kindlab.batch.store import Run, Store
from kindlab.batch.submission import SELF_TOLD, Refused, Submission
from kindlab.errors import UsageProblem
from kindlab.grading.outcome import Outcome

FAILED, COULD_NOT = Outcome.FAILED, Outcome.COULD_NOT_GRADE
TASK, OTHER = LAB.tasks[0], LAB.tasks[1]


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Store]:
    found = store.new(tmp_path / "out", Run(LAB.slug, str(tmp_path / "class")))
    yield found
    found.close()


@pytest.fixture
def klass(tmp_path: Path) -> Iterator[Any]:
    """Submissions anew for every run, as intake reads them."""
    runs = iter(range(100))

    def made(**texts: str) -> list[Submission]:
        folder = tmp_path / f"scratch-{next(runs)}"
        return [submission(folder, who, text) for who, text in texts.items()]

    return made


def go(out: Store, submissions: list[Submission], farm: FakeFarm, **options: Any) -> tuple[Tally, Told]:
    told = Told()
    return run.run(submissions, out, LAB, farm, told, evidence=False, **options), told


def points(out: Store) -> dict[str, float | None]:
    grades = [scored(one, LAB) for one in out.results()]
    return {one.graded.id: one.points if one.has_grade else None for one in grades}


def test_each_result_is_kept_and_its_copies_are_not(out: Store, klass: Any):
    submissions = klass(ann="a", bob="b")
    tally, told = go(out, submissions, FakeFarm(bob=[{TASK.id: FAILED}]))
    assert points(out) == {"ann": LAB.max_points, "bob": LAB.max_points - TASK.points}
    assert (tally.graded, tally.before, tally.could_not) == (2, 0, [])
    assert told.has_grade == {"ann": True, "bob": True}
    assert not any(one.folder.exists() for one in submissions)


def test_what_could_not_be_graded_is_tried_once_more_after_the_others(out: Store, klass: Any):
    farm = FakeFarm(ann=["it took longer than 9 s", {}], bob=[{}], eve=[{TASK.id: COULD_NOT}, {TASK.id: COULD_NOT}])
    tally, told = go(out, klass(ann="a", eve="e", bob="b"), farm)
    assert farm.asked == ["ann", "eve", "bob", "ann", "eve"]
    assert points(out) == {"ann": LAB.max_points, "bob": LAB.max_points, "eve": None}
    assert tally.could_not == ["eve"]
    assert (told.once_more, told.has_grade) == (2, {"ann": True, "bob": True, "eve": False})
    ann, eve = out.get("ann"), out.get("eve")
    assert ann is not None
    assert "at the first try" in ann.notes[0]
    assert eve is not None


def test_a_submission_that_is_too_much_has_no_grade_and_says_why(out: Store, klass: Any):
    tally, _ = go(out, klass(eve="e"), FakeFarm(eve=["its cluster used more than 1024 MB of memory"]))
    kept = out.get("eve")
    assert kept is not None
    assert kept.report.problem == "Its cluster used more than 1024 MB of memory."
    assert kept.report.outcome is COULD_NOT
    assert tally.could_not == ["eve"]


def test_what_its_own_pods_took_too_much_of_is_tried_once_only(out: Store, klass: Any):
    """A fork bomb costs its limit once, and no more: it would do the same again."""
    farm = FakeFarm(eve=["OVER its cluster used more than 240 s of CPU"])
    tally, told = go(out, klass(ann="a", eve="b"), farm)
    assert farm.asked == ["ann", "eve"]
    assert (tally.could_not, told.has_grade) == (["eve"], {"ann": True, "eve": False})
    kept = out.get("eve")
    assert kept is not None
    assert kept.report.problem == "Its cluster used more than 240 s of CPU."
    assert kept.notes == (run.OVERRAN,)


def test_one_of_which_nothing_can_be_read_needs_no_cluster_and_gets_nothing(out: Store):
    bad = Submission("eve", "Eve", None, "", (Refused("x.zip", "it is a bomb"),), problem="Nothing in it can be read.")
    farm = FakeFarm()
    tally, _ = go(out, [bad], farm)
    kept = out.get("eve")
    assert farm.asked == []
    assert points(out) == {"eve": 0}
    assert kept is not None
    assert (kept.report.problem, kept.refused[0].why) == ("Nothing in it can be read.", "it is a bomb")
    assert tally.could_not == []


def test_a_stopped_run_keeps_what_is_done_and_goes_on(out: Store, klass: Any):
    texts = {"ann": "a", "bob": "b", "eve": "e"}
    with pytest.raises(KeyboardInterrupt):
        go(out, klass(**texts), FakeFarm(eve=["Ctrl-C"]))
    assert out.ids() == ["ann", "bob"]
    farm = FakeFarm()
    tally, told = go(out, klass(**texts), farm, resume=True)
    assert farm.asked == ["eve"]
    assert (tally.graded, tally.before, told.known) == (1, 2, 2)
    assert out.ids() == ["ann", "bob", "eve"]


def test_going_on_grades_what_has_changed_or_could_not_be_graded(out: Store, klass: Any):
    go(out, klass(ann="a", bob="b", eve="e"), FakeFarm(eve=["it hung"]))
    farm = FakeFarm()
    go(out, klass(ann="a", bob="other", eve="e"), farm, resume=True)
    assert farm.asked == ["bob", "eve"]
    (out.file("ann")).write_text("{half")
    farm = FakeFarm()
    go(out, klass(ann="a", bob="other", eve="e"), farm, resume=True)
    assert farm.asked == ["ann"], "a damaged file holds no result"


def test_going_on_after_the_lab_has_changed_grades_everything(out: Store, klass: Any, monkeypatch: pytest.MonkeyPatch):
    go(out, klass(ann="a"), FakeFarm())
    monkeypatch.setattr("kindlab.batch.one.lab_digest", lambda lab: "another")
    farm = FakeFarm()
    go(out, klass(ann="a"), farm, resume=True)
    assert farm.asked == ["ann"]


def test_going_on_takes_over_when_it_was_handed_in(out: Store, klass: Any):
    go(out, klass(ann="a"), FakeFarm())
    (later,) = klass(ann="a")
    farm = FakeFarm()
    go(out, [replace(later, submitted="2026-12-01T10:00:00+00:00")], farm, resume=True)
    kept = out.get("ann")
    assert farm.asked == []
    assert kept is not None
    assert (kept.submitted, kept.notes) == ("2026-12-01T10:00:00+00:00", ())
    for notes, said in (((SELF_TOLD, "It is large."), (SELF_TOLD,)), ((), ())):
        (later,) = klass(ann="a")
        go(out, [replace(later, submitted="2026-12-01T11:00:00+00:00", notes=notes)], farm, resume=True)
        again = out.get("ann")
        assert again is not None
        assert again.notes == said, "whose word a time is may change with it"


def test_tasks_that_are_graded_again_leave_the_others_alone(out: Store, klass: Any):
    go(out, klass(ann="a"), FakeFarm(ann=[{TASK.id: FAILED, OTHER.id: FAILED}]))
    go(out, klass(ann="a"), FakeFarm(), tasks=[TASK.id])
    kept = out.get("ann")
    assert kept is not None
    assert points(out) == {"ann": LAB.max_points - OTHER.points}
    assert [task.id for task in kept.report.tasks] == [task.id for task in LAB.tasks]
    assert kept.report.outcome is FAILED
    assert f"Graded again: {TASK.id}." in kept.notes


def test_a_task_that_could_not_be_graded_again_leaves_the_others_alone(out: Store, klass: Any):
    go(out, klass(ann="a"), FakeFarm())
    go(out, klass(ann="a"), FakeFarm(ann=["it hung"]), tasks=[TASK.id])
    kept = out.get("ann")
    assert kept is not None
    assert points(out) == {"ann": None}
    assert kept.report.points == LAB.max_points - TASK.points
    assert "It hung." in kept.notes


def test_only_some_students(klass: Any):
    submissions = klass(ann="a", bob="b", eve="e")
    assert [one.id for one in run.chosen(submissions, ["EVE", "Ann", "ann"])] == ["eve", "ann"]
    with pytest.raises(UsageProblem, match=r"(?s)no submission of 'bop'.*Did you mean bob"):
        run.chosen(submissions, ["ann", "bop"])


def test_each_is_graded_by_what_is_their_own_and_what_is_anothers_is_noted(tmp_path: Path):
    lab, seed = labs.find("01"), b"a seed of a class"
    assert lab.variants, "lab 01 has individual variants"
    ann, bob = (variants.of(lab, seed, who) for who in ("ann", "bob"))
    copied = submission(tmp_path, "bob", f"kind: {' '.join(ann.values())}")
    mine, told = run.Individual(seed, ("ann", "bob")).of(lab, copied)
    assert mine.variant == bob
    assert any("of ann" in note for note in told.notes)
    own = submission(tmp_path, "ann", f"kind: {' '.join(ann.values())}")
    assert run.Individual(seed, ("ann", "bob")).of(lab, own)[1].notes == ()


def test_whose_values_are_known_without_a_roster(tmp_path: Path):
    """All who hand in, from the first one that is graded on."""
    lab, seed, folder = labs.find("01"), b"a seed of a class", tmp_path / "class"
    for who in ("ann", "bob"):
        (folder / who).mkdir(parents=True)
        (folder / who / "a.yaml").write_text(f"kind: {variants.of(lab, seed, 'ann')}")
    read = intake.read(folder, lab, tmp_path / "scratch")
    individual = run.Individual(seed, ("eve",)).among(read)
    assert individual.students == ("eve", "ann", "bob")
    ann, bob = (individual.of(lab, one)[1] for one in read)
    assert ann.notes == ()
    assert any("of ann" in note for note in bob.notes)


def test_what_could_not_be_read_for_our_fault_is_no_zero(out: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "class" / "ann").mkdir(parents=True)
    (tmp_path / "class" / "ann" / "a.yaml").write_text("kind: ConfigMap\n")
    with monkeypatch.context() as disk:
        disk.setattr(intake, "_copy", full)
        tally, told = go(out, list(intake.read(tmp_path / "class", LAB, tmp_path / "full")), FakeFarm())
    assert points(out) == {"ann": None}
    assert tally.could_not == ["ann"]
    assert told.has_grade == {"ann": False}
    tally, told = go(out, list(intake.read(tmp_path / "class", LAB, tmp_path / "free")), FakeFarm(), resume=True)
    assert points(out) == {"ann": LAB.max_points}
