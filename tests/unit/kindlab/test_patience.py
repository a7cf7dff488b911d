"""How long a grade goes on asking what cannot be watched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kindlab.checks import patience
from kindlab.checks.patience import CATCH_UP, PAUSE, Patience


class Clock:
    """Time that passes in sleeps only."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "monotonic", made.monotonic)
    monkeypatch.setattr(patience, "sleep", made.sleep)
    return made


def counter() -> Callable[[], int]:
    """1, 2, 3, ..."""
    return iter(range(1, 10**6)).__next__


def test_an_answer_that_holds_is_taken_at_once(clock: Clock) -> None:
    assert Patience().until(counter(), lambda n: n == 1) == 1
    assert clock.now == 1000


def test_it_is_asked_again_until_it_holds(clock: Clock) -> None:
    assert Patience().until(counter(), lambda n: n == 4) == 4
    assert clock.now == 1000 + 3 * PAUSE


def test_the_last_answer_is_taken_as_it_is(clock: Clock) -> None:
    assert Patience().until(counter(), lambda n: False) > 1
    assert clock.now == 1000 + CATCH_UP


def test_all_questions_share_one_deadline(clock: Clock) -> None:
    one = Patience()
    one.until(counter(), lambda n: False)
    assert one.until(counter(), lambda n: False) == 1
    assert clock.now == 1000 + CATCH_UP


def test_a_change_renews_it(clock: Clock) -> None:
    one = Patience()
    one.until(counter(), lambda n: False)
    one.renew()
    one.until(counter(), lambda n: False)
    assert clock.now == 1000 + 2 * CATCH_UP


def test_a_change_of_the_checks_own_has_a_deadline_of_its_own(clock: Clock) -> None:
    one = Patience()
    one.until(counter(), lambda n: False)
    one.until(counter(), lambda n: False, timeout=3)
    assert clock.now == 1000 + CATCH_UP + 3
