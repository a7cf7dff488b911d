"""Sharing out a node's cores: exact arithmetic, under any sequence of events."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.kubelet.processor import PERIOD, Account, Processor, Work

limits = st.one_of(st.just(math.inf), st.floats(0.01, 8))


def test_one_burn_takes_as_long_as_it_computes() -> None:
    processor, ended = Processor(4), []
    account = Account(processor)
    processor.begin(account, 0.5, 10.0, lambda: ended.append(True))
    assert processor.next_end() == pytest.approx(10.5)
    processor.advance(10.4)
    assert not ended
    assert account.used == pytest.approx(0.4)
    processor.advance(20)
    assert ended == [True]
    assert account.used == processor.used == pytest.approx(0.5)
    assert processor.next_end() == math.inf


def test_a_limit_makes_it_take_longer() -> None:
    processor = Processor(4)
    account = Account(processor, limit=0.2)
    processor.begin(account, 0.5, 0)
    assert processor.next_end() == pytest.approx(2.5)
    processor.advance(1)
    assert account.used == pytest.approx(0.2)
    assert account.throttled == pytest.approx(0.8)


def test_what_shares_a_limit_is_slowed_down_alike() -> None:
    processor = Processor(4)
    account = Account(processor, limit=0.5)
    first, second = processor.begin(account, 1, 0), processor.begin(account, 1, 0)
    processor.advance(2)
    assert first.used == second.used == pytest.approx(0.5)


def test_a_thread_has_one_core_at_most() -> None:
    processor = Processor(4)
    account = Account(processor, limit=3)
    processor.begin(account, math.inf, 0)
    processor.advance(10)
    assert account.used == pytest.approx(10)


def test_too_few_cores_are_shared_by_weight_and_what_one_leaves_the_others_have() -> None:
    processor = Processor(2)
    small, large, limited = Account(processor, weight=100), Account(processor, weight=300), Account(processor, 0.1, 400)
    for account in (small, large, limited):
        for _ in range(4):
            processor.begin(account, math.inf, 0)
    processor.advance(10)
    assert limited.used == pytest.approx(1)
    assert small.used == pytest.approx(19 / 4)
    assert large.used == pytest.approx(19 * 3 / 4)


def test_what_was_computed_already_is_accounted_for_as_the_limit_allows() -> None:
    processor = Processor(4)
    account = Account(processor, limit=0.1)
    account.charge(0.5, 0)
    assert account.used == 0
    assert account.is_behind
    processor.advance(1)
    assert account.used == pytest.approx(0.1)
    account.charge(0.1, 1)
    assert account.backlog == pytest.approx(0.5)
    processor.advance(10)
    assert account.used == pytest.approx(0.6)
    assert account.backlog == 0
    assert not account.is_behind


def test_without_a_limit_it_counts_at_once_but_nobody_computes_faster_than_a_core() -> None:
    account = Account(Processor(4))
    assert account.charge(0.04, 5) == account.used == 0.04
    assert account.charge(0.5, 5) == pytest.approx(PERIOD - 0.04)
    assert account.charge(0.5, 5.05) == pytest.approx(0.05)
    assert account.used == pytest.approx(PERIOD + 0.05)
    assert not account.is_behind


events = st.lists(
    st.tuples(
        st.sampled_from(["begin", "spin", "charge", "end", "wait"]),
        st.integers(0, 2),
        st.floats(0.0, 3.0),
        st.floats(0.0, 1.0),
    ),
    max_size=40,
)


@given(cores=st.floats(0.5, 8), limits=st.tuples(limits, limits, limits), weights=st.tuples(*[st.integers(0, 9)] * 3),
       events=events)  # fmt: skip
def test_whatever_happens_the_sums_agree_and_no_limit_is_passed(
    cores: float, limits: tuple[float, ...], weights: tuple[int, ...], events: list[tuple[str, int, float, float]]
) -> None:
    processor = Processor(cores)
    accounts = [Account(processor, limit, weight) for limit, weight in zip(limits, weights, strict=True)]
    works: list[Work] = []
    now = 0.0
    for what, which, seconds, pause in events:
        account = accounts[which]
        before = [found.used for found in accounts]
        if what == "begin":
            works.append(processor.begin(account, seconds, now))
        elif what == "spin":
            works.append(processor.begin(account, math.inf, now))
        elif what == "charge":
            counted = account.charge(seconds, now)
            assert 0 <= counted <= seconds
            before[which] += counted if account.limit == math.inf else 0
        elif what == "end" and works:
            processor.end(works.pop(which % len(works)), now)
        now += pause
        processor.advance(now)
        assert processor.at == now
        for found, used in zip(accounts, before, strict=True):
            assert found.used >= used - 1e-9
            assert found.used - used <= min(found.limit, 1e9) * pause + 1e-6
            assert 0 <= found.throttled <= found.wanting + 1e-9 <= found.active + 2e-9
        assert sum(found.used for found in accounts) - sum(before) <= cores * pause + 1e-6
    assert sum(found.used for found in accounts) == pytest.approx(processor.used)
    assert all(work.left >= 0 for work in works)


@given(limit=st.floats(0.01, 4), burns=st.lists(st.floats(0.001, 5), min_size=1, max_size=8))
def test_burns_end_when_all_of_them_are_computed_and_not_before(limit: float, burns: list[float]) -> None:
    processor, ended = Processor(8), []
    account = Account(processor, limit)
    for seconds in burns:
        processor.begin(account, seconds, 0, lambda seconds=seconds: ended.append(seconds))  # type: ignore[misc]
    now = 0.0
    while (end := processor.next_end()) < math.inf:
        assert end >= now
        now = end
        processor.advance(now)
    assert sorted(ended) == sorted(burns)
    assert account.used == pytest.approx(sum(burns))
    assert now >= max(sum(burns) / min(limit, len(burns)), max(burns)) - 1e-6


def test_a_period_is_a_tenth_of_a_second() -> None:
    processor = Processor(1)
    account = Account(processor, limit=0.5)
    account.charge(0.5 * PERIOD * 0.99, 0)
    assert not account.is_behind
    account.charge(0.5 * PERIOD * 0.02, 0)
    assert account.is_behind
