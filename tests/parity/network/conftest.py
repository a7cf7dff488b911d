"""Namespaces for network tests: one for each test (`net`), or one that the tests of a module share (`shared`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.parity.network import gateway_support
from tests.parity.network.gateway_support import Edge
from tests.parity.network.support import Place, place, pod

from kindlab.api import Api


@pytest.fixture
def net(api: Api, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A fresh namespace of the test's own, deleted behind it."""
    made = place(api, request.node.name)
    yield made
    api.delete("Namespace", made.namespace)


@pytest.fixture(scope="module")
def shared(api: Api, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace for all tests of a module, with a Pod called `client` (agnhost) to ask from."""
    made = place(api, request.node.name.rpartition("/")[2].removesuffix(".py"))
    made.start(pod("client"))
    yield made
    api.delete("Namespace", made.namespace)


@pytest.fixture(scope="module")
def edge(shared: Place) -> Edge:
    """The Gateway API's controller and what a module's tests send it to."""
    return gateway_support.edge(shared)
