"""Clusters forked from a warm process: what each says, what each may use, and what is left of them: nothing."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config, watch
from kubernetes.client import CoreV1Api

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fork and pidfds are asked of Linux only")
MB = 1 << 20


class Spoken:
    """A nursery, spoken to."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process, self.folder = process, folder
        self.heard: list[dict[str, Any]] = []

    def start(self, name: str, **limits: int) -> Path:
        state = self.folder / name
        self.tell({"id": name, "start": str(state), "limits": limits})
        return state

    def tell(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def hear(self, name: str, what: str) -> Any:
        """What it has said about that one, or says next."""
        assert self.process.stdout is not None
        while True:
            for message in self.heard:
                if message["id"] == name and what in message:
                    return message[what]
            self.heard.append(json.loads(self.process.stdout.readline()))


@contextlib.contextmanager
def nursery(folder: Path) -> Iterator[Spoken]:
    command = [sys.executable, "-m", "pocketkube.nursery"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        yield Spoken(process, folder)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_clusters_live_in_bounds_and_leave_nothing(tmp_path: Path) -> None:
    with nursery(tmp_path) as spoken:
        states = [
            spoken.start("a"),
            spoken.start("disk", disk=64 * MB),
            spoken.start("memory", memory=60 * MB),
        ]
        assert spoken.hear("memory", "ended")["over"] == "memory"
        ready = spoken.hear("a", "ready")
        assert Path(ready["kubeconfig"]) == states[0] / "kubeconfig"
        assert (states[0] / "kubeconfig").is_file()
        assert not (states[0] / "store.db").exists()
        (states[1] / "much").write_bytes(bytes(65 * MB))
        ended = spoken.hear("disk", "ended")
        assert (ended["over"], ended["status"]) == ("disk", -9)
        assert ended["cpu"] > 0
        assert ended["memory"] > 20 * MB
        spoken.tell({"id": "disk", "stop": True})
        assert spoken.hear("disk", "removed") is True
        assert not states[1].exists()
        spoken.tell({"id": "a", "stop": True})
        assert spoken.hear("a", "ended")["status"] == -9
        assert spoken.hear("a", "removed") is True
        last = spoken.start("last")
        spoken.hear("last", "ready")
    assert not last.exists()
    assert not list(tmp_path.iterdir())


def test_one_that_is_stopped_before_it_lives_is_gone_too(tmp_path: Path) -> None:
    with nursery(tmp_path) as spoken:
        spoken.start("a")
        spoken.tell({"id": "a", "stop": True})
        assert spoken.hear("a", "ended")["status"] == -9
        assert spoken.hear("a", "removed") is True


def test_usage_is_told_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pocketkube.nursery", "--no-such-option"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "unrecognized arguments: --no-such-option" in done.stderr


def test_clusters_go_on_from_the_same_but_share_nothing(tmp_path: Path) -> None:
    with nursery(tmp_path) as spoken:
        states = [spoken.start(name) for name in ("a", "b")]
        ready = [spoken.hear(name, "ready") for name in ("a", "b")]
        assert ready[0]["port"] != ready[1]["port"]
        assert ready[0]["pid"] != ready[1]["pid"]
        assert [(state / "pid").read_text().strip() for state in states] == [str(one["pid"]) for one in ready]
        first, second = (client(state) for state in states)
        deployments = [get(one, "/apis/apps/v1/namespaces/kube-system/deployments") for one in (first, second)]
        assert all(one["status"].get("availableReplicas") for found in deployments for one in found["items"])
        pod = {
            "metadata": {"generateName": "box-"},
            "spec": {"containers": [{"name": "box", "image": "registry.k8s.io/pause:3.10"}]},
        }
        names = {one.create_namespaced_pod("default", pod).metadata.name for one in (first, second)}
        assert len(names) == 2
        assert [len(one.list_namespaced_pod("default").items) for one in (first, second)] == [1, 1]
        spoken.tell({"id": "a", "stop": True})
        assert spoken.hear("a", "removed") is True
        watched = watch.Watch().stream(second.list_namespaced_pod, "default", timeout_seconds=30)
        assert any(event["object"].status.phase == "Running" for event in watched)


def client(state: Path) -> CoreV1Api:
    return CoreV1Api(config.new_client_from_config(str(state / "kubeconfig")))


def get(api: CoreV1Api, path: str) -> Any:
    response = api.api_client.call_api(
        path, "GET", auth_settings=["BearerToken"], _preload_content=False, _return_http_data_only=True
    )
    return json.loads(response.data)
