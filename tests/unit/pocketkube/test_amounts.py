"""Amounts: sums are exact, differences never negative, texts those of quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import amounts, quantity
from pocketkube.amounts import ZERO, Amount

TEXTS = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.integers(0, 10**6),
    st.sampled_from(["", "m", "k", "Mi", "Gi", "u"]),
)
LISTS = st.dictionaries(st.sampled_from(["cpu", "memory", "pods", "requests.storage"]), TEXTS).map(amounts.of)


@given(st.lists(LISTS), st.randoms())
def test_a_sum_does_not_depend_on_the_order(parts: list[dict[str, Amount]], random) -> None:
    def total(given: list[dict[str, Amount]]) -> dict[str, Amount]:
        summed: dict[str, Amount] = {}
        for part in given:
            amounts.add(summed, part)
        return summed

    shuffled = list(parts)
    random.shuffle(shuffled)
    assert amounts.equal(total(parts), total(shuffled))


@given(LISTS, LISTS)
def test_growth_is_what_is_missing_and_never_negative(new: dict[str, Amount], old: dict[str, Amount]) -> None:
    grown = amounts.growth(new, old)
    assert all(one.value > 0 for one in grown.values())
    for name, one in new.items():
        had = old.get(name, ZERO).value
        assert max(one.value, had) == had + grown.get(name, ZERO).value


@given(LISTS)
def test_texts_say_what_amounts_are(given: dict[str, Amount]) -> None:
    assert amounts.equal(amounts.of(amounts.texts(given)), given)


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("0", "1Gi", "1Gi"),  # nothing takes the family of what is added to it
        ("1Gi", "512Mi", "1536Mi"),
        ("500m", "500m", "1"),
        ("1Gi", "1G", "2073741824"),
        ("1G", "1Gi", "2073741824"),
        ("100m", "0", "100m"),
    ],
)
def test_a_sum_is_shown_in_the_family_of_its_first_part(one: str, other: str, text: str) -> None:
    assert str(amounts.plus(amounts.amount(one), amounts.amount(other))) == text


def test_sums_of_very_long_numbers_are_exact() -> None:
    large = "9" * 200
    assert amounts.plus(amounts.amount(large), amounts.amount("1")).value == Decimal(10**200)


def test_what_is_shown_is_sorted() -> None:
    assert amounts.shown(amounts.of({"pods": "2", "cpu": "1500m"})) == "cpu=1500m,pods=2"
    assert quantity.canonical("1500m") == "1500m"
