"""Answers that are waited for, for a while."""

from threading import Event

from kindlab.soon import within


def test_an_answer_in_time_is_returned() -> None:
    assert within(60, lambda: {"a": 1}) == {"a": 1}


def test_who_takes_too_long_is_left_to_itself() -> None:
    never = Event()
    try:
        assert within(0.01, lambda: never.wait(60)) is None
    finally:
        never.set()
