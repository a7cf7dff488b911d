"""Cron schedules: when they are due, and what is said of those that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import cron


def due(schedule: str, after: str, zone: str = "") -> str:
    """The next time, in the schedule's zone."""
    found = cron.parse(schedule, cron.zone(zone)).next(datetime.fromisoformat(after))
    return "" if found is None else found.astimezone(cron.zone(zone)).isoformat()


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", "2026-07-01T12:00:00+00:00", "2026-07-01T12:01:00+00:00"),
        ("* * * * *", "2026-07-01T12:00:59+00:00", "2026-07-01T12:01:00+00:00"),
        ("*/5 * * * *", "2026-07-01T12:58:00+00:00", "2026-07-01T13:00:00+00:00"),
        ("15/20 * * * *", "2026-07-01T12:40:00+00:00", "2026-07-01T12:55:00+00:00"),
        ("0 9-17/4 * * mon-fri", "2026-07-03T17:00:00+00:00", "2026-07-06T09:00:00+00:00"),
        ("0 0 29 feb ?", "2026-07-01T00:00:00+00:00", "2028-02-29T00:00:00+00:00"),
        ("0 0 13 * 5", "2026-07-01T00:00:00+00:00", "2026-07-03T00:00:00+00:00"),  # the 13th or a Friday
        ("0 0 */2 * 5", "2026-07-01T00:00:00+00:00", "2026-07-03T00:00:00+00:00"),  # a step is a restriction
        ("0 0 * * 5", "2026-07-01T00:00:00+00:00", "2026-07-03T00:00:00+00:00"),
        ("@hourly", "2026-07-01T12:00:01+00:00", "2026-07-01T13:00:00+00:00"),
        ("@weekly", "2026-07-01T12:00:01+00:00", "2026-07-05T00:00:00+00:00"),
        ("@yearly", "2026-07-01T12:00:01+00:00", "2027-01-01T00:00:00+00:00"),
        ("@every 90s", "2026-07-01T12:00:00+00:00", "2026-07-01T12:01:30+00:00"),
        ("@every 1ms", "2026-07-01T12:00:00+00:00", "2026-07-01T12:00:01+00:00"),
        ("0 0 31 2 *", "2026-07-01T12:00:00+00:00", ""),
    ],
)
def test_the_next_time(schedule: str, after: str, expected: str) -> None:
    assert due(schedule, after) == expected


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("30 2 11 3 *", "2012-03-11T00:00:00-05:00", "2013-03-11T02:30:00-04:00"),  # the clocks skip it
        ("30 1 4 11 *", "2012-11-04T01:29:00-04:00", "2012-11-04T01:30:00-04:00"),
        ("30 1 4 11 *", "2012-11-04T01:45:00-04:00", "2012-11-04T01:30:00-05:00"),  # and show it twice
        ("0 * * * *", "2012-11-04T01:00:00-04:00", "2012-11-04T01:00:00-05:00"),
        ("0 9 * * *", "2026-07-01T12:00:00+00:00", "2026-07-01T09:00:00-04:00"),
    ],
)
def test_local_time(schedule: str, after: str, expected: str) -> None:
    assert due(schedule, after, "America/New_York") == expected


def test_a_zone_may_stand_before_the_schedule() -> None:
    found = cron.parse("CRON_TZ=Asia/Tokyo 0 6 * * *").next(datetime(2026, 7, 1, tzinfo=UTC))
    assert found == datetime(2026, 7, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("", "empty spec string"),
        ("every day", "expected exactly 5 fields, found 2: [every day]"),
        ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/2/3 * * * *", "too many slashes: */2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        (
            "99999999999999999999 * * * *",
            "failed to parse int from 99999999999999999999: strconv.Atoi: "
            'parsing "99999999999999999999": value out of range',
        ),
        ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
        ("@sometimes", "unrecognized descriptor: @sometimes"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("@every 5", 'failed to parse duration @every 5: time: missing unit in duration "5"'),
        ("@every 5d", 'failed to parse duration @every 5d: time: unknown unit "d" in duration "5d"'),
        ("@every 1h1", 'failed to parse duration @every 1h1: time: missing unit in duration "1h1"'),
        ("@every ", 'failed to parse duration @every : time: invalid duration ""'),
        ("@every 1h.", 'failed to parse duration @every 1h.: time: invalid duration "1h."'),
        ("@every 2562048h", 'failed to parse duration @every 2562048h: time: invalid duration "2562048h"'),
        ("TZ=Nowhere/Land * * * * *", "provided bad location Nowhere/Land: unknown time zone Nowhere/Land"),
        ("TZ=0", "invalid schedule format: runtime error: slice bounds out of range [3:-1]"),
    ],
)
def test_what_is_wrong_with_a_schedule(schedule: str, text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is what is tested
        cron.parse(schedule)
    assert str(caught.value) == text


@pytest.mark.parametrize("schedule", ["@every 2562047h", "* * * * *", "0 0 1 1 *"])
def test_there_is_an_end_of_time(schedule: str) -> None:
    assert cron.parse(schedule).next(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) is None


@pytest.mark.parametrize("name", ["Nowhere", "../etc/passwd", "/etc/localtime", "Europe", "Europe//Berlin", "a b"])
def test_names_of_no_time_zone(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown time zone {name}"):
        cron.zone(name)


@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(["*", "1", "1,15", "*/3"]),
    st.sampled_from(["*", "1-5", "0"]),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)),
)
def test_the_next_time_is_the_first_minute_that_fits(
    minute: int, hour: int, day: str, weekday: str, after: datetime
) -> None:
    schedule = cron.parse(f"{minute} {hour} {day} * {weekday}")
    start = after.replace(tzinfo=UTC)
    found = schedule.next(start)
    assert found is not None
    assert (found.minute, found.hour, found.second) == (minute, hour, 0)
    assert found > start
    before = found - timedelta(minutes=1)
    assert before < start or schedule.next(before) == found
    assert schedule.next(start + (found - start) / 2) == found
