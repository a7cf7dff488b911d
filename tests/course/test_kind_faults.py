"""What goes wrong with kind, on stand-ins (tests/fakes: not recordings) that fail as the programs do: every case ends
in a clear message and leaves nothing behind that the next `kindlab up` does not find. No cluster comes up here.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.course.command import PLAIN
from tests.course.standins import Machine, machine

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")
IMAGE = "kindest/node:v1.36.4@sha256:099e049362a1526b2db71494e1947aae99bd16290d7c895f2b7ea312e3cbfaed"


@pytest.fixture
def at(tmp_path: Path) -> Machine:
    """The node image is there, so that creating is what is tried."""
    made = machine(tmp_path, "kind", "docker")
    (made.state / "images.json").write_text(json.dumps([IMAGE]))
    return made


def containers(at: Machine) -> list[str]:
    file = at.state / "containers.json"
    return [container["name"] for container in json.loads(file.read_text())] if file.exists() else []


def folder(at: Machine) -> Path:
    return at.home / "clusters" / "kind-kindlab"


def failed(at: Machine, *args: str, **environment: str) -> str:
    """What `kindlab up --cluster kind` says when it fails."""
    done = at.kindlab("up", "--cluster", "kind", *args, **environment)
    assert done.returncode == 3, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("fault", "why", "then"),
    [
        ("pull-offline", "The registry cannot be reached", "Check the connection"),
        ("pull-limit", "lets nobody pull more for now", "docker login"),
        ("pull-proxy", "proxy of your network", "HTTPS_PROXY"),
        ("pull-disk", "The disk on which docker keeps images", "docker system df"),
    ],
)
def test_a_pull_that_fails(at: Machine, fault: str, why: str, then: str) -> None:
    (at.state / "images.json").unlink()
    said = failed(at, FAULT=fault)
    assert "The node image kindest/node:v1.36.4 could not be pulled." in said
    assert why in said
    assert then in said
    assert "kindlab up --cluster pocket" in said
    assert not folder(at).exists(), "nothing was begun"


@pytest.mark.parametrize(
    ("fault", "why", "then"),
    [
        ("create-port", "used by another program", "--http-port"),
        ("create-inotify", "watch too few files", "fs.inotify.max_user_instances=512"),
        ("create-start", "container did not start up", "kindlab doctor"),
        ("create-unknown", "does not know these words", "the moon is in the wrong house"),
    ],
)
def test_a_creation_that_fails_is_explained_and_taken_back(at: Machine, fault: str, why: str, then: str) -> None:
    said = failed(at, FAULT=fault)
    assert "The kind cluster kindlab could not be created." in said
    assert why in said
    assert then in said
    assert "What it had made was removed." in said
    assert containers(at) == []
    assert json.loads((at.state / "networks.json").read_text()) == []
    assert not folder(at).exists()
    log = at.home / "clusters" / "kind-kindlab-create.log"
    assert f"all of it: {log}" in said
    assert "ERROR: failed to create cluster" in log.read_text()


def test_a_failed_creation_is_kept_when_that_is_asked_for_and_removed_by_the_next_up(at: Machine) -> None:
    said = failed(at, "--keep", FAULT="create-inotify")
    assert "Its containers were kept for you" in said
    assert "kind export logs --name kindlab" in said
    assert len(containers(at)) == 3
    status = at.kindlab("status", "--cluster", "kind")
    assert status.returncode == 3
    assert "did not end and its containers were kept for you to look at" in status.stdout
    said = failed(at, FAULT="create-unknown")
    assert "removing what is left of a creation that began on" in said
    assert containers(at) == []


def test_what_cannot_be_taken_back_is_said_and_found_by_the_next_up(at: Machine) -> None:
    (at.state / "containers.json").write_text(json.dumps([]))
    said = failed(at, "--keep", FAULT="create-inotify")
    assert len(containers(at)) == 3
    said = failed(at, FAULT="delete-fails")
    assert "The kind cluster kindlab could not be removed." in said
    assert len(containers(at)) == 3
    assert "removing what is left" in failed(at, FAULT="create-unknown")
    assert containers(at) == []


def begun(at: Machine) -> "subprocess.Popen[str]":
    """A `kindlab up` in the middle of creating: its stand-in hangs for ever."""
    command = [sys.executable, "-m", "kindlab.cli", "up", "--cluster", "kind"]
    environment = {**at.environment, **PLAIN, "FAULT": "create-hangs"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    while not (at.state / "hanging").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def test_ctrl_c_takes_back_what_was_made(at: Machine) -> None:
    process = begun(at)
    assert len(containers(at)) == 3
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "taking back what was made" in said
    assert "Traceback" not in said
    assert containers(at) == []
    assert not folder(at).exists()


def test_a_creation_that_hangs_is_given_up(at: Machine) -> None:
    program = (
        "import sys; from kindlab import cli; from kindlab.clusters import kindcreate;"
        "kindcreate.CREATE_TIMEOUT = 3.0; sys.argv = ['kindlab', 'up', '--cluster', 'kind']; cli.main()"
    )
    environment = {**at.environment, **PLAIN, "FAULT": "create-hangs"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=200)
    assert done.returncode == 3, done.stderr
    assert "kindlab gave up" in done.stderr
    assert containers(at) == []
    assert not folder(at).exists()


def runs(pid: int) -> bool:
    """Whether there is such a process that has not ended, waited for or not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return found.strip()[:1] not in ("", "Z")


