"""Engines, read from what their clients print (engines/*.json: recorded, or written from documented facts; each file
says which), and asked through clients that hang, cannot run or are not there."""

import json
import os
import stat
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from kindlab import engines
from kindlab.computer import Computer
from kindlab.engines.client import Answer, Client, run
from kindlab.engines.engine import Engine
from kindlab.engines.reading import engine_of

PRINTED = sorted((Path(__file__).parent / "engines").glob("*.json"))
LINUX = Computer()


@pytest.mark.parametrize("file", PRINTED, ids=lambda file: file.stem)
def test_what_a_client_prints_is_understood(file: Path) -> None:
    case = json.loads(file.read_text())
    assert case["where"].startswith(("Recorded: ", "From documented facts, not recorded: "))
    client = Client(case["client"], f"/usr/bin/{case['client']}")
    answer = Answer(case["code"], case["out"], case["err"])
    found = engine_of(client, answer, Computer(**case["computer"]), endpoint=case["endpoint"])
    seen = asdict(found)
    texts = {key: case["expect"].pop(key) for key in ("problem", "then") if key in case["expect"]}
    assert {key: seen[key] for key in case["expect"]} == case["expect"]
    for key, part in texts.items():
        assert part in seen[key]
    assert bool(found.problem) == bool(texts["problem"]) == bool(found.then)
    assert found.usable != bool(found.problem)


def test_an_engine_that_hangs_is_told_so_with_the_way_out() -> None:
    found = engine_of(Client("docker", "/usr/bin/docker"), Answer(None, seconds=10.0), LINUX)
    assert found.problem == "docker did not answer within 10 s"
    assert found.then.startswith("sudo systemctl restart docker")


def test_a_client_that_cannot_be_run_is_a_problem_of_its_own(tmp_path: Path) -> None:
    broken = tmp_path / "docker"
    broken.write_text("not a program")
    broken.chmod(0o755)
    found = engine_of(Client("docker", str(broken)), run([str(broken), "info"], timeout=5), LINUX)
    assert "cannot be run" in found.problem


def test_who_belongs_to_the_group_already_is_only_to_log_in_again() -> None:
    answer = Answer(1, err="permission denied while trying to connect to the docker API at unix:///var/run/docker.sock")
    found = engine_of(Client("docker", "docker"), answer, Computer(docker_group=True))
    assert "usermod" not in found.then
    assert "newgrp docker" in found.then


def test_kind_is_told_which_engine_to_use() -> None:
    assert Engine("podman", "/usr/bin/podman").environment == {"KIND_EXPERIMENTAL_PROVIDER": "podman"}


@pytest.mark.parametrize(
    ("engine", "title"),
    [
        (Engine("docker", "docker", version="28.2.2"), "docker 28.2.2"),
        (Engine("docker", "docker", version="29.0.1", product="Docker Desktop"), "Docker Desktop (docker 29.0.1)"),
        (Engine("podman", "podman", version="5.8.6", rootless=True), "podman 5.8.6, rootless"),
        (Engine("podman", "podman", problem="it is not running"), "podman"),
    ],
)
def test_an_engine_has_a_title(engine: Engine, title: str) -> None:
    assert engine.title == title


RUNNING = json.dumps(
    {"ServerVersion": "28.2.2", "OSType": "linux", "CgroupVersion": "2", "NCPU": 4, "MemTotal": 8 << 30}
)


def client(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of our own, with what a shell needs."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", engines.PROVIDER):
        monkeypatch.delenv(name, raising=False)
    # what this machine has itself must not show
    monkeypatch.setattr(engines, "find", lambda name: _find(tmp_path, name))
    return tmp_path


def _find(folder: Path, name: str) -> Client | None:
    return Client(name, str(folder / name)) if (folder / name).exists() else None


needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for clients are shell scripts")


@needs_sh
def test_a_client_that_hangs_hangs_nobody_nor_does_its_child(on_path: Path) -> None:
    client(on_path, "docker", f"echo $$ > {on_path}/pid; sleep 600 & echo $! > {on_path}/child; wait")
    (found,) = engines.installed(timeout=3, here=LINUX)
    assert found.problem == "docker did not answer within 3 s"
    for name in ("pid", "child"):
        _wait_gone(int((on_path / name).read_text()))


def _wait_gone(pid: int) -> None:
    """Until it is not there any more, or a zombie that its new parent has not collected; the time-out of all tests is
    the limit. The kernel ends a process some time after it was told to."""
    while True:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return
        except OSError:
            return
        time.sleep(0.01)


@needs_sh
def test_the_first_that_works_is_chosen_although_another_is_installed(on_path: Path) -> None:
    client(on_path, "docker", "echo 'Cannot connect to the Docker daemon at unix:///x. Is it running?' >&2; exit 1")
    client(on_path, "nerdctl", f"echo '{RUNNING}'")
    found = engines.installed(here=LINUX)
    assert [engine.name for engine in found] == ["docker", "nerdctl"]
    best = engines.chosen(found)
    assert best is not None
    assert best.name == "nerdctl"


@needs_sh
def test_the_engine_that_the_user_names_for_kind_is_the_only_one_asked(
    on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(on_path, "docker", f"echo '{RUNNING}'")
    client(on_path, "podman", "echo 'Cannot connect to Podman.' >&2; exit 125")
    monkeypatch.setenv(engines.PROVIDER, "podman")
    (found,) = engines.installed(here=LINUX)
    assert (found.name, found.usable) == ("podman", False)
    monkeypatch.setenv(engines.PROVIDER, "rocket")  # kind ignores a name that it does not know
    assert [engine.name for engine in engines.installed(here=LINUX)] == ["docker", "podman"]


@needs_sh
def test_docker_host_counts_for_more_than_a_context(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(on_path, "docker", f"[ \"$1\" = context ] && echo ssh://far.example.org || echo '{RUNNING}'")
    (found,) = engines.installed(here=LINUX)
    assert found.endpoint == "ssh://far.example.org"
    assert not found.usable
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/docker.sock")
    (found,) = engines.installed(here=LINUX)
    assert found.endpoint == "unix:///run/docker.sock"
    assert found.usable


def test_no_client_no_engine(on_path: Path) -> None:
    assert engines.installed(here=LINUX) == []
    assert engines.chosen() is None
