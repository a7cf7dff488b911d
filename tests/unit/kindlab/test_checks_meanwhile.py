"""Work that is begun early and asked for late."""

import threading

import pytest

from kindlab.checks.meanwhile import Meanwhile


def test_it_is_done_once_while_others_go_on() -> None:
    go, done = threading.Event(), []

    def work() -> str:
        go.wait(60)
        done.append("once")
        return "made"

    one = Meanwhile(work)
    one.begin()
    one.begin()
    assert done == []
    go.set()
    assert (one.result(), one.result(), done) == ("made", "made", ["once"])


def test_who_asks_for_the_result_begins_it() -> None:
    assert Meanwhile(lambda: 7).result() == 7


def test_what_it_raises_belongs_to_who_asks() -> None:
    def work() -> None:
        raise ValueError("no")

    one = Meanwhile(work)
    one.begin()
    one.end()
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            one.result()


def test_what_was_never_begun_has_ended() -> None:
    done: list[int] = []
    Meanwhile(lambda: done.append(1)).end()
    assert done == []
