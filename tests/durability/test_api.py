"""What the API server has acknowledged survives `kill -9` in the middle of a thousand creates."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from kindlab.api import Api, ApiError, Unreachable
from kindlab.clusters.pocket import Pocket

CREATES, KILL_AFTER = 1000, 300


@pytest.fixture
def pocket_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pocket]:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    cluster = Pocket("durable")
    cluster.up(lambda text: None)
    yield cluster
    cluster.down(lambda text: None)


def test_kill_9_in_the_middle_of_1000_creates_loses_no_acknowledged_one(pocket_process: Pocket) -> None:
    api = pocket_process.status().api()
    pid = int((pocket_process.folder / "pid").read_text())
    acknowledged: set[str] = set()

    def create(n: int) -> None:
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}, "data": {"n": str(n)}}
        try:
            made = api.create(obj, "default")
        except (Unreachable, ApiError):
            return  # never acknowledged: it may be there or not
        acknowledged.add(made["metadata"]["name"])
        if len(acknowledged) == KILL_AFTER:
            os.kill(pid, signal.SIGKILL)

    api.path("ConfigMap")  # discovery is done before the threads begin
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(CREATES)))
    assert KILL_AFTER <= len(acknowledged) < CREATES
    with FileLock(pocket_process.folder / "lock", timeout=10):
        pass  # the process is gone
    after = Api(Path(str(pocket_process.up(lambda text: None).kubeconfig)))
    kept = {o["metadata"]["name"]: o["data"] for o in after.list("ConfigMap", "default")}
    assert acknowledged <= kept.keys()
    assert all(kept[f"c{n}"] == {"n": str(n)} for n in range(CREATES) if f"c{n}" in kept)
