"""The reserve of the host's disk: containers and copies find it full while the cluster itself can still write."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocketkube import room
from pocketkube.kubelet.filesystem import FileSystem, HostTree
from pocketkube.storage.driver import HostPathDriver, RpcError


class Disk:
    """What statvfs says of the disk; sizes in bytes."""

    def __init__(self) -> None:
        self.size = 100 << 30
        self.free = 50 << 30
        self.names = 1_000_000

    def look(self, where: int | Path) -> os.statvfs_result:
        blocks, free = self.size // 4096, self.free // 4096
        return os.statvfs_result((4096, 4096, blocks, free, free, 2_000_000, self.names, self.names, 0, 255))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    monkeypatch.setattr(os, "statvfs", made.look)
    return made


@pytest.fixture
def tree(tmp_path: Path) -> HostTree:
    return HostTree(tmp_path)


def test_what_does_not_leave_the_reserve_is_refused(disk: Disk) -> None:
    disk.free = room.RESERVE + 4096
    room.check(Path("/"), 4096)
    with pytest.raises(OSError, match="No space left on device"):
        room.check(Path("/"), 4097)


def test_of_a_small_disk_less_is_kept(disk: Disk) -> None:
    disk.size = 200 << 20
    disk.free = 10 << 20
    room.check(Path("/"))
    disk.free -= 4096
    with pytest.raises(OSError, match="No space left on device"):
        room.check(Path("/"))


def test_names_are_kept_too_where_they_are_counted(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.names = room.NAMES
    room.check(Path("/"))
    disk.names -= 1
    with pytest.raises(OSError, match="No space left on device"):
        room.check(Path("/"))
    monkeypatch.setattr(
        os, "statvfs", lambda where: os.statvfs_result((4096, 4096, 1 << 30, 1 << 29, 1 << 29, 0, 0, 0, 0, 255))
    )
    room.check(Path("/"))


async def test_a_container_finds_the_disk_full_and_can_still_delete(tree: HostTree, disk: Disk) -> None:
    fs = FileSystem(tree)
    fs.write_bytes("/file", b"before")
    disk.free = room.RESERVE - 1
    for what in (
        lambda: fs.write_bytes("/new", b"x"),
        lambda: fs.append_bytes("/file", b"more"),
        lambda: fs.mkdir("/folder"),
        lambda: fs.symlink("x", "/symlink"),
        lambda: fs.link("/file", "/link"),
    ):
        with pytest.raises(OSError, match="No space left") as refused:
            what()
        assert refused.value.errno == errno.ENOSPC
    with fs.open("/file", "a") as file, pytest.raises(OSError, match="No space left"):
        await file.write(b"more")
    assert fs.listdir("/") == ["file"]
    assert fs.read_bytes("/file") == b"before"
    assert fs.statvfs("/").bavail == 0
    fs.truncate("/file", 1)
    fs.rename("/file", "/other")
    fs.unlink("/other")


@pytest.mark.parametrize("names", [3, 300])
async def test_a_snapshot_and_a_volume_find_the_disk_full_and_leave_nothing(
    tmp_path: Path, disk: Disk, names: int
) -> None:
    driver = HostPathDriver(tmp_path)
    volume = await driver.create_volume("source", 1 << 20)
    for number in range(names):
        (driver.node_publish(volume.id) / str(number)).write_bytes(b"bytes")
    look, left = disk.look, 2 * names

    def fills(where: int | Path) -> os.statvfs_result:
        nonlocal left
        left -= 1
        disk.free = 50 << 30 if left > 0 else room.RESERVE - 1
        return look(where)

    os.statvfs = fills  # the fixture puts it back
    with pytest.raises(RpcError, match="No space left on device") as refused:
        await driver.create_snapshot("cut", volume.id)
    assert refused.value.code == "ResourceExhausted"
    with pytest.raises(RpcError, match="No space left on device"):
        await driver.create_volume("another", 1 << 20)
    assert os.listdir(tmp_path / "snapshots") == []
    assert os.listdir(tmp_path / "volumes") == [volume.id]
    driver.delete_volume(volume.id)
    await asyncio.sleep(0)
