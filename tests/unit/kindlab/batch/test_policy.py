"""policy.toml: every key is known, every mistake is said with what was meant."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kindlab import labs
from kindlab.batch import newpolicy
from kindlab.batch.policy import Late, Policy, TaskPolicy, checks_of, load, parse
from kindlab.errors import UsageProblem
from kindlab.labs import Lab


@pytest.fixture(scope="module")
def lab() -> Lab:
    return labs.find("02")


def test_an_empty_policy_changes_nothing(lab: Lab):
    assert parse("", lab) == Policy()


def test_every_key(lab: Lab):
    text = """
        pass_mark = 50
        scale = 20
        decimals = 1
        rounding = "up"
        [late]
        due = 2026-11-30T23:59:00+01:00
        grace_minutes = 15
        penalty_per_day = 12.5
        cap = 50
        closes_after_days = 7
        [tasks.cart-selector]
        weight = 2
        visibility = "after_due_date"
        extra_credit = true
        [checks.test_catalog_answers_by_name]
        visibility = "hidden"
    """
    found = parse(text, lab)
    assert found.late is not None
    assert found.late.due.astimezone(UTC) == datetime(2026, 11, 30, 22, 59, tzinfo=UTC)
    assert found == Policy(
        50,
        Late(found.late.due, 15, 12.5, 50, 7),
        {"cart-selector": TaskPolicy(2, "after_due_date", True)},
        {"test_catalog_answers_by_name": "hidden"},
        20,
        1,
        "up",
    )


def test_a_time_zone_says_what_the_clock_on_the_wall_shows(lab: Lab):
    found = parse('[late]\ndue = 2026-07-30T23:59:00\ntimezone = "Europe/Berlin"', lab)
    assert found.late is not None
    assert found.late.due.isoformat() == "2026-07-30T23:59:00+02:00"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("passmark = 50", "no key passmark. Did you mean pass_mark?"),
        ('pass_mark = "50"', "pass_mark is '50'. It must be a number from 0 to 100."),
        ("pass_mark = true", "pass_mark is true. It must be a number"),
        ("pass_mark = nan", "pass_mark is nan. It must be a number"),
        ("pass_mark = 101", "pass_mark is 101. It must be from 0 to 100."),
        ("decimals = 1.5", "decimals is 1.5. It must be a whole number."),
        ('rounding = "half_up"', "It can be: half-up, up, down. Did you mean half-up?"),
        ("rounding = 1", "rounding is 1. It can be: half-up, up, down. Texts stand in quotes"),
        ("late = 3", "late is 3. It must be a table. Write [late]"),
        ("[late]", "does not say when it was due"),
        ("[late]\ndue = 2026-11-30", "late.due is a date without a time."),
        ('[late]\ndue = "2026-11-30 23:59"', "It must be a date and a time, without quotes."),
        ("[late]\ndue = 2026-11-30T23:59:00", "does not say in which time zone."),
        ('[late]\ndue = 2026-11-30T23:59:00\ntimezone = "Europa/Berlin"', "Did you mean Europe/Berlin"),
        ('[late]\ndue = 2026-11-30T23:59:00\ntimezone = "../etc"', "There is no such time zone."),
        ("[late]\ndue = 2026-11-30T23:59:00Z\ncap = 120", "late.cap is 120. It must be from 0 to 100."),
        ("[late]\ndue = 2026-11-30T23:59:00Z\nper_day = 1", "no key late.per_day. Did you mean penalty_per_day?"),
        ("[tasks.cart-selektor]", "a task that the lab does not have. Did you mean cart-selector?"),
        ("[tasks.cart-selector]\nwheight = 2", "no key tasks.cart-selector.wheight. Did you mean weight?"),
        ("[tasks.cart-selector]\nweight = -1", "tasks.cart-selector.weight is -1."),
        ("[tasks.cart-selector]\nweight = 1e-9", "0 (counts nothing) or 0.001 and more"),
        ("[tasks.cart-selector]\nextra_credit = 1", "extra_credit is 1. It must be true or false"),
        ('[tasks.cart-selector]\nvisibility = "hiden"', "Did you mean hidden?"),
        ("[checks.test_catalog_answers_by_nam]", "Did you mean test_catalog_answers_by_name"),
        ("[checks.test_catalog_answers_by_name]", "says nothing"),
        ("pass_mark =", "is not TOML"),
    ],
)
def test_mistakes_are_said_with_what_was_meant(lab: Lab, text: str, said: str):
    with pytest.raises(UsageProblem) as raised:
        parse(text, lab)
    assert said in str(raised.value).replace("\n", " ")
    assert raised.value.what.startswith("policy.toml")
    assert raised.value.why
    assert raised.value.then


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b""])
def test_a_file_that_cannot_be_read_is_said(lab: Lab, tmp_path: Path, content: bytes | None):
    file = tmp_path / "my.toml"
    if content is not None:
        file.write_bytes(content)
    if content == b"":
        assert load(file, lab) == Policy()
        return
    with pytest.raises(UsageProblem, match=r"my\.toml cannot be read"):
        load(file, lab)


def test_a_new_policy_changes_nothing_until_somebody_takes_a_mark_away(lab: Lab, tmp_path: Path):
    file = tmp_path / "policy.toml"
    newpolicy.write(lab, file)
    found = load(file, lab)
    assert found == Policy(tasks={task.id: TaskPolicy() for task in lab.tasks})
    with pytest.raises(UsageProblem, match="is there already"):
        newpolicy.write(lab, file)


def test_what_a_new_policy_explains_can_all_be_said(lab: Lab):
    text = re.sub(r"(?m)^# (?=\[|\w+ = )", "", newpolicy.text(lab))
    found = parse(text, lab)
    assert (found.pass_mark, found.scale, found.decimals, found.rounding) == (50, 100, 2, "half-up")
    assert found.late is not None
    assert (found.late.grace_minutes, found.late.penalty_per_day, found.late.cap) == (15, 10, 50)
    assert list(found.checks) == [checks_of(lab)[0]]


def test_every_lab_has_a_policy_to_begin_with():
    for one in labs.all_labs():
        parse(newpolicy.text(one), one)
