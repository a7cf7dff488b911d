import json

from kindlab.batch.graded import Graded
from kindlab.batch.submission import Refused
from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult

CHECK = CheckResult(
    "test_a", "web", "it answers", Outcome.FAILED, "an answer", "none", "svc/web: no Pods", "kubectl get"
)
REPORT = Report(
    "02-services",
    Outcome.FAILED,
    3,
    9,
    [
        TaskResult("web", "Expose it", 0, 6, Outcome.FAILED, [CHECK]),
        TaskResult("dns", "Name it", 3, 3, Outcome.PASSED, [CheckResult("b", "dns", "it resolves", Outcome.PASSED)]),
        TaskResult("lb", "Balance", 0, 4, Outcome.COULD_NOT_GRADE, [], "no load balancer", "kindlab addons"),
    ],
    "pocket",
    1.5,
)


def test_what_is_written_down_is_read_back():
    refused = (Refused("pod/shell", "it is privileged", "take securityContext.privileged away", "shell.yaml"),)
    graded = Graded("ann", "Ann", REPORT, "2026-11-22T10:00:00+00:00", refused, ("a note",), variant={"token": "x1"})
    assert Graded.from_json(json.loads(json.dumps(graded.to_json()))) == graded


def test_a_report_of_nothing_graded_is_read_back():
    report = Report("02-services", Outcome.COULD_NOT_GRADE, 0, 40, [], problem="The cluster is gone.")
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report
