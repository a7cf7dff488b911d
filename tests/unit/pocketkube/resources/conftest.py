"""What tests of kinds share."""

from __future__ import annotations

import pytest
from tests.unit.pocketkube.resources import direct

from pocketkube.registry import Registry


@pytest.fixture
def held() -> Registry:
    """A registry with the namespace `test`."""
    found = direct.registry()
    direct.namespace(found, "test")
    return found
