from __future__ import annotations

from typing import Any

import pytest

from kindlab.conditions import is_over, is_ready


def test_ready_is_what_the_condition_says() -> None:
    def of(*conditions: tuple[str, str]) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": type_, "status": status} for type_, status in conditions]}}

    assert is_ready(of(("Initialized", "False"), ("Ready", "True")))
    assert not is_ready(of(("Initialized", "True"), ("Ready", "Unknown")))
    assert not is_ready(of())
    assert not is_ready({"status": {}})
    assert not is_ready({})


@pytest.mark.parametrize(("phase", "over"), [("Succeeded", True), ("Failed", True), ("Running", False), (None, False)])
def test_over_is_what_the_phase_says(phase: str | None, over: bool) -> None:
    assert is_over({"status": {"phase": phase}}) is over
    assert not is_over({})
