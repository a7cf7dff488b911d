"""JUnit XML as the usual readers take it."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kindlab.grading.report.classroom import C, F, seen, student

from kindlab.grading.report import junit

ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
    "testsuite": {
        "name",
        "tests",
        "failures",
        "errors",
        "time",
        "disabled",
        "skipped",
        "timestamp",
        "hostname",
        "id",
        "package",
    },
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "skipped": {"message"},
    "error": {"type", "message"},
    "failure": {"type", "message"},
}
"""Element -> what the schema of Jenkins' xUnit plugin (junit-10.xsd) lets it have."""
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"skipped", "error", "failure"},
}


def valid(text: str) -> ElementTree.Element:
    """The root, once it is as the schema wants it."""
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.keys()) <= ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    for suite in root:
        assert suite.get("name")
        for kind, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped"), (None, "tests")):
            found = [case for case in suite.iter("testcase") if kind is None or case.find(kind) is not None]
            assert suite.get(count) == str(len(found))
    assert root.get("failures") == str(len(list(root.iter("failure"))))
    return root


def test_a_task_is_a_suite_and_a_check_a_case():
    root = valid(junit.render(seen(student(web=F, dns=C))))
    assert [suite.get("name") for suite in root] == ["02-services.web", "02-services.dns", "02-services.more"]
    (failure,), (error,) = root.iter("failure"), root.iter("error")
    assert failure.get("message").startswith("hop ")
    assert [line.partition(":")[0] for line in failure.text.splitlines()] == ["expected", "seen", "broken hop", "next"]
    assert error.get("type") == "CouldNotGrade"
    assert root[2][1].get("time") == "0.000"


def test_a_grading_that_broke_is_one_error():
    root = valid(junit.render(seen(student(problem="No cluster.\nTry again."))))
    (error,) = root.iter("error")
    assert (error.get("message"), error.text) == ("No cluster.", "No cluster.\nTry again.")
    assert root.get("failures") == "0"


def test_a_task_that_cannot_be_done_here_is_skipped():
    graded = student()
    task = graded.report.tasks[0]
    task.not_here, task.checks, task.outcome = "It needs a load balancer.", [], C
    root = valid(junit.render(seen(graded)))
    assert [case.get("message") for case in root.iter("skipped")] == ["It needs a load balancer."]


@given(st.text())
def test_any_text_is_well_formed(text: str):
    root = valid(junit.render(seen(student(text, web=F, said=text))))
    assert len(list(root.iter("testcase"))) == 6
