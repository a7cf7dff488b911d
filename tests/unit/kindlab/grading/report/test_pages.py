"""What is read in a browser or as Markdown: whole, escaped, with nothing from elsewhere."""

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.kindlab.grading.report.classroom import C, F, seen, student

from kindlab.batch.policy import Late, Policy
from kindlab.batch.submission import Refused
from kindlab.grading.outcome import Outcome
from kindlab.grading.report import causes, csv_, markdown, overview, student_html
from kindlab.grading.report.overview import histogram

HIDES = "\x1b]0;all passed\x07 \u202egp.sh \x7f"
VOID = {"meta", "br", "line", "rect"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}'


class Page(HTMLParser):
    """Fails on a tag that is not closed where it should be; collects tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def tags(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in names]


def stands_by_itself(page: Page) -> None:
    assert not page.tags("link", "img", "iframe", "object", "embed", "form", "base")
    for attributes in page.tags("script", "a", "svg"):
        assert "src" not in attributes
        href = attributes.get("href") or "#"
        assert href.startswith(("#", "students/")), href
    assert not any(name.startswith("on") for _, attributes in page.found for name in attributes)


def accessible(page: Page) -> None:
    assert page.tags("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), "no level is left out"
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.tags("th"))
    assert all(attributes.get("aria-label") for _, attributes in page.found if attributes.get("role") == "img")
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_students_page_stands_by_itself():
    refused = (Refused("pod/shell", "it is privileged", "Take privileged away.", "extra.yaml"),)
    page = Page(student_html.render(seen(student(web=F, dns=C, refused=refused))))
    stands_by_itself(page)
    accessible(page)
    assert not page.tags("script")
    for said in ("Ann", "Title of web", "web works", "pod/shell", "in extra.yaml", "it is privileged", "kindlab 1.2.3"):
        assert said in page.text


def test_a_command_in_it_is_one_of_a_terminal():
    page = student_html.render(seen(student(web=F, said="-n web")))
    assert ">kubectl get pods -n web</code>" in page


def test_what_turns_or_hides_text_is_shown_as_a_mark():
    """In a browser U+202E turns what follows around, which makes `gnp.sh` of a name; an escape renames the window of
    whoever looks at the page in a terminal."""
    one = seen(student(HIDES, web=F, dns=C, said=HIDES, refused=(Refused(HIDES, HIDES, HIDES, HIDES),)))
    for page in (student_html.render(one), overview.render([one]), markdown.render(one), csv_.render([one])):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
        assert "gp.sh" in page


@given(st.text(min_size=1))
def test_any_text_of_a_student_stays_text(text: str):
    refused = (Refused(text, text, text, text),)
    plain = Page(student_html.render(seen(student("Ann", web=F, refused=(Refused("a", "a", "a", "a"),)))))
    page = Page(student_html.render(seen(student(text, web=F, said=text, refused=refused))))
    tags = [tag for tag, _ in page.found if tag != "code"]
    assert tags == [tag for tag, _ in plain.found if tag != "code"]


def test_markup_of_a_student_is_shown_and_not_done():
    scored = seen(student(HOSTILE, web=F, said=HOSTILE, refused=(Refused(HOSTILE, HOSTILE),)))
    for text in (student_html.render(scored), overview.render([scored])):
        page = Page(text)
        stands_by_itself(page)
        assert "{{ 7*7 }}" in page.text
        assert "alert(1)" in page.text
        assert len(page.tags("script")) == ("students" in text.split("</style>")[1])
    assert not re.search(r"(?<!\\)<script", re.sub(r"(`+).*?\1", "", markdown.render(scored))), "but in code"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_one_line_of_markdown(text: str):
    escaped = markdown.text(text)
    assert len(escaped.splitlines()) <= 1
    bare = re.sub(r"\\.", "x", escaped)
    assert not set("`*_[]<>|&") & set(bare)
    assert not re.match(r"[-+=#]|\d+[.)]", bare)


@given(st.text())
def test_code_of_markdown_ends_where_it_should(text: str):
    fence = re.match("`+", markdown.code(text))
    if text.strip() and fence:
        inside = markdown.code(text)[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall("`+", inside)


# -- the class


def policy() -> Policy:
    from datetime import UTC, datetime

    return Policy(pass_mark=60, late=Late(datetime(2026, 11, 19, tzinfo=UTC), penalty_per_day=10))


def test_the_class_at_a_glance():
    graded = [
        seen(student("Ann"), policy()),
        seen(student("Bob", web=F), policy()),
        seen(student("Cem", web=C), policy()),
    ]
    text = overview.render(graded, title="02-services", when="today")
    page = Page(text)
    stands_by_itself(page)
    accessible(page)
    shown = " ".join(page.text.split())
    for said in ("3 submissions", "2 graded", "1 could not be graded", "1 of 2 (50%) passed", "3 late", "web: seen"):
        assert said in shown
    (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in unescape(text), "the one script that may run"


@pytest.mark.parametrize(
    ("pass_mark", "outcomes", "badge"),
    [
        (None, {}, "✔ all done"),
        (None, {"dns": F}, "some open"),
        (50, {"dns": F}, "✔ passed"),
        (90, {"dns": F}, "✘ failed"),
        (50, {"dns": C}, "? not graded"),
        (None, {"dns": C}, "? not graded"),
    ],
)
def test_who_left_something_open_has_failed_only_by_a_pass_mark(
    pass_mark: float | None, outcomes: dict[str, Outcome], badge: str
):
    """Ten of thirteen points: 77 percent."""
    text = overview.render([seen(student(**outcomes), Policy(pass_mark=pass_mark))])
    row = text[text.index('id="students"') :].partition("<tbody>")[2].partition("</tr>")[0]
    cells = [Page(cell).text for cell in re.findall("<t[dh][^>]*>.*?</t[dh]>", row)]
    assert cells[3] == badge


def test_who_could_not_be_graded_is_tried_again_by_the_same_command():
    page = Page(overview.render([seen(student(dns=C))]))
    assert "The same kindlab grade command with --resume tries them again" in page.text


def test_the_class_reads_the_labs_titles_and_not_one_students_own():
    graded = [seen(student("Ann"))]
    (web, *_) = graded[0].tasks
    page = Page(overview.render(graded, tasks={web.result.id: "Give the till its key"}))
    assert "Give the till its key" in page.text
    assert web.result.title not in page.text


@pytest.mark.parametrize(("count", "unfolded"), [(1, True), (40, False)])
def test_what_was_noticed_is_for_who_grades_and_not_for_students(count: int, unfolded: bool):
    note = "It holds another's <token>."
    graded = [seen(replace(student(f"Student {n}"), notes=(note,))) for n in range(count)]
    page = Page(overview.render(graded))
    accessible(page)
    assert page.text.count(note) == count
    assert ("open" in page.tags("details")[0]) == unfolded
    assert "another" not in student_html.render(graded[0]) + markdown.render(graded[0])


@pytest.mark.parametrize("count", [0, 5, 100, 1000])
def test_classes_of_all_sizes(count: int):
    graded = [seen(student(f"Student {n}", **({"web": F} if n % 3 else {}))) for n in range(count)]
    page = Page(overview.render(graded, title="02-services"))
    accessible(page)
    assert len([a for a in page.tags("a") if (a["href"] or "").startswith("students/")]) == count
    assert ("There are no submissions." in page.text) == (count == 0)


def test_a_class_of_which_nobody_could_be_graded():
    page = Page(overview.render([seen(student(problem="No cluster."))]))
    accessible(page)
    assert "No cluster." in page.text
    assert not page.tags("svg")


def test_equal_causes_count_together_and_once_a_student():
    hops = [
        "Ready Pods: container web of web-69698f49fc-6sj7d at 10.244.1.7 does not run",
        "Ready Pods: container web of web-69698f49bc-g9t5d at 10.244.2.13 does not run",
    ]
    graded = []
    for name, hop in zip("ab", hops, strict=True):
        found = student(name, web=F, dns=F)
        for task in found.report.tasks[:2]:
            task.checks[1].broken_hop = hop
        graded.append(seen(found))
    rows = re.findall(
        r"<tr><th scope=\"row\">(Ready Pods.*?)</th><td>(.*?)</td><td class=\"n\">(\d+)</td>", overview.render(graded)
    )
    assert rows == [("Ready Pods: container web of web-… at (address) does not run", "web, dns", "2")]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Pod web-7c5c664ffc-mjr4v waits", "Pod web-… waits"),
        ("4 of 5 connections to orders:80 failed", "some of connections to orders:80 failed"),
        ("3 requests: timed out after 1999 milliseconds", "requests: timed out after some time"),
        ("fd00:10:244::1f does not answer", "(address) does not answer"),
        ("claim pvc-0f9e8d7c-1234-5678-9abc-def012345678", "claim pvc-…"),
        ("no Service web in namespace ann-02-services", "no Service web in namespace 02-services"),
        (
            "Service web-https has no port 80; it listens on 8081",
            "Service web-https has no port 80; it listens on 8081",
        ),
        ("selector app=web-http2 matches no Pod", "selector app=web-http2 matches no Pod"),
    ],
)
def test_what_is_of_one_cluster_only_is_taken_out(text: str, same: str):
    assert causes.cause(text, "02-services") == same


@given(st.lists(st.floats(0, 130), max_size=60))
def test_the_histogram_holds_everybody(percents: list[float]):
    bars = histogram(percents)
    assert sum(bar.count for bar in bars) == len(percents)
    assert all(bar.height >= 0 and bar.y >= overview.HEAD - 0.01 for bar in bars)
    assert [bar.x for bar in bars] == sorted(bar.x for bar in bars)
