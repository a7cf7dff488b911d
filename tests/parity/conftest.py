"""Parity tests touch nothing but the API: the same body runs on any cluster (`--cluster current`)."""

from collections.abc import Iterator

import pytest

from kindlab import workspace
from kindlab.api import Api
from kindlab.checks.live import LiveLab
from kindlab.clusters.base import Status


@pytest.fixture(scope="session")
def api(cluster: Status) -> Api:
    return cluster.api()


@pytest.fixture
def live(api: Api, request: pytest.FixtureRequest) -> Iterator[LiveLab]:
    """A fresh namespace named after the test, seen with the graders' own words."""
    namespace = "parity-" + request.node.name.removeprefix("test_").replace("_", "-").partition("[")[0][:50].strip("-")
    workspace.remove_namespace(api, namespace)
    workspace.make_namespace(api, namespace)
    yield LiveLab(api, namespace)
    workspace.remove_namespace(api, namespace)
