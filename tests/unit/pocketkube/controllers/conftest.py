from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.unit.pocketkube.controllers.world import World, running


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Two nodes in two zones, everything running, the namespace's default ServiceAccount there."""
    created = World()
    created.node("worker-a", zone="a")
    created.node("worker-b", zone="b")
    async with running(created) as it:
        await it.until(lambda: it.find("serviceaccounts", "default") is not None)
        yield it
