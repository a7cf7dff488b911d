"""emptyDir: its limits, and what becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.pocketkube.kubelet.world import Node

from pocketkube import objects
from pocketkube.clock import Clock
from pocketkube.store import Store

MOUNT = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}


def empty(**source: Any) -> Any:
    return [{"name": "cache", "emptyDir": source}]


async def test_a_pod_that_outgrows_its_empty_dir_is_evicted(node: Any) -> None:
    node.create("p", {**MOUNT}, volumes=empty(sizeLimit="64Ki"))
    await node.ready("p")
    fs = node.kubelet.pod("default", "p").slots["c"].current.init.fs
    for _ in range(20):  # written again and again: that is not more
        fs.write_bytes("/cache/f", bytes(10_000))
    await node.until(lambda: True)
    assert objects.status(node.pod("p"))["phase"] == "Running"
    fs.write_bytes("/cache/g", bytes(100_000))
    await node.until(lambda: objects.status(node.pod("p"))["phase"] == "Failed")
    status = objects.status(node.pod("p"))
    text = 'Usage of EmptyDir volume "cache" exceeds the limit "64Ki". '
    assert (status["reason"], status["message"]) == ("Evicted", text)
    assert ("Warning", "Evicted", text) in node.events("p")
    assert not (node.kubelet.state_dir / "pods" / objects.uid(node.pod("p"))).exists()


async def test_removed_files_make_room(node: Any) -> None:
    node.create("p", {**MOUNT}, volumes=empty(sizeLimit="64Ki"))
    await node.ready("p")
    fs = node.kubelet.pod("default", "p").slots["c"].current.init.fs
    for _ in range(30):
        fs.write_bytes("/cache/f", bytes(40_000))
        fs.unlink("/cache/f")
    volume = node.kubelet.pod("default", "p").volumes.mounted["cache"]
    assert volume.excess == ""
    assert objects.status(node.pod("p"))["phase"] == "Running"


async def test_a_crash_keeps_it(node: Any) -> None:
    node.create("p", {"command": ["/bin/once", "/cache/f"], **MOUNT}, volumes=empty())
    await node.until(lambda: node.container("p").get("restartCount") == 1 and node.container("p")["ready"])
    fs = node.kubelet.pod("default", "p").slots["c"].current.init.fs
    assert fs.read_bytes("/cache/f") == b"run\nrun\n"


async def test_a_restart_of_the_node_keeps_it_with_owners_and_modes(tmp_path: Path) -> None:
    store, clock = Store(None), Clock(speed=10)
    node = Node(tmp_path / "node", store, clock)
    await node.start()
    node.create("p", {**MOUNT}, volumes=empty(), securityContext={"fsGroup": 2000})
    await node.ready("p")
    fs = node.kubelet.pod("default", "p").slots["c"].current.init.fs
    fs.write_bytes("/cache/f", b"kept")
    fs.chmod("/cache/f", 0o4751)
    fs.chown("/cache/f", 1000, 3000)
    await node.stop()
    (tmp_path / "node/pods/somebody-who-went").mkdir()
    node = Node(tmp_path / "node", store, clock)
    await node.start()
    await node.until(lambda: node.container("p")["restartCount"] == 1)
    await node.ready("p")
    fs = node.kubelet.pod("default", "p").slots["c"].current.init.fs
    root, file = fs.stat("/cache"), fs.stat("/cache/f")
    assert fs.read_bytes("/cache/f") == b"kept"
    assert (root.mode, root.gid) == (0o2777, 2000)
    assert (file.mode, file.uid, file.gid) == (0o4771, 1000, 2000)  # the volume is given to its group again
    assert not (tmp_path / "node/pods/somebody-who-went").exists()
    await node.stop()
