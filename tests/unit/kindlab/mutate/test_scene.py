"""How the oracle asks: what a busy machine does to one answer is no fact."""

from __future__ import annotations

from typing import Any

import pytest

from kindlab.api import Obj
from kindlab.mutate.scene import AGAIN, SILENT, Question, Scene

POD: Obj = {"metadata": {"name": "a", "namespace": "lab"}}
OK, SILENCE = "@@0 0 200 \nweb\n", f"@@0 {SILENT} 000 \n\n"


class Told(Scene):
    """A scene whose commands print these texts, one after the other."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)

    def run(self, *about: Any, **how: Any) -> tuple[int, str]:
        return 0, self.texts.pop(0)


@pytest.mark.parametrize(
    ("first", "then", "heard"),
    [(OK * AGAIN, OK, {0}), (OK + SILENCE, OK * AGAIN, {0}), (OK + SILENCE, OK + SILENCE, {0, SILENT})],
)
def test_silence_beside_answers_counts_when_it_is_met_again(first: str, then: str, heard: set[int]) -> None:
    answers = Told(first, then).ask(POD, {"": Question("http://web", AGAIN)})[""]
    assert {answer.exit for answer in answers} == heard


def test_silence_counts_at_once_where_nobody_answers_or_few_were_asked() -> None:
    assert len(Told(SILENCE).ask(POD, {"": Question("http://web", AGAIN)})[""]) == 1
    assert len(Told(OK + SILENCE).ask(POD, {"": Question("http://web", 4)})[""]) == 2


def test_who_is_asked_nothing_answers_nothing() -> None:
    assert Told().ask(POD, {}) == {}
