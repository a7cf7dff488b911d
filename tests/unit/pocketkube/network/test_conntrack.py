from types import SimpleNamespace
from typing import cast

import pytest

from pocketkube.clock import Clock
from pocketkube.network import conntrack
from pocketkube.network.conntrack import REPLIED, UNREPLIED, Conntrack

CLIENT, SERVER = ("10.244.1.2", 40000), ("10.244.2.2", 53)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def table(time: Time) -> Conntrack:
    return Conntrack(cast(Clock, SimpleNamespace(monotonic=lambda: time.now)))


def test_an_answer_belongs_to_the_flow_it_answers(table: Conntrack) -> None:
    assert not table.established(SERVER, CLIENT)
    table.begin(CLIENT, SERVER)
    assert table.established(SERVER, CLIENT)
    assert not table.established(SERVER, ("10.244.1.2", 40001))


def test_a_flow_without_an_answer_is_new_with_every_packet(table: Conntrack) -> None:
    table.begin(CLIENT, SERVER)
    assert not table.established(CLIENT, SERVER)
    table.established(SERVER, CLIENT)
    assert table.established(CLIENT, SERVER)


def test_flows_are_forgotten_after_a_while_of_silence(table: Conntrack, time: Time) -> None:
    table.begin(CLIENT, SERVER)
    time.now += UNREPLIED
    assert not table.established(SERVER, CLIENT)
    table.begin(CLIENT, SERVER)
    assert table.established(SERVER, CLIENT)
    time.now += REPLIED - 1
    assert table.established(CLIENT, SERVER)  # and that keeps it alive
    time.now += REPLIED - 1
    assert table.established(SERVER, CLIENT)
    time.now += REPLIED
    assert not table.established(SERVER, CLIENT)


def test_forgotten_flows_take_no_room(table: Conntrack, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conntrack, "SWEEP_AT", 10)
    for number in range(conntrack.SWEEP_AT + 4096):
        table.begin(("10.244.1.2", number), SERVER)
        time.now += 1
    assert len(table._flows) <= 4096
