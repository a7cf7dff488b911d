from __future__ import annotations

import pytest

from pocketkube.podphase import is_terminal


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_phases_that_no_other_follows(phase: str) -> None:
    assert is_terminal({"status": {"phase": phase}})


@pytest.mark.parametrize("phase", ["", "Pending", "Running", "Unknown"])
def test_others(phase: str) -> None:
    assert not is_terminal({"status": {"phase": phase}})
    assert not is_terminal({"status": {}})
    assert not is_terminal({})
