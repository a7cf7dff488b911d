"""duration.py: the AGE column and RFC 3339 times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import duration

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2, "<invalid>"),
        (-1.9, "0s"),
        (-0.1, "0s"),
        (0, "0s"),
        (0.9, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 30, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR + 5 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (48 * HOUR, "2d"),
        (2 * DAY + 3 * HOUR, "2d3h"),
        (8 * DAY + 3 * HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (2 * YEAR + 40 * DAY, "2y40d"),
        (8 * YEAR + 40 * DAY, "8y"),
    ],
)
def test_human(seconds: float, text: str) -> None:
    assert duration.human(seconds) == text


def test_times_are_written_in_utc() -> None:
    moment = datetime(2026, 11, 21, 2, 30, 4, 123456, UTC)
    assert duration.format_time(moment) == "2026-11-21T02:30:04Z"
    assert duration.format_micro_time(moment) == "2026-11-21T02:30:04.123456Z"
    assert duration.format_time(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("2026-11-21T02:30:04Z", "2026-11-21T02:30:04.000000Z"),
        ("2026-11-21T04:30:04+02:00", "2026-11-21T02:30:04.000000Z"),
        ("2026-11-20T23:00:04.5-03:30", "2026-11-21T02:30:04.500000Z"),
        ("2026-11-21T02:30:04.123456789Z", "2026-11-21T02:30:04.123456Z"),
    ],
)
def test_times_are_read_with_any_offset(text: str, micro: str) -> None:
    assert duration.format_micro_time(duration.parse_time(text)) == micro


@pytest.mark.parametrize(
    "text", ["", "today", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|range|match|month"):
        duration.parse_time(text)


def test_seconds_between() -> None:
    assert duration.seconds_between("2026-01-01T00:00:00Z", "2026-01-01T00:01:30.5Z") == 90.5


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5µs"),
        (300_000_000, "300ms"),
        (1_500_000_000, "1.5s"),
        (5_400_000_000_000, "1h30m0s"),
        (-90_000_000_000, "-1m30s"),
    ],
)
def test_go_durations(nanoseconds: int, text: str) -> None:
    assert duration.format_go_duration(nanoseconds) == text


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_was_written_is_read_back(moment: datetime) -> None:
    assert duration.parse_time(duration.format_micro_time(moment)) == moment
    assert duration.parse_time(duration.format_time(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("-2m", -120),
        ("1m0.25s", 60.25),
        (".5s", 0.5),
    ],
)
def test_a_go_duration_is_read(text: str, seconds: float) -> None:
    assert duration.go_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s 2s", "1h-3m", "ten"])
def test_what_is_no_go_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration.go_seconds(text)


@given(st.integers(min_value=0, max_value=10**15))
def test_a_go_duration_is_read_as_it_is_written(nanoseconds: int) -> None:
    assert duration.go_seconds(duration.format_go_duration(nanoseconds)) == pytest.approx(nanoseconds / 1e9)
