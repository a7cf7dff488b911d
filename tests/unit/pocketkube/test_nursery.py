"""Clusters forked from a warm process: what each says, what each may use, and what is left of them: nothing."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fork and pidfds are asked of Linux only")
MB = 1 << 20


class Spoken:
    """A nursery, spoken to."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process, self.folder = process, folder
        self.heard: list[dict[str, Any]] = []

    def start(self, name: str, *options: str, **limits: int) -> Path:
        state = self.folder / name
        start = ["--state", str(state), "--no-host-ports", *options]
        self.tell({"id": name, "start": start, "limits": limits})
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
            spoken.start("a", "--in-memory"),
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
        spoken.start("wrong", "--no-such-option")
        assert spoken.hear("wrong", "ended")["status"] == 2
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
