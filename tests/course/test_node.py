"""`kindlab node`: the machines under the nodes, as a learner switches them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kindlab.api import Api
from kindlab.clusters import machines
from kindlab.clusters.base import Status
from kindlab.clusters.current import Current
from kindlab.clusters.kind import Kind
from kindlab.clusters.pocket import Pocket
from kindlab.errors import Problem, UsageProblem

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def cluster(home: Path) -> Iterator[Status]:
    """One of its own: others must not miss a node. Silence is noticed after three seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(home))
        pocket = Pocket(http_port=0, https_port=0, node_monitor_grace_period=3)
        try:
            yield pocket.up(lambda text: None)
        finally:
            pocket.down(lambda text: None)


@pytest.fixture
def kindlab(cluster: Status, home: Path) -> Run:
    def run(*args: str) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "KINDLAB_HOME": str(home), "KINDLAB_COURSE": str(ROOT)}
        command = [sys.executable, "-m", "kindlab.cli", *args]
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    return run


def wait(api: Api, name: str, ready: str) -> None:
    """Until the node's Ready condition says so."""
    for nodes in api.follow("Node", timeout=60):
        conditions = next((n["status"]["conditions"] for n in nodes.values() if n["metadata"]["name"] == name), ())
        if any((c["type"], c["status"]) == ("Ready", ready) for c in conditions):
            return
    pytest.fail(f"{name} was never {ready}")


def listed(run: Run) -> dict[str, tuple[bool, str]]:
    return {n["name"]: (n["on"], n["status"]) for n in json.loads(run("node", "list", "--json").stdout)["nodes"]}


def test_off_and_on(kindlab: Run, cluster: Status) -> None:
    assert listed(kindlab) == {
        name: (True, "Ready") for name in ("pocket-control-plane", "pocket-worker", "pocket-worker2")
    }
    done = kindlab("node", "stop", "pocket-worker2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "kindlab node start pocket-worker2" in done.stdout
    api = cluster.api()
    wait(api, "pocket-worker2", "Unknown")
    assert listed(kindlab)["pocket-worker2"] == (False, "NotReady")
    assert "was off already" in kindlab("node", "stop", "pocket-worker2").stdout
    assert "off       NotReady" in kindlab("node", "list").stdout
    assert kindlab("node", "start", "pocket-worker2").returncode == 0
    wait(api, "pocket-worker2", "True")
    assert "was on already" in kindlab("node", "start", "pocket-worker2").stdout


def test_a_node_that_was_deleted_registers_again_when_its_machine_is_started(kindlab: Run, cluster: Status) -> None:
    api = cluster.api()
    api.delete("Node", "pocket-worker", None)
    assert listed(kindlab)["pocket-worker"] == (True, "no such node")
    assert kindlab("node", "start", "pocket-worker").returncode == 0
    wait(api, "pocket-worker", "True")


def test_the_machine_of_the_api_server_and_unknown_ones_are_refused(kindlab: Run) -> None:
    done = kindlab("node", "stop", "pocket-control-plane")
    assert done.returncode == 3
    assert "The API server runs there" in done.stderr
    done = kindlab("node", "stop", "pocket-worker3")
    assert done.returncode == 2
    assert "pocket-worker2" in done.stderr


def test_the_grace_period_is_kept_until_another_is_asked_for(kindlab: Run, home: Path) -> None:
    before = json.loads(kindlab("status", "--json").stdout)["cluster"]["detail"]
    up = ("up", "--cluster", "pocket", "--json")
    assert json.loads(kindlab(*up).stdout)["cluster"]["detail"] == before
    assert json.loads(kindlab(*up, "--node-monitor-grace-period", "3").stdout)["cluster"]["detail"] == before
    assert json.loads(kindlab(*up, "--node-monitor-grace-period", "4").stdout)["cluster"]["detail"] != before


def test_the_users_own_cluster_is_left_alone(cluster: Status) -> None:
    with pytest.raises(Problem, match="cannot switch this cluster's machines") as refused:
        machines.stop(Current(), cluster.api(), "pocket-worker")
    assert "kubectl drain" in refused.value.then


ENGINE = """#!/bin/sh
echo "$@" >> "$LOG"
[ "$1" = info ] && echo '{"ServerVersion": "28.2.2", "OSType": "linux", "CgroupVersion": "2"}'
[ "$1" = ps ] && printf 'kindlab-worker\\tUp 2 hours\\nkindlab-worker2\\tExited (137) 3 minutes ago\\n'
exit 0
"""


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for docker is a shell script")
def test_kinds_machines_are_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Status) -> None:
    docker, log = tmp_path / "docker", tmp_path / "log"
    docker.write_text(ENGINE)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("LOG", str(log))
    kind, api = Kind(), cluster.api()
    assert kind.machines(api) == {"kindlab-worker": True, "kindlab-worker2": False}
    assert machines.stop(kind, api, "kindlab-worker")
    assert not machines.stop(kind, api, "kindlab-worker2")
    assert machines.start(kind, api, "kindlab-worker2")
    with pytest.raises(UsageProblem):
        machines.start(kind, api, "worker")
    said = [line for line in log.read_text().splitlines() if line.startswith(("start", "stop"))]
    assert said == ["stop -t 0 kindlab-worker", "start kindlab-worker2"]
