"""A namespace for each test of who may do what."""

from collections.abc import Iterator

import pytest
from tests.parity.network.support import Place, place

from kindlab import workspace
from kindlab.api import Api


@pytest.fixture
def here(api: Api, request: pytest.FixtureRequest) -> Iterator[Place]:
    found = place(api, request.node.name)
    yield found
    workspace.remove_namespace(api, found.namespace)
