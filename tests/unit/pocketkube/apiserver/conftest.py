from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.pocketkube.apiserver.world import World, serving


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server with the namespaces `default` and `test`, and nothing else running."""
    async with serving(tmp_path) as it:
        yield it


@pytest.fixture
async def open_world(tmp_path: Path) -> AsyncIterator[World]:
    """The same, with anonymous requests allowed."""
    async with serving(tmp_path, anonymous=True) as it:
        yield it
