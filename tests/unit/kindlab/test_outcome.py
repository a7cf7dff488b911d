import pytest

from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult, overall
from kindlab.grading.report import text

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [([P, P], P), ([P, F, C], F), ([P, C], C), ([], C)],
    ids=["passed", "failed", "unsure", "empty"],
)
def test_overall(outcomes: list[Outcome], expected: Outcome) -> None:
    assert overall(outcomes) is expected


def failed_report() -> Report:
    checks = [
        CheckResult("test_a", "one", "it answers", P),
        CheckResult(
            "test_b", "one", "it reaches both", F, "both Pods", "one Pod", "Selector: matches one", "kubectl get pods"
        ),
    ]
    return Report(
        "02-services", F, 3, 5, [TaskResult("one", "Do one", 0, 2, F, checks), TaskResult("two", "Do two", 3, 3, P)]
    )


def test_json_has_the_documented_keys() -> None:
    data = failed_report().to_json()
    assert {"lab", "outcome", "points", "max_points", "tasks"} <= data.keys()
    assert data["outcome"] == "failed"
    first, second = data["tasks"]
    assert (first["id"], first["outcome"], first["points"]) == ("one", "failed", 0)
    assert (first["expected"], first["seen"]) == ("both Pods", "one Pod")
    assert (first["broken_hop"], first["next"]) == ("Selector: matches one", "kubectl get pods")
    assert (second["outcome"], second["expected"]) == ("passed", "")


def test_text_says_why_and_what_next() -> None:
    shown = text.render(failed_report())
    for part in (
        "3 of 5 points",
        "✘ one",
        "expected   both Pods",
        "broken hop Selector",
        "next       kubectl get pods",
        "✔ two",
    ):
        assert part in shown
    assert "kindlab hint 02-services one" in shown


def test_text_of_a_grading_that_failed_as_a_whole_shows_the_problem_and_blames_nobody() -> None:
    shown = text.render(
        Report("x", C, 0, 2, [TaskResult("one", "Do one", 0, 2, C)], problem="The cluster is gone.\nStart it.")
    )
    assert "The cluster is gone." in shown
    assert "could not be graded" in shown
    assert "0/2" not in shown
    assert "hint" not in shown
