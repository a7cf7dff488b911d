from __future__ import annotations

from typing import Any

import pytest

from pocketkube.fieldmanager import entries


def entry(manager: str, time: str = "t", operation: str = "Update", **more: Any) -> entries.Entry:
    return entries.made(manager, operation, more.pop("version", "v1"), time, {f"f:{manager}": {}}, **more)


def test_the_order_of_entries() -> None:
    found = entries.ordered([entry("b", "2"), entry("c", "1"), entry("a", "2"), entry("z", "9", "Apply")])
    assert [one["manager"] for one in found] == ["z", "c", "a", "b"]


def test_appliers_are_the_same_in_every_version_and_updaters_are_not() -> None:
    one, other = entry("a", operation="Apply"), entry("a", operation="Apply", version="v2")
    assert entries.identity(one) == entries.identity(other)
    assert entries.identity(entry("a")) != entries.identity(entry("a", version="v2"))
    assert entries.identity(entry("a")) != entries.identity(entry("a", subresource="status"))


def test_the_oldest_of_many_updates_become_one() -> None:
    many = [entry(f"m{number:02}", f"{number:02}") for number in range(13)] + [entry("x", operation="Apply")]
    found = entries.capped(many)
    assert len(found) == entries.MOST_UPDATES + 1
    ancient = next(one for one in found if one["manager"] == entries.ANCIENT)
    assert (set(ancient["fieldsV1"]), ancient["time"]) == ({"f:m00", "f:m01", "f:m02", "f:m03"}, "03")
    assert entries.capped(many[:10]) == many[:10]


@pytest.mark.parametrize(
    ("given", "usable"),
    [
        ([entry("a")], True),
        ([{"manager": "a"}], False),
        ([{**entry("a"), "operation": "Wish"}], False),
        ([{**entry("a"), "fieldsV1": {"spec": {}}}], False),
        ("x", False),
    ],
)
def test_what_a_client_may_send(given: Any, usable: bool) -> None:
    assert entries.usable(given) is usable


def test_asking_for_none() -> None:
    assert entries.is_reset([])
    assert entries.is_reset([{}])
    assert not entries.is_reset([entry("a")])
    assert not entries.is_reset(None)
