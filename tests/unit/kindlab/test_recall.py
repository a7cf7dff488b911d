"""What is asked next: missed questions first, known ones later each time, an exam in KCNA's proportions."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindlab import recall
from kindlab.errors import Problem
from kindlab.quiz import DOMAINS, Option, Question

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def question(name: str, domain: str = "Kubernetes Fundamentals") -> Question:
    return Question("02-services", name, f"{domain}: x", "?", (Option("a", "why", right=True), Option("b", "why")))


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path))
    return tmp_path


def names(found: list[Question]) -> list[str]:
    return [q.id for q in found]


def test_what_was_missed_comes_first_and_what_is_known_is_left_out() -> None:
    a, b, c = question("a"), question("b"), question("c")
    assert names(recall.due([a, b, c], NOW)) == ["a", "b", "c"]
    recall.answered(a, True, NOW)
    recall.answered(c, False, NOW)
    assert names(recall.due([a, b, c], NOW)) == ["c", "b"]


def test_each_right_answer_in_a_row_makes_the_pause_longer() -> None:
    one, moment = question("a"), NOW
    for days in (1, 3, 7, 21, 21):
        recall.answered(one, True, moment)
        assert recall.due([one], moment + timedelta(days=days, seconds=-1)) == []
        moment += timedelta(days=days)
        assert recall.due([one], moment) == [one]
    recall.answered(one, False, moment)
    assert recall.due([one], moment) == [one]
    recall.answered(one, True, moment)
    assert recall.due([one], moment + timedelta(days=1)) == [one]


def test_what_is_longest_overdue_comes_before_the_rest() -> None:
    a, b = question("a"), question("b")
    recall.answered(a, True, NOW)
    recall.answered(b, True, NOW - timedelta(days=3))
    assert names(recall.due([a, b], NOW + timedelta(days=9))) == ["b", "a"]


@pytest.mark.parametrize(
    "text", ["x", "[a]\n", "[a]\nbox = 9\nasked = 1\nright = 1\nlast = '2026-11-21'", "[a]\nbox = 'x'"]
)
def test_a_damaged_file_is_said_and_left_alone(work: Path, text: str) -> None:
    recall.file().write_text(text)
    with pytest.raises(Problem, match=r"quiz\.toml cannot be read"):
        recall.due([question("a")])
    with pytest.raises(Problem):
        recall.answered(question("a"), True)
    assert recall.file().read_text() == text


@given(st.lists(st.sampled_from(list(DOMAINS)), min_size=1, max_size=150), st.integers(1, 80), st.integers())
def test_an_exam_has_each_domain_in_its_share(domains: list[str], count: int, seed: int) -> None:
    every = [question(str(n), domain) for n, domain in enumerate(domains)]
    chosen = recall.drawn(every, count, random.Random(seed))
    assert len(chosen) <= count
    assert len({q.id for q in chosen}) == len(chosen)
    there = {d: DOMAINS[d] for d in set(domains)}
    shares = Counter(q.domain for q in chosen)
    size = min([count, *(domains.count(d) * sum(there.values()) / w for d, w in there.items())])
    for domain, weight in there.items():
        assert abs(shares[domain] - size * weight / sum(there.values())) < 1


@pytest.mark.parametrize(("count", "shares"), [(50, (22, 14, 8, 6)), (60, (26, 17, 10, 7))])
def test_a_whole_exam_is_as_long_as_asked(count: int, shares: tuple[int, ...]) -> None:
    every = [question(f"{d}{n}", d) for d in DOMAINS for n in range(60)]
    chosen = recall.drawn(every, count, random.Random(1))
    assert Counter(q.domain for q in chosen) == dict(zip(DOMAINS, shares, strict=True))
