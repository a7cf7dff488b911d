"""A fresh node for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.kubelet.world import Node

from pocketkube.clock import Clock
from pocketkube.images.busybox import IMAGE as BUSYBOX
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


@pytest.fixture
def busy(node: Node) -> Node:
    """The node, with BusyBox in its registry."""
    node.kubelet.catalogue = {**node.kubelet.catalogue, **dict.fromkeys(BUSYBOX.names, BUSYBOX)}
    return node
