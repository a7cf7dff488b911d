from __future__ import annotations

import pytest

from pocketkube.podphase import is_terminal


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_phases_that_no_other_follows(phase: str) -> None:
    assert is_terminal({"status": {"phase": phase}})


@pytest.mark.parametrize("status", [{}, {"phase": ""}, {"phase": "Pending"}, {"phase": "Running"}, {"phase": "Unknown"}])
def test_others(status: dict[str, str]) -> None:
    assert not is_terminal({"status": status})
    assert not is_terminal({})
