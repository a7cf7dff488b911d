"""A real podman, as root: found without a daemon, and used for a kind whose node image cannot be pulled."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.course.command import PLAIN, ROOT
from tests.engine.conftest import Cannot
from tests.engine.daemon import ALONE, LIBRARIES, PATH, environment, folder_of_a_daemon

from kindlab import engines, tools

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def podman(cannot: Cannot, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment in which podman keeps everything to itself."""
    if shutil.which("podman", path=PATH) is None:
        cannot("podman is not here (.ci/engine unpacks Debian's into .venv/engine)")
    if os.geteuid() != 0:
        cannot("without root podman needs ranges of user ids, which tests do not set up")
    with folder_of_a_daemon() as folder:
        config = tmp_path / ".config" / "containers"
        config.mkdir(parents=True)
        (config / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        storage = f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
        (config / "storage.conf").write_text(storage)
        yield environment(
            CONTAINERS_STORAGE_CONF=str(config / "storage.conf"),
            HOME=str(tmp_path),
            KINDLAB_COURSE=str(ROOT),
            KINDLAB_HOME=str(tmp_path / "home"),
            KINDLAB_TOOLS=str(tmp_path / "tools"),
            LD_LIBRARY_PATH=LIBRARIES,
            **{engines.PROVIDER: "podman"},
            **PLAIN,
        )


@pytest.fixture
def alone(podman: dict[str, str]) -> Program:
    """Run a program with podman for its engine, in a network in which there is nothing."""

    def run(*command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*ALONE, *command], env=podman, capture_output=True, text=True, check=False, timeout=120)

    return run


def test_podman_is_found_without_a_daemon(podman: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in podman.items():
        monkeypatch.setenv(name, value)
    (found,) = engines.installed()
    assert found.usable, found.problem
    assert (found.name, found.rootless, found.virtual) == ("podman", False, False)
    assert found.cgroup in (1, 2)
    assert found.root.endswith("/images")
    assert found.memory > 1 << 28
    assert found.environment == {engines.PROVIDER: "podman"}


def test_a_pull_by_podman_that_fails_says_why_and_leaves_nothing(
    alone: Program, kind: tools.Tool, tmp_path: Path
) -> None:
    kindlab = (sys.executable, "-m", "kindlab.cli")
    told = json.loads(alone(*kindlab, "doctor", "--cluster", "kind", "--json").stdout)
    assert "experimental" in next(
        f["says"] for f in told["findings"] if f["check"] == "engine" and f["level"] == "note"
    )
    done = alone(*kindlab, "up", "--cluster", "kind")
    assert done.returncode == 3, done.stdout
    assert "The node image kindest/node:v1.36.4 could not be pulled." in done.stderr
    assert "The registry cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert alone("podman", "ps", "--all", "--quiet").stdout == ""
    assert "kind" not in alone("podman", "network", "ls", "--format", "{{.Name}}").stdout.split()
    assert list((tmp_path / "home").rglob("kubeconfig")) == []
