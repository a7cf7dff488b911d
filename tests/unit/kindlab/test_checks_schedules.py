"""Which schedules are due once a night."""

import pytest

from kindlab.checks.schedules import is_nightly, values


@pytest.mark.parametrize(
    "schedule",
    [
        "17 2 * * *",
        "0 0 * * *",
        "59 23 * * *",
        "@daily",
        " @midnight ",
        "TZ=Europe/Berlin 30 3 * * *",
        "CRON_TZ=UTC 30 3 * * *",
        "5 4 1-31 * 0-6",
        "5 4 */1 1-12 1-7",
        "5 4 ? * sun-sat",
        "0 4-4 * * *",
    ],
)
def test_once_a_night(schedule: str) -> None:
    assert is_nightly(schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        "* 2 * * *",
        "0 * * * *",
        "0 12 * * *",
        "0 2 * * 0",
        "0 2 1 * *",
        "0 2 */2 * *",
        "0 2,3 * * *",
        "*/30 2 * * *",
        "0 2 * 6 *",
        "0 2 * * mon-fri",
        "@hourly",
        "@weekly",
        "@every 24h",
        "2 * *",
        "",
        "0 25 * * *",
        "0 2 */0 * *",
    ],
)
def test_not_once_a_night(schedule: str) -> None:
    assert not is_nightly(schedule)


def test_values_of_a_field() -> None:
    assert values("*/20", 0, 59) == {0, 20, 40}
    assert values("10/25", 0, 59) == {10, 35}
    assert values("1-5/2,9", 0, 23) == {1, 3, 5, 9}
    assert values("5-1", 0, 23) == values("x", 0, 23) == set()
