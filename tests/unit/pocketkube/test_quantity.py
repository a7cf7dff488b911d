"""quantity.py: worth, canonical text and refusals, as resource.Quantity has them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import quantity


@pytest.mark.parametrize(
    ("text", "stored", "worth"),
    [
        ("1000m", "1", "1"),
        ("0.5", "500m", "0.5"),
        ("1.5Gi", "1536Mi", "1610612736"),
        ("1024Ki", "1Mi", "1048576"),
        ("1Ki", "1Ki", "1024"),
        ("1Ei", "1Ei", str(2**60)),
        ("0.5Ki", "512", "512"),
        ("1.1Ki", "1126400m", "1126.4"),
        ("0.3Gi", "322122547200m", "322122547.2"),
        ("100m", "100m", "0.1"),
        ("0.1n", "1n", "1e-9"),
        ("3.1n", "4n", "4e-9"),
        ("12e6", "12e6", "12000000"),
        ("1000e3", "1e6", "1000000"),
        ("1E", "1E", "1e18"),
        ("1E3", "1E3", "1000"),
        ("1e-3", "1e-3", "0.001"),
        ("1.25e3", "1250", "1250"),
        ("-1.5Gi", "-1536Mi", "-1610612736"),
        ("0", "0", "0"),
        ("-0", "0", "0"),
        ("0Gi", "0", "0"),
        ("1.500", "1.500", "1.5"),  # kept as written: canonical at a glance
        ("007", "007", "7"),
        ("+5", "+5", "5"),
        ("2000", "2k", "2000"),
        ("k", "0", "0"),
        (".5Gi", "512Mi", "536870912"),
        ("100Ei", str(2**63 - 1), str(2**63 - 1)),
        (1, "1", "1"),
        (0.5, "500m", "0.5"),
        (1.0, "1", "1"),
    ],
)
def test_reads_and_stores(text: str | float, stored: str, worth: str) -> None:
    assert quantity.canonical(text) == stored
    assert quantity.parse(text) == Decimal(worth)


REGEX = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "12kg", "1GiB", "1 Ki", " 1", "1 ", "½", "1\n", "٣"])
def test_refuses_what_is_no_number_with_suffix(text: str) -> None:
    with pytest.raises(quantity.InvalidQuantity) as refused:
        quantity.parse(text)
    assert str(refused.value) == REGEX


@pytest.mark.parametrize("text", ["1e", "1Kii", "1k5", "5-3", "--1", "1mm", "1e99999999999999999999"])
def test_refuses_unknown_suffixes(text: str) -> None:
    with pytest.raises(quantity.InvalidQuantity, match=r"^unable to parse quantity's suffix$"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("text", "thousandths", "units"),
    [("250m", 250, 1), ("1", 1000, 1), ("0.0001", 1, 1), ("-1500m", -1500, -1), ("1Gi", 2**30 * 1000, 2**30)],
)
def test_scales_rounding_up(text: str, thousandths: int, units: int) -> None:
    assert quantity.milli(text) == thousandths
    assert quantity.value(text) == units


def test_scales_are_capped_to_int64() -> None:
    assert quantity.milli("1E") == 2**63 - 1
    assert quantity.milli("-1e30") == -(2**63 - 1)
    assert quantity.value("1e1000") == 2**63 - 1


def test_compares_across_suffixes() -> None:
    assert quantity.compare("1000m", "1") == 0
    assert quantity.compare("1Gi", "1G") == 1
    assert quantity.compare("1023Ki", "1Mi") == -1


def test_sums_take_the_format_of_the_first() -> None:
    total = quantity.parse("512Mi") + quantity.parse("512Mi")
    assert quantity.text_of(total, quantity.format_of("512Mi")) == "1Gi"
    assert quantity.text_of(quantity.parse("1500m") + 1) == "2500m"


_SUFFIXES = st.sampled_from(
    ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "e3", "e-6", "E2"]
)
_NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,7})(\.[0-9]{1,4})?", fullmatch=True)


@given(_NUMBERS, _SUFFIXES)
def test_what_is_stored_is_worth_the_same_and_stays(number: str, suffix: str) -> None:
    text = number + suffix
    # Beyond E there is no decimal suffix, and upstream then drops the exponent.
    if (suffix == "E" and Decimal(number) >= 1000) or (suffix == "P" and Decimal(number) >= 10**6):
        return
    stored = quantity.canonical(text)
    assert quantity.parse(stored) == quantity.parse(text)
    assert quantity.canonical(stored) == stored


def _complaint(text: str) -> str:
    try:
        quantity.canonical(text)
    except quantity.InvalidQuantity as refused:
        return str(refused)
    return ""


@given(st.text(max_size=12) | st.text("0123456789.eE+-kMGimun", max_size=12))
def test_any_text_parses_or_is_refused(text: str) -> None:
    assert _complaint(text) in ("", quantity.FORMAT_WRONG, quantity.NUMERIC_WRONG, quantity.SUFFIX_WRONG)


@given(st.integers(-(10**30), 10**30))
def test_integers_are_exact(number: int) -> None:
    assert quantity.parse(str(number)) == number


@pytest.mark.parametrize(
    "text", ["1e999999999", "1e99999", "1e-99999", "9" * 100_000, "0." + "1" * 100_000, "1e" + "9" * 9999]
)
def test_attack_numbers_that_take_minutes_to_compute_with(text: str) -> None:
    with pytest.raises(quantity.InvalidQuantity):
        quantity.parse(text)
