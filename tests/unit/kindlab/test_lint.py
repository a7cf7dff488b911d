"""The judge of `kindlab lint`, and what its static half finds."""

from dataclasses import replace

import pytest

from kindlab import labs, lint
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult
from kindlab.states import State

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE


def report(a: Outcome, b: Outcome) -> Report:
    tasks = [
        TaskResult("one", "", 1 if a is P else 0, 1, a, [CheckResult("test_a", "one", "", a)]),
        TaskResult("two", "", 1 if b is P else 0, 1, b, [CheckResult("test_b", "two", "", b, "x", "y")]),
    ]
    return Report("lab", F, 0, 2, tasks)


def state(*fails: str) -> State:
    return State("lab", "s", (), frozenset(fails))


@pytest.mark.parametrize(
    ("tried", "graded", "says"),
    [
        (state(), report(P, P), ""),
        (state(), report(P, F), "fails test_b (expected x; seen y)"),
        (
            State("lab", "alternatives/x", (), frozenset()),
            report(P, F),
            "fails test_b (expected x; seen y); an alternative is a whole answer: nothing is added to its files",
        ),
        (state("test_a"), report(F, P), ""),
        (state("test_a"), report(P, P), "not caught by test_a"),
        (state("test_a"), report(F, F), "fails test_b (expected x; seen y)"),
        (state("test_a"), report(F, C), "could not be graded: test_b: y"),
        (State("lab", "start", (), None), report(F, F), ""),
        (State("lab", "start", (), None), report(P, F), "scores on one: a lab starts at 0"),
    ],
)
def test_judge(tried: State, graded: Report, says: str) -> None:
    assert lint.judge(tried, graded) == says


def test_a_start_that_scores_a_share_of_a_task_is_no_start() -> None:
    task = TaskResult("one", "", 3, 6, F, [CheckResult("test_a", "one", "", P), CheckResult("test_b", "one", "", F)])
    said = lint.judge(State("lab", "start", (), None), Report("lab", F, 3, 6, [task]))
    assert said == "scores on one: a lab starts at 0"


@pytest.mark.parametrize(
    ("capstone", "tasks", "minutes"), [(False, "4 to 8", "35 at most"), (True, "10 to 12", "90 a")]
)
def test_the_capstone_is_longer_than_a_lab(capstone: bool, tasks: str, minutes: str) -> None:
    lab = replace(labs.find("02"), capstone=capstone, minutes=91)
    lab = replace(lab, tasks=(*lab.tasks, *(replace(lab.tasks[0], id=f"more-{n}") for n in range(9))))
    said = " ".join(lint.static_problems(lab))
    assert f"has {tasks} tasks, this one has {len(lab.tasks)}" in said
    assert f"it takes 91 minutes: {minutes}" in said


def test_a_kind_that_reset_would_leave_behind_is_named() -> None:
    lab = replace(labs.find("12"), cluster_kinds=("StorageClass",))
    said = [problem for problem in lint.static_problems(lab) if "cluster_kinds" in problem]
    assert len(said) == 1
    assert said[0].startswith("PersistentVolume belongs to no namespace")


def test_every_lab_of_the_course_is_in_order_statically() -> None:
    found = labs.all_labs()
    assert found
    assert {lab.slug: list(lint.static_problems(lab)) for lab in found} == {lab.slug: [] for lab in found}


def test_an_unknown_word_in_needs_is_refused_whose_ever_it_is() -> None:
    lab = labs.find("05")
    tasks = (replace(lab.tasks[0], needs=("node-ports", "luck")), *lab.tasks[1:])
    said = list(lint.static_problems(replace(lab, needs=("fortune",), tasks=tasks)))
    assert any(one.startswith("needs names fortune: the words are ") for one in said)
    assert any(one.startswith(f"needs of task {lab.tasks[0].id} names luck: the words are ") for one in said)
    assert not any("needs" in one for one in lint.static_problems(lab))


def test_a_task_that_was_not_graded_on_the_cluster_is_no_answer_tried() -> None:
    away = TaskResult("three", "", 0, 1, C, [], "It needs luck, but there is none.")
    graded = report(P, P)
    graded.tasks.append(away)
    assert lint.judge(state(), graded) == "not graded on this cluster: three: It needs luck, but there is none."


def test_a_start_file_belongs_to_a_task_or_is_given() -> None:
    lab = labs.find("02")
    first, *others = lab.tasks
    assert f"{first.files[0]} belongs to no task" in "\n".join(
        lint.static_problems(replace(lab, tasks=(replace(first, files=()), *others)))
    )
    found = list(lint.static_problems(replace(lab, given=("cart.yaml", "none.yaml"))))
    assert found == [
        "given names none.yaml, which is not in labs/02-services/start",
        "cart.yaml is given, and a task's: name it in one of the two",
    ]


def test_a_lab_whose_own_answers_could_not_be_handed_in_is_found() -> None:
    lab = labs.find("02")
    assert not any("[submission]" in said for said in lint.static_problems(lab))
    said = " ".join(lint.static_problems(replace(lab, submission=labs.Allowed(("Deployment.apps",)))))
    assert "cart.yaml: service/cart would be refused in a submission ([submission] in lab.toml)" in said
