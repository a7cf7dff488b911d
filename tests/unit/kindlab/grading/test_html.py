"""The report as HTML: whole, escaped, and with commands as a notebook takes them."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindlab.grading.outcome import CheckResult, Outcome, Report, TaskResult
from kindlab.grading.report import html

P, F, C = Outcome.PASSED, Outcome.FAILED, Outcome.COULD_NOT_GRADE


def report(*outcomes: Outcome, text: str = "seen", problem: str = "") -> Report:
    tasks = [
        TaskResult(
            f"task-{n}",
            f"Title {n}",
            2 if o is P else 0,
            2,
            o,
            [CheckResult(f"test_{n}", f"task-{n}", "it works", o, "all", text)],
        )
        for n, o in enumerate(outcomes)
    ]
    overall = F if F in outcomes else C if C in outcomes else P
    return Report("02-services", overall, 2 * outcomes.count(P), 2 * len(outcomes), tasks, "pocket", 1.0, problem)


class Balanced(HTMLParser):
    """Fails on a tag that is not closed where it should be; collects the text and the tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_whatever_the_cluster_answers_is_text_and_never_markup(text: str) -> None:
    shown = Balanced(str(html.fragment(report(P, F, text=f"<script>{text}"))))
    assert "script" not in shown.tags
    assert "<script>" in shown.text


def test_points_outcomes_and_evidence_are_there() -> None:
    text = Balanced(str(html.fragment(report(P, F, C)))).text
    assert "2 of 6 points" in text
    assert "✔ passed" in text
    assert "✘ failed" in text
    assert "? not graded" in text
    assert "it works" in text
    assert "%hint 02 task-1" in text


def test_only_the_first_task_that_did_not_pass_is_unfolded() -> None:
    text = str(html.fragment(report(P, F, F)))
    assert text.count("<details") == 2
    assert text.count("<details open>") == 1
    assert text.index("<details open>") < text.index("<details>")


def test_a_problem_takes_the_place_of_a_hint() -> None:
    text = Balanced(str(html.fragment(report(C, problem="The cluster does not answer.\nkindlab up starts one.")))).text
    assert "does not answer" in text
    assert "%up starts one" in text
    assert "Stuck?" not in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("kubectl get services -n 02-services", ["%kubectl get services -n 02-services"]),
        ("kubectl get pods shows 0/1 in the READY column", ["%kubectl get pods"]),
        ("see the labels (kubectl get pods --show-labels), letter by letter", ["%kubectl get pods --show-labels"]),
        (
            "`kubectl get endpointslices -l kubernetes.io/service-name=a` is empty",
            ["%kubectl get endpointslices -l kubernetes.io/service-name=a"],
        ),
        (
            "first kubectl describe pod x -n y, then kindlab why svc/cart -n z",
            ["%kubectl describe pod x -n y", "%why svc/cart -n z"],
        ),
        ("kubectl describe hpa reports", ["%kubectl describe hpa reports"]),
        ("kubectl get hpa checkout: what is wanted?", ["%kubectl get hpa checkout"]),
        ("kubectl get hpa shows it", ["%kubectl get hpa"]),
        ("kubectl get configmaps,pods -n shop (which is older?)", ["%kubectl get configmaps,pods -n shop"]),
        (
            "kubectl get deployment menu -n shop -o yaml (how does it get there?)",
            ["%kubectl get deployment menu -n shop -o yaml"],
        ),
        ("kubectl rollout history deployment/reviews -n shop", ["%kubectl rollout history deployment/reviews -n shop"]),
        ("kubectl describe ingress shop -n shop", ["%kubectl describe ingress shop -n shop"]),
        ("kindlab status shows it; kindlab up starts a cluster", ["%status", "%up"]),
        ("Run: kindlab start 02-services", ["%start 02-services"]),
        ("kubectl scale changes the number for now", ["%kubectl scale"]),
        ("forward a port to it: kindlab kubectl port-forward -n shop svc/web 8000:80", []),
        ("choose another port: kindlab up --http-port 8081", []),
        ("to try it: kindlab url ingress/plain -n shop", ["%url ingress/plain -n shop"]),
        (
            "kindlab why http://queue -n 08-network-policy --from web-1",
            ["%why http://queue -n 08-network-policy --from web-1"],
        ),
        (
            "Try kindlab why svc/x --from pod-1 -n 16-capstone-shop",
            ["%why svc/x --from pod-1 -n 16-capstone-shop"],
        ),
        (
            "kubectl get deployment desk -n shop -o yaml   (volumes and volumeMounts)",
            ["%kubectl get deployment desk -n shop -o yaml"],
        ),
        ("kubectl get pvc till -n shop   (which VOLUME?)", ["%kubectl get pvc till -n shop"]),
        ("kubectl describe pv lab12-till   (Node Affinity)", ["%kubectl describe pv lab12-till"]),
        ("put them side by side: kubectl describe pv lab12-till. Which lines?", ["%kubectl describe pv lab12-till"]),
        ("kubectl describe storageclass lab13-near", ["%kubectl describe storageclass lab13-near"]),
        ("kubectl describe csinode. One of them has it", ["%kubectl describe csinode"]),
        ("kubectl get storageclasses shows it", ["%kubectl get storageclasses"]),
        ("nothing to run, though kubectl is named", []),
    ],
)
def test_commands_in_a_sentence(text: str, found: list[str]) -> None:
    assert re.findall(r"<code[^>]*>(.*?)</code>", str(html.commands(text))) == found


@given(st.text())
def test_a_sentence_loses_no_letter(text: str) -> None:
    assert Balanced(str(html.commands(text))).text == text or re.search("kubectl|kindlab", text)


def test_a_grading_that_failed_as_a_whole_shows_no_zeros() -> None:
    tasks = [TaskResult("one", "Do one", 0, 8, Outcome.COULD_NOT_GRADE)]
    whole = Report("02-services", Outcome.COULD_NOT_GRADE, 0, 8, tasks, problem="The cluster is gone.\nStart it.")
    shown = str(html.fragment(whole))
    assert "could not be graded" in shown
    assert "The cluster is gone." in shown
    assert "0/8" not in shown
    assert "0 of 8" not in shown
