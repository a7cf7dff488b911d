"""A fresh node for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.kubelet.world import Node

from pocketkube.clock import Clock
from pocketkube.store import Store


@pytest.fixture
def clock() -> Clock:
    """Ten times as fast as real time, for back-offs and periods."""
    return Clock(speed=10.0)


@pytest.fixture
async def node(tmp_path: Path, clock: Clock) -> AsyncIterator[Node]:
    made = Node(tmp_path / "node", Store(None), clock)
    await made.start()
    yield made
    await made.stop()
