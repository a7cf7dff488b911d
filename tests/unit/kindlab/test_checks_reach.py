"""Who reaches whom: everybody asks once, and once more before anybody is called wrong."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kindlab.checks import reach
from kindlab.checks.probe import TIMED_OUT, Reply
from kindlab.checks.reach import Reach

YES, SILENCE, REFUSED = Reply(200, "", 0), Reply(0, "", TIMED_OUT), Reply(0, "", 7)
Answers = dict[tuple[str, str], list[Reply]]


class Network:
    """Answers each (asker, URL) with its replies one after the other, the last for good."""

    def __init__(self, answers: Answers) -> None:
        self.answers, self.asked = answers, list[list[tuple[str, str]]]()

    def ask(self, questions: Any, *, timeout: float) -> dict[tuple[str, str], Reply]:
        now = sorted(questions)
        self.asked.append(now)
        return {q: self.answers[q].pop(0) if len(self.answers[q]) > 1 else self.answers[q][0] for q in now}


def reach_of(monkeypatch: pytest.MonkeyPatch, answers: Answers) -> tuple[Reach, Network]:
    network = Network(answers)
    monkeypatch.setattr(reach, "ask_together", network.ask)
    askers = {who: who for who, _ in answers}
    return Reach(cast(Any, askers), {url: url for _, url in answers}), network


def test_all_is_as_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    found, network = reach_of(monkeypatch, {("cart", "pay"): [YES], ("web", "pay"): [SILENCE]})
    assert found.wrong("pay", {"cart"}, {"web"}) == []
    assert len(network.asked) == 1
    assert found.is_silent_somewhere


def test_a_policy_that_is_heard_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    found, network = reach_of(monkeypatch, {("cart", "pay"): [SILENCE, YES], ("web", "pay"): [YES, SILENCE]})
    assert found.wrong("pay", {"cart"}, {"web"}) == []
    assert len(network.asked) == 2


def test_who_is_wrong_is_asked_once_more_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {("cart", "pay"): [REFUSED], ("web", "pay"): [YES], ("else", "pay"): [SILENCE]}
    found, network = reach_of(monkeypatch, answers)
    for _ in range(2):
        assert found.wrong("pay", {"cart"}, {"web", "else"}) == ["cart", "web"]
    assert network.asked[1:] == [[("cart", "pay"), ("web", "pay")]]
    assert found.replies["web", "pay"].ok


def test_a_refusal_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = reach_of(monkeypatch, {("web", "pay"): [REFUSED]})
    assert found.wrong("pay", set(), {"web"}) == ["web"]
    assert not found.is_silent_somewhere
    assert found.wrong("pay", set(), {"nobody who was asked"}) == []
