"""The course as its users see it: `kindlab` as a process, on a live cluster, with folders of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.course.command import Run, runner

from kindlab import workspace
from kindlab.api import Api
from kindlab.checks.live import LiveLab
from kindlab.clusters.base import Status
from kindlab.clusters.pocket import Pocket


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The learner's folder: one a module, whose tests share what they did in it."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def kindlab(pocket: Status, work: Path) -> Run:
    """The command, on the session's cluster (which `kindlab up` would have remembered)."""
    return runner(KINDLAB_WORK=str(work))


@pytest.fixture(scope="module")
def api(pocket: Status) -> Api:
    return pocket.api()


@pytest.fixture
def live(api: Api, request: pytest.FixtureRequest) -> Iterator[LiveLab]:
    """A fresh namespace named after the test, seen with the graders' own words."""
    name = request.node.name.removeprefix("test_").replace("_", "-").partition("[")[0]
    namespace = f"course-{name}"[:60].strip("-")
    workspace.remove_namespace(api, namespace)
    workspace.make_namespace(api, namespace)
    yield LiveLab(api, namespace)
    workspace.remove_namespace(api, namespace)


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Status]:
    """A second embedded cluster, in a home of its own: to be killed, or to be somebody else's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(tmp_path_factory.mktemp("another")))
        cluster = Pocket("another")
    try:
        yield cluster.up(lambda text: None)
    finally:
        cluster.down(lambda text: None)
