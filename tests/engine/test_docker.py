"""A real Docker daemon: stopped, running, hanging, forbidden. A real kind. A node image that cannot be pulled."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import ROOT, Run
from tests.engine.conftest import Cannot
from tests.engine.daemon import Daemon, environment, folder_of_a_daemon, lacking

from kindlab import engines, tools
from kindlab.clusters import base, kindrecord
from kindlab.clusters.kindrecord import Record
from kindlab.computer import Computer
from kindlab.engines.client import Client
from kindlab.engines.reading import engine_of

LABEL = "io.x-k8s.kind.cluster=kindlab"


def findings(done: "subprocess.CompletedProcess[str]", check: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [f for f in json.loads(done.stdout)["findings"] if f["check"] == check]
    return found


def nothing_left(docker: Daemon, home: Path) -> None:
    assert docker.docker("ps", "--all", "--quiet") == ""
    assert docker.docker("network", "ls", "--filter", "name=kind", "--quiet") == ""
    assert list(home.rglob("kubeconfig")) == []
    assert list(home.rglob(kindrecord.FILE)) == []
    assert not (home / "active.json").exists()


def test_a_daemon_that_runs_is_found_with_all_that_it_says(docker: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setenv("PATH", environment()["PATH"])
    found = {engine.name: engine for engine in engines.installed()}["docker"]
    assert found.usable, found.problem
    assert found.version == docker.docker("version", "--format", "{{.Server.Version}}")
    assert found.root == f"{docker.folder}/data"
    assert found.endpoint == docker.host
    assert found.cgroup in (1, 2)
    assert found.cpus >= 1
    assert found.memory > 1 << 28
    assert (found.rootless, found.virtual, found.containerd_images) == (False, False, False)


def test_a_context_says_where_the_daemon_is(docker: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in (
        ("PATH", environment()["PATH"]),
        ("DOCKER_CONFIG", str(tmp_path)),
        (engines.PROVIDER, "docker"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    for name, host in (("ours", docker.host), ("far", "ssh://ana@build.example.org")):
        subprocess.run(
            ["docker", "context", "create", name, "--docker", f"host={host}"], capture_output=True, check=True
        )
    monkeypatch.setenv("DOCKER_CONTEXT", "ours")
    (found,) = engines.installed()
    assert (found.usable, found.endpoint) == (True, docker.host)
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    (found,) = engines.installed(timeout=5)
    assert (found.usable, found.endpoint) == (False, "ssh://ana@build.example.org")
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    (found,) = engines.installed()
    assert "context cannot be used" in found.problem
    assert found.then.startswith("docker context use default")


def test_the_doctor_finds_the_engine_and_kind(docker: Daemon, kind: tools.Tool, kindlab: Run) -> None:
    done = kindlab("doctor", "--cluster", "kind", "--json")
    assert [f["level"] for f in findings(done, "engine")] == ["ok"]
    assert f"kind {kind.version}" in findings(done, "versions")[0]["says"]
    told = json.loads(done.stdout)
    cgroup = next(engine["cgroup"] for engine in told["engines"] if engine["usable"])
    # of what can be wrong here, only what this machine is known to have
    assert findings(done, "cgroup")[0]["level"] == ("ok" if cgroup == 2 else "problem")
    assert (done.returncode == 0) == told["clusters"]["kind"]["works"]


def test_a_stopped_daemon_is_said_and_nothing_is_made(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path
) -> None:
    docker.stop()
    done = kindlab("doctor", "--cluster", "kind", "--json")
    assert done.returncode == 1
    (found,) = findings(done, "engine")
    assert found["says"] == f"docker is installed but not running at {docker.host}"
    assert "unset DOCKER_HOST" in found["fix"]
    done = kindlab("up", "--cluster", "kind")
    assert done.returncode == 3
    assert "not running" in done.stderr
    assert "kindlab up --cluster pocket" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(home.rglob("kubeconfig")) == []


def test_without_the_engine_auto_takes_pocket_and_says_why(docker: Daemon, kind: tools.Tool, kindlab: Run) -> None:
    docker.stop()
    done = kindlab("up")
    try:
        assert done.returncode == 0, done.stderr
        assert (
            "kindlab took pocket because kind cannot be used here: docker is installed but not running" in done.stdout
        )
    finally:
        kindlab("down")


def test_auto_takes_kind_only_where_its_nodes_would_start(
    docker: Daemon, kind: tools.Tool, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    for name, value in (("DOCKER_HOST", docker.host), (engines.PROVIDER, "docker"), ("KINDLAB_HOME", str(home))):
        monkeypatch.setenv(name, value)
    (found,) = engines.installed()
    provider, why = base.choose("auto")
    if found.cgroup == 1:
        assert provider.kind == "pocket"
        assert "cgroup v1" in why
    else:
        assert provider.kind == "kind"


def test_a_daemon_that_hangs_holds_nobody_up(docker: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    monkeypatch.setenv("PATH", environment()["PATH"])
    monkeypatch.setenv(engines.PROVIDER, "docker")
    docker.signal(signal.SIGSTOP)
    try:
        (found,) = engines.installed(timeout=3)
    finally:
        docker.signal(signal.SIGCONT)
    assert found.problem == "docker did not answer within 3 s"


def test_whoever_may_not_use_the_socket_is_told_how_to(docker: Daemon, cannot: Cannot, tmp_path: Path) -> None:
    docker.folder.chmod(0o711)
    stranger = tmp_path / "docker"
    stranger.write_text('#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups docker "$@"\n')
    stranger.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", environment()["PATH"])
        patch.setenv("DOCKER_HOST", docker.host)
        patch.setenv("HOME", "/nonexistent")
        client = Client("docker", str(stranger))
        answer = client.info()
        if "failed to execute" in answer.err:
            cannot("the docker client is in a folder that other users may not enter")
        found = engine_of(client, answer, Computer(), endpoint=docker.host)
    assert "permission denied on its socket" in found.problem
    assert found.then.startswith("sudo usermod -aG docker $USER")


def test_a_pull_that_fails_says_why_and_leaves_nothing(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path
) -> None:
    done = kindlab("up", "--cluster", "kind")
    assert done.returncode == 3, done.stdout
    assert "The node image kindest/node:v1.36.4 could not be pulled." in done.stderr
    assert "The registry cannot be reached" in done.stderr
    assert "kindlab up --cluster pocket" in done.stderr
    assert "Traceback" not in done.stderr
    nothing_left(docker, home)
    assert kindlab("status", "--cluster", "kind").returncode == 3


def test_offline_names_what_is_missing_without_asking_the_registry(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path
) -> None:
    done = kindlab("up", "--cluster", "kind", "--offline")
    assert done.returncode == 3, done.stdout
    assert "node image kindest/node:v1.36.4@sha256:" in done.stderr
    nothing_left(docker, home)


def empty_image(docker: Daemon, name: str) -> None:
    """An image in which there is nothing."""
    empty = subprocess.run(["tar", "-c", "-T", "/dev/null"], capture_output=True, check=True).stdout
    docker.docker("import", "--change", 'ENTRYPOINT ["/sbin/init"]', "-", name, given=empty)


@pytest.fixture
def course(docker: Daemon, tmp_path: Path) -> Path:
    """The course with a node image that is there, and in which nothing can be started: kind makes its network and its
    containers, and fails then."""
    empty_image(docker, "kindlab-test/node:1")
    folder = tmp_path / "course"
    (folder / "cluster-config").mkdir(parents=True)
    for path in (*ROOT.glob("[a-z]*"), *(ROOT / "cluster-config").iterdir()):
        if not (folder / path.relative_to(ROOT)).exists():
            (folder / path.relative_to(ROOT)).symlink_to(path)
    config = (ROOT / "cluster-config" / "kind.yaml").read_text()
    own = re.sub(r"kindest/node:\S+", "kindlab-test/node:1", config)
    assert own != config
    (folder / "cluster-config" / "kind.yaml").unlink()
    (folder / "cluster-config" / "kind.yaml").write_text(own)
    return folder


def test_a_creation_that_fails_with_containers_there_already_leaves_nothing(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path, course: Path
) -> None:
    done = kindlab("up", "--cluster", "kind", KINDLAB_COURSE=str(course))
    assert done.returncode == 3, done.stdout
    assert "The kind cluster kindlab could not be created." in done.stderr
    assert "What it had made was removed." in done.stderr
    assert "docker run --name kindlab-" in (home / "clusters" / "kind-kindlab-create.log").read_text()
    nothing_left(docker, home)


def test_keep_leaves_the_containers_until_down(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path, course: Path
) -> None:
    done = kindlab("up", "--cluster", "kind", "--keep", KINDLAB_COURSE=str(course))
    assert done.returncode == 3, done.stdout
    assert "Its containers were kept for you" in done.stderr
    kept = docker.docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}").split()
    assert "kindlab-control-plane" in kept
    assert docker.docker("network", "ls", "--filter", "name=kind", "--quiet") != ""
    assert "were kept for you to look at" in kindlab("status", "--cluster", "kind").stdout
    assert kindlab("down", "--cluster", "kind").returncode == 0
    nothing_left(docker, home)


@pytest.fixture
def half_made(docker: Daemon, home: Path) -> None:
    """What a kindlab leaves that was killed while kind made the nodes: a container that never ran (its image is an
    empty one), the network, and the record."""
    empty_image(docker, "kindlab-test/node:1")
    docker.docker("network", "create", "kind")
    labels = ["--label", LABEL, "--label", "io.x-k8s.kind.role=control-plane"]
    docker.docker("create", "--name", "kindlab-control-plane", "--network", "kind", *labels, "kindlab-test/node:1")
    kindrecord.write(
        home / "clusters" / "kind-kindlab", Record(kindrecord.CREATING, engine="docker", network=True, pid=0)
    )


@pytest.mark.usefixtures("half_made")
def test_a_half_made_cluster_is_found_and_removed_by_down(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path
) -> None:
    said = kindlab("status", "--cluster", "kind").stdout
    assert "did not end" in said
    noted = findings(kindlab("doctor", "--cluster", "kind", "--json"), "leftovers")
    assert [f["level"] for f in noted] == ["note"]
    assert "half-made" in noted[0]["says"]
    done = kindlab("down", "--cluster", "kind")
    assert done.returncode == 0, done.stderr
    nothing_left(docker, home)
    assert findings(kindlab("doctor", "--cluster", "kind", "--json"), "leftovers")[0]["says"] == "no half-made cluster"


@pytest.mark.usefixtures("half_made")
def test_the_next_up_removes_a_half_made_cluster_before_it_begins(
    docker: Daemon, kind: tools.Tool, kindlab: Run, home: Path
) -> None:
    done = kindlab("up", "--cluster", "kind")
    assert done.returncode == 3
    assert "could not be pulled" in done.stderr
    nothing_left(docker, home)


def test_ctrl_c_while_the_image_is_pulled_leaves_nothing(
    kind: tools.Tool, cannot: Cannot, home: Path, tmp_path: Path
) -> None:
    """The registry is reached through a proxy that takes the connection and then says nothing."""
    if why := lacking():
        cannot(why)
    with socket.create_server(("127.0.0.1", 0)) as proxy, folder_of_a_daemon() as folder:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        docker = Daemon(folder, alone=False, more={"HTTPS_PROXY": url, "HTTP_PROXY": url})
        assert docker.start() == ""
        try:
            ours = environment(
                DOCKER_HOST=docker.host,
                HOME=str(tmp_path),
                KIND_EXPERIMENTAL_PROVIDER="docker",
                KINDLAB_HOME=str(home),
                KINDLAB_TOOLS=str(tmp_path / "tools"),
            )
            up = subprocess.Popen(
                [sys.executable, "-m", "kindlab.cli", "up", "--cluster", "kind"],
                env=ours,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            proxy.settimeout(60)
            connection, _ = proxy.accept()  # the daemon asks for the image
            with connection:
                up.send_signal(signal.SIGINT)
                _, err = up.communicate(timeout=60)
            assert up.returncode == 130, err
            assert "Stopped." in err
            nothing_left(docker, home)
        finally:
            docker.stop()