def test_the_next_up_finds_what_kill_9_left_and_ends_what_still_runs(at: Machine) -> None:
    process = begun(at)
    process.kill()
    process.communicate(timeout=120)
    assert len(containers(at)) == 3
    kind = json.loads((folder(at) / "cluster.json").read_text())["pid"]
    assert runs(kind), "it has lost the one it works for"
    status = at.kindlab("status", "--cluster", "kind")
    assert status.returncode == 3
    assert "did not end" in status.stdout
    said = failed(at, FAULT="create-unknown")
    assert "removing what is left of a creation that began on" in said
    assert containers(at) == []
    while runs(kind):  # it has been told to end
        time.sleep(0.02)


def test_a_second_up_waits_for_the_one_that_is_at_work(at: Machine) -> None:
    first = begun(at)
    assert "it is being created since" in at.kindlab("status", "--cluster", "kind").stdout
    command = [sys.executable, "-m", "kindlab.cli", "up", "--cluster", "kind"]
    environment = {**at.environment, **PLAIN, "FAULT": "create-unknown"}
    second = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert second.stderr is not None
    lines: list[str] = []
    while "another kindlab is at work on the kind cluster kindlab" not in (line := second.stderr.readline()):
        assert line, lines
        lines.append(line)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=120)
    _, rest = second.communicate(timeout=120)
    assert "The kind cluster kindlab could not be created." in rest
    assert containers(at) == []


def test_a_busy_port_is_found_before_anything_is_made(at: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = failed(at, "--http-port", str(port))
    assert f"Port {port} of this machine cannot be used." in said
    assert "Another program listens there" in said
    assert f"kindlab up --cluster kind --http-port {port + 1}" in said
    assert not any(call.startswith("create") for call in at.calls("kind[docker]"))
    assert not folder(at).exists()


def test_the_cluster_of_ours_that_has_the_port_is_named(at: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = at.home / "clusters" / "pocket-pocket" / "host-ports.json"
        ports.parent.mkdir(parents=True)
        ports.write_text(json.dumps({"static": [{"port": 30080, "hostPort": port, "url": "http://127.0.0.1"}]}))
        said = failed(at, "--http-port", str(port))
    assert "kindlab's embedded cluster pocket listens there" in said
    assert "kindlab down --cluster pocket --name pocket" in said


@pytest.mark.parametrize(
    ("fault", "why"), [("stopped", "Docker is installed but not running"), ("denied", "permission denied")]
)
def test_an_engine_that_cannot_be_used_is_said_with_the_way_out(at: Machine, fault: str, why: str) -> None:
    said = failed(at, FAULT=fault)
    assert "kind cannot be used now." in said
    assert why in said
    assert "kindlab up --cluster pocket" in said
    status = at.kindlab("status", "--cluster", "kind", FAULT=fault)
    assert status.returncode == 3
    assert why in status.stdout


def test_without_an_engine_and_without_kind(tmp_path: Path) -> None:
    bare = machine(tmp_path / "bare")
    assert "no container engine (docker, podman or nerdctl) is installed" in failed(bare)
    only = machine(tmp_path / "only", "docker")
    said = failed(only)
    assert "The kind binary is not installed" in said
    assert "kindlab tools install kind" in said


def test_offline_says_all_that_is_missing(at: Machine) -> None:
    (at.state / "images.json").unlink()
    said = failed(at, "--offline", "--labs", "10")
    assert f"node image {IMAGE}" in said
    assert "file https://nowhere.invalid/gateway-api.yaml" in said
    assert "metrics-server" in said
    assert "image docker.io/traefik:v3.7.11" in said
    assert "kindlab up --cluster kind --preload --labs 10" in said
    assert not any(call.startswith("pull") for call in at.calls("docker"))


def test_a_name_that_is_none_and_a_lab_that_is_none(at: Machine) -> None:
    for words in (("--name", "My Cluster"), ("--labs", "77")):
        done = at.kindlab("up", "--cluster", "kind", *words)
        assert done.returncode == 2, done.stderr
        assert words[1] in done.stderr


def test_podman_is_named_to_kind(tmp_path: Path) -> None:
    at = machine(tmp_path, "kind", "podman")
    (at.state / "images.json").write_text(json.dumps([IMAGE]))
    failed(at, FAULT="create-unknown")
    assert any(call.startswith("create") for call in at.calls("kind[podman]"))


def test_down_while_the_engine_is_stopped_forgets_nothing(at: Machine) -> None:
    failed(at, "--keep", FAULT="create-inotify")
    done = at.kindlab("down", "--cluster", "kind", FAULT="stopped")
    assert done.returncode == 3
    assert "cannot be removed now" in done.stderr
    assert str(folder(at)) in done.stderr
    assert folder(at).exists()
    assert at.kindlab("down", "--cluster", "kind").returncode == 0
    assert containers(at) == []


def test_auto_takes_pocket_where_kind_cannot_be_used_and_says_why(at: Machine) -> None:
    try:
        done = at.kindlab("up", FAULT="stopped")
        assert done.returncode == 0, done.stderr
        assert (
            "kindlab took pocket because kind cannot be used here: docker is installed but not running" in done.stdout
        )
    finally:
        at.kindlab("down", "--cluster", "pocket")
