"""A namespace for each test of scheduling, priority classes of its own, and nodes that are left as they were found."""

from collections.abc import Iterator

import pytest
from tests.parity.network.support import Place, place
from tests.parity.scheduling.support import Nodes, Priorities

from kindlab import workspace
from kindlab.api import Api


@pytest.fixture
def here(api: Api, request: pytest.FixtureRequest) -> Iterator[Place]:
    found = place(api, request.node.name)
    yield found
    workspace.remove_namespace(api, found.namespace)


@pytest.fixture
def nodes(api: Api) -> Iterator[Nodes]:
    found = Nodes(api)
    yield found
    found.restore()


@pytest.fixture
def priorities(api: Api) -> Iterator[Priorities]:
    found = Priorities(api)
    yield found
    found.restore()
