"""Namespaces for network tests: one for each test (`net`), or one that the tests of a module share (`shared`)."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

import pytest
from tests.parity.network.support import Place, pod

from kindlab import workspace
from kindlab.api import Api

LABELS = {"pod-security.kubernetes.io/enforce": "privileged"}


def _place(api: Api, name: str) -> Place:
    namespace = f"net-{name.removeprefix('test_').replace('_', '-').partition('[')[0][:40].strip('-')}-{token_hex(2)}"
    workspace.make_namespace(api, namespace)
    api.patch("Namespace", namespace, None, {"metadata": {"labels": LABELS}})
    return Place(api, namespace)


@pytest.fixture
def net(api: Api, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A fresh namespace of the test's own, deleted behind it."""
    place = _place(api, request.node.name)
    yield place
    api.delete("Namespace", place.namespace)


@pytest.fixture(scope="module")
def shared(api: Api, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A namespace for all tests of a module, with a Pod called `client` (agnhost) to ask from."""
    place = _place(api, request.node.name.rpartition("/")[2].removesuffix(".py"))
    place.start(pod("client"))
    yield place
    api.delete("Namespace", place.namespace)
