"""A namespace for each storage test."""

from collections.abc import Iterator

import pytest
from tests.parity.storage.support import Disks
from tests.parity.storage.support import disks as fresh

from kindlab.api import Api


@pytest.fixture
def disks(api: Api, request: pytest.FixtureRequest) -> Iterator[Disks]:
    yield from fresh(api, request.node.name)
