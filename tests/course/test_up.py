"""`kindlab up` and `down` when things are not as they should be: every case ends in a clear state and message."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from kindlab.api import Api
from kindlab.clusters.base import Status

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "KINDLAB_HOME": str(tmp_path / "home"),
        "KINDLAB_WORK": str(tmp_path / "work"),
        "KINDLAB_COURSE": str(ROOT),
    }


@pytest.fixture
def kindlab(environment: dict[str, str]) -> Iterator[Run]:
    def run(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kindlab.cli", *args]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, **options)  # type: ignore[call-overload, no-any-return]

    yield run
    run("down", "--cluster", "pocket")


def folder(environment: dict[str, str]) -> Path:
    return Path(environment["KINDLAB_HOME"]) / "clusters" / "pocket-pocket"


def up(kindlab: Run, *args: str) -> dict:
    done = kindlab("up", "--cluster", "pocket", "--json", *args)
    assert done.returncode == 0, done.stderr
    found: dict = json.loads(done.stdout)["cluster"]
    assert found["ready"]
    return found


def pid(environment: dict[str, str]) -> int:
    return int((folder(environment) / "pid").read_text())


def test_up_twice_finds_it_running_and_down_removes_everything(kindlab: Run, environment: dict[str, str]) -> None:
    up(kindlab)
    first = pid(environment)
    up(kindlab)
    assert pid(environment) == first
    port = int((folder(environment) / "port").read_text())
    done = kindlab("down")
    assert "The cluster is gone" in done.stdout
    assert not folder(environment).exists()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


def test_what_every_cluster_has_is_there_when_up_returns(kindlab: Run) -> None:
    api = Api(Path(up(kindlab)["kubeconfig"]))
    assert {c["metadata"]["name"] for c in api.list("StorageClass")} == {"csi-hostpath-sc", "standard"}
    assert [c["metadata"]["name"] for c in api.list("VolumeSnapshotClass")] == ["csi-hostpath-snapclass"]
    assert [c["metadata"]["name"] for c in api.list("GatewayClass")] == ["traefik"]
    assert {"coredns", "traefik"} <= {d["metadata"]["name"] for d in api.list("Deployment")}


def test_the_family_of_addresses_is_settled_when_the_cluster_is_made(kindlab: Run, environment: dict[str, str]) -> None:
    done = kindlab("up", "--cluster", "pocket", "--ip-family", "dual", "--json")
    assert done.returncode == 0, done.stderr
    first = pid(environment)
    done = kindlab("up", "--cluster", "pocket", "--ip-family", "ipv6")
    assert done.returncode != 0
    assert "It was made with --ip-family dual" in done.stderr
    up(kindlab)
    assert pid(environment) == first


def test_two_at_once_make_one_cluster(kindlab: Run, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "kindlab.cli", "up", "--cluster", "pocket", "--json"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0]


def test_a_stale_pid_file_means_nothing(kindlab: Run, environment: dict[str, str]) -> None:
    folder(environment).mkdir(parents=True)
    (folder(environment) / "pid").write_text(f"{os.getpid()}\n")
    (folder(environment) / "kubeconfig").write_text("left over")
    assert kindlab("status").returncode == 3
    up(kindlab)
    assert pid(environment) != os.getpid()


def test_kill_9_loses_nothing(kindlab: Run, environment: dict[str, str]) -> None:
    found = up(kindlab)
    api = Status(**found).api()
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "1"}}
    api.create(obj, "default")
    os.kill(pid(environment), signal.SIGKILL)
    with FileLock(folder(environment) / "lock", timeout=10):
        pass
    assert kindlab("status").returncode == 3
    again = up(kindlab)
    kept = Status(**again).api().get("ConfigMap", "kept", "default")
    assert kept is not None
    assert kept["data"] == {"a": "1"}
    assert again["kubeconfig"] == found["kubeconfig"]


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_busy_port_that_was_asked_for_is_named(kindlab: Run, environment: dict[str, str], busy_port: int) -> None:
    done = kindlab("up", "--cluster", "pocket", "--port", str(busy_port))
    assert done.returncode == 3
    assert f"127.0.0.1:{busy_port}" in done.stderr
    assert "Another program is using that port" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
    assert kindlab("status").returncode == 3


def test_the_port_of_last_time_is_kept_or_another_taken(kindlab: Run, environment: dict[str, str]) -> None:
    up(kindlab)
    port = int((folder(environment) / "port").read_text())
    os.kill(pid(environment), signal.SIGTERM)
    with FileLock(folder(environment) / "lock", timeout=10):
        pass
    up(kindlab)
    assert int((folder(environment) / "port").read_text()) == port
    os.kill(pid(environment), signal.SIGTERM)
    with FileLock(folder(environment) / "lock", timeout=10):
        pass
    with socket.create_server(("127.0.0.1", port)):
        up(kindlab)
        assert int((folder(environment) / "port").read_text()) != port


def test_ctrl_c_while_starting_leaves_nothing_running(kindlab: Run, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "kindlab.cli", "up", "--cluster", "pocket"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    lock = folder(environment) / "cluster.log"
    while not lock.exists():  # the cluster's process is about to be started
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped" in stderr
    assert "Traceback" not in stderr
    with FileLock(folder(environment) / "lock", timeout=10):
        pass
    up(kindlab)


def test_a_full_disk_is_said(kindlab: Run, environment: dict[str, str]) -> None:
    def no_more_than_20_kb() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = kindlab("up", "--cluster", "pocket", preexec_fn=no_more_than_20_kb)
    assert done.returncode == 3
    assert "cannot write" in done.stderr
    assert "Free some" in done.stderr
    assert "Traceback" not in done.stderr
    (folder(environment) / "store.db").unlink(missing_ok=True)


def test_a_home_that_cannot_be_used_is_said(kindlab: Run, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    done = kindlab("up", "--cluster", "pocket")
    assert done.returncode == 3
    assert "cannot be used" in done.stderr
    assert "KINDLAB_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_http_port_is_said_in_one_line_and_another_one_is_taken_when_asked(
    kindlab: Run, environment: dict[str, str]
) -> None:
    with socket.socket() as other, socket.socket() as free:
        for held in (other, free):
            held.bind(("127.0.0.1", 0))
        other.listen()
        taken, unused = (held.getsockname()[1] for held in (other, free))
        free.close()
        done = kindlab("up", "--cluster", "pocket", "--http-port", str(taken))
        assert done.returncode == 0
        (line,) = [line for line in done.stdout.splitlines() if "does not lead" in line]
        assert f"port {taken} of this machine could not be opened (another program uses it)" in line
        assert f"kindlab up --http-port {taken + 1}" in line
        assert line in kindlab("status").stdout.splitlines()
        found = up(kindlab, "--http-port", str(unused))
        assert found["notes"] == []
        assert f"Ingress on http://127.0.0.1:{unused}" in found["detail"]
        assert f"Ingress on http://127.0.0.1:{unused}" in kindlab("status").stdout


def test_what_is_advised_for_a_cluster_of_another_name_is_about_that_one(kindlab: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        done = kindlab("up", "--cluster", "pocket", "--name", "second", "--http-port", str(taken))
    assert f"kindlab up --cluster pocket --name second --http-port {taken + 1}" in done.stdout
    refused = kindlab("up", "--cluster", "pocket", "--name", "second", "--ip-family", "dual")
    kindlab("down", "--cluster", "pocket", "--name", "second")
    assert refused.returncode == 3
    assert "kindlab down --cluster pocket --name second" in " ".join(refused.stderr.split())


def test_a_port_that_is_free_again_is_taken_when_asked_for(kindlab: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        advice = f"or free this one, then: kindlab up --http-port {port}"
        assert advice in up(kindlab, "--http-port", str(port))["notes"][0]
        again = up(kindlab, "--http-port", str(port))
        assert advice in again["notes"][0], "it is still taken"
    assert up(kindlab, "--http-port", str(port))["notes"] == []
