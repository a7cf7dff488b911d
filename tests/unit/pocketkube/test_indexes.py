"""Completion indexes as Jobs write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import indexes


@pytest.mark.parametrize(
    ("found", "text"), [(set(), ""), ({3}, "3"), ({1, 2}, "1,2"), ({0, 1, 2, 5, 7, 8, 9}, "0-2,5,7-9")]
)
def test_runs_of_three_get_a_hyphen(found: set[int], text: str) -> None:
    assert indexes.show(found) == text


@given(st.sets(st.integers(0, 60)))
def test_what_is_written_is_read(found: set[int]) -> None:
    text = indexes.show(found)
    assert indexes.parse(text, 61) == found
    assert indexes.checked(text, 61) == len(found)


def test_what_is_beyond_or_odd_is_passed_over() -> None:
    assert indexes.parse("1,x,3-9,20", 6) == {1, 3, 4, 5}
    assert indexes.parse("0-999999999999", 3) == {0, 1, 2}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("5", 'too large index: "5"'),
        ("0-9", 'too large index: "9"'),
        ("a", 'cannot convert string to integer for index: "a"'),
        ("3-1", "non-increasing order, previous: 3, current: 1"),
        ("2,1", "non-increasing order, previous: 2, current: 1"),
        (
            "1-2-3",
            'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts '
            "separated by '-'",
        ),
    ],
)
def test_what_is_wrong_with_them(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what is tested
        indexes.checked(text, 5)
    assert str(caught.value) == why


def test_an_index_that_is_in_both() -> None:
    assert indexes.overlap("0,3-5", "4", 9) == 4
    assert indexes.overlap("0,3", "4", 9) is None


def test_a_text_of_few_letters_does_not_fill_the_memory() -> None:
    """It comes from users: in a success policy, or in a status they write."""
    whole, most = "0-2147483645", 2**31 - 1
    assert len(indexes.parse(whole, most)) == indexes.MOST
    assert indexes.overlap(whole, "7,2147483000-2147483644", most) == 7
    assert indexes.among({1, 5, 7}, whole, most) == (3, 2**31 - 2)
    assert indexes.among({1, 5, 7}, "0-5,9", 8) == (2, 6)


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_texts_are_compared_as_the_sets_are(one: set[int], other: set[int]) -> None:
    texts = indexes.show(one), indexes.show(other)
    assert indexes.overlap(*texts, 41) == min(one & other, default=None)
    assert indexes.among(one, texts[1], 41) == (len(one & other), len(other))
