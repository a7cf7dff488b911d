"""A real engine for a session, and the command that uses it and no other (daemon.py says how)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from tests.course.command import Run, runner
from tests.engine.daemon import HIDDEN, PATH, Daemon, folder_of_a_daemon, lacking

from kindlab import engines, tools

Cannot = Callable[[str], NoReturn]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.xdist_group("engine"))  # one daemon for all of them


@pytest.fixture(autouse=True)
def _nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is set for the user's own engine shows."""
    for name in HIDDEN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def _docker() -> Iterator[Daemon | str]:
    """The daemon, or why there is none."""
    if why := lacking():
        yield why
        return
    with folder_of_a_daemon() as folder:
        daemon = Daemon(folder)
        why = daemon.start()
        yield why or daemon
        daemon.stop()


@pytest.fixture
def cannot(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Cannot:
    """Skip loudly: what was not tried, and why, has a line of its own in the summary."""

    def say(why: str) -> NoReturn:
        record_property("summary", f"NOT TRIED with a real engine: what is in tests/engine/{request.path.name}: {why}")
        pytest.skip(why)

    return say


@pytest.fixture
def docker(_docker: Daemon | str, cannot: Cannot) -> Daemon:
    """The daemon, running; a test may stop it and need not start it again."""
    if isinstance(_docker, str):
        cannot(_docker)
    if _docker.process is None:
        assert _docker.start() == ""
    return _docker


@pytest.fixture
def kind(cannot: Cannot, monkeypatch: pytest.MonkeyPatch) -> tools.Tool:
    """The real kind, new enough for the course."""
    monkeypatch.setenv("PATH", PATH)
    monkeypatch.setenv("KINDLAB_TOOLS", "/nowhere")
    found = tools.look("kind")
    if found.used is None:
        cannot(" ".join(found.notes) or "kind is not here (.ci/engine unpacks Debian's into .venv/engine)")
    return found.used


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def kindlab(docker: Daemon, home: Path, tmp_path: Path) -> Run:
    """The command, with our daemon as the only engine."""
    return runner(
        **dict.fromkeys(("DOCKER_CONTEXT", "CONTAINER_HOST", "KUBECONFIG"), ""),
        **{engines.PROVIDER: "docker"},  # podman may be here as well
        PATH=PATH,
        HOME=str(tmp_path),
        DOCKER_HOST=docker.host,
        KINDLAB_HOME=str(home),
        KINDLAB_WORK=str(tmp_path / "work"),
        KINDLAB_TOOLS=str(tmp_path / "tools"),
    )
