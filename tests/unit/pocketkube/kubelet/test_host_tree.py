"""A folder of the host as a tree: one for all who share it, with what containers set kept where it outlives them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pocketkube.kubelet.filesystem import FileSystem, HostTree, MemoryTree, folders, host
from pocketkube.kubelet.filesystem.folders import Meter, usage
from pocketkube.kubelet.filesystem.walk import MountTable, Seer
from pocketkube.kubelet.volumes import ownership
from pocketkube.removal import remove


def seen(fs: FileSystem, path: str) -> tuple[int, int, int]:
    found = fs.stat(path)
    return found.mode, found.uid, found.gid


def test_nodes_that_share_a_folder_share_its_tree(tmp_path: Path) -> None:
    one, two = FileSystem(HostTree.of(tmp_path)), FileSystem(HostTree.of(tmp_path))
    one.write_bytes("/f", b"x")
    one.link("/f", "/g")
    one.chown("/f", 1000, 2000)
    one.chmod("/f", 0o6750)
    assert seen(two, "/g") == (0o6750, 1000, 2000)
    assert two.stat("/f").nlink == 2
    assert (one.stat("/f").dev, one.stat("/f").ino) == (two.stat("/g").dev, two.stat("/g").ino)


@pytest.mark.parametrize("attributes", [True, False])
def test_owners_and_modes_outlive_the_tree(tmp_path: Path, attributes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not attributes:
        monkeypatch.delattr(os, "setxattr", raising=False)
    folder = tmp_path / "v"
    folder.mkdir()
    fs = FileSystem(HostTree.of(folder))
    fs.mkdir("/d")
    fs.chmod("/d", 0o2775)
    fs.chown("/d", 1, 2)
    fs.write_bytes("/d/f", b"x")
    fs.chmod("/d/f", 0)
    del fs
    fs = FileSystem(HostTree.of(folder))
    assert seen(fs, "/d") == (0o2775, 1, 2)
    assert seen(fs, "/d/f") == (0, 0, 2)
    assert fs.read_bytes("/d/f") == b"x"  # the host's user keeps access
    remove(folder)
    HostTree.forget(folder)
    folder.mkdir()
    (folder / "d").mkdir()
    assert seen(FileSystem(HostTree.of(folder)), "/d")[1:] == (0, 0)


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system has no extended attributes")
def test_a_copy_takes_them_along(tmp_path: Path) -> None:
    folder, copied = tmp_path / "v", tmp_path / "copy"
    folder.mkdir()
    fs = FileSystem(HostTree.of(folder))
    fs.write_bytes("/f", b"x")
    fs.chown("/f", 7, 8)
    fs.chmod("/", 0o2770)
    shutil.copytree(folder, copied)
    fs = FileSystem(HostTree.of(copied))
    assert seen(fs, "/f")[1:] == (7, 8)
    assert seen(fs, "/")[0] == 0o2770


def test_without_openat2_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "open_beneath", None)
    fs = FileSystem(HostTree.of(tmp_path))
    fs.mkdir("/a/b/c", parents=True)
    fs.write_bytes("/a/b/c/f", b"x")
    os.rename(tmp_path / "a/b", tmp_path / "real")
    os.symlink(tmp_path / "real", tmp_path / "a/b")
    tree = HostTree.of(tmp_path)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        tree.names(("a", "b", "c"), None)  # type: ignore[arg-type]
    assert fs.read_bytes("/real/c/f") == b"x"


def test_folders_of_any_depth(tmp_path: Path) -> None:
    fs = FileSystem(HostTree.of(tmp_path))
    path = "/d" * 600
    fs.mkdir(path, parents=True)
    fs.mkdir(path, parents=True)
    assert fs.is_dir(path)
    with pytest.raises(OSError, match="File name too long"):
        fs.mkdir("/d" * 2100, parents=True)
    tree = HostTree.of(tmp_path)
    fs.write_bytes(f"{path}/f", bytes(100_000))
    assert usage(tree) > 100_000
    remove(tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_folder_is_measured_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / str(number)).write_bytes(bytes(4096))
    monkeypatch.setattr(folders, "STEP", -1.0)
    told: list[int] = []
    meter = Meter(HostTree.of(tmp_path), 1 << 20, lambda: told.append(1))
    assert meter.suspicious  # what is there from before is not known
    looks = 1
    while not meter.look():
        looks += 1
    assert looks >= 30
    assert not meter.suspicious
    meter.count((1 << 20) - 30 * 4096)
    assert told == [1]
    assert meter.suspicious
    while not meter.look():
        pass
    assert not meter.suspicious  # it was overwritten
    small = Meter(HostTree.of(tmp_path), 8 * 4096, lambda: None)
    looks = 1
    while not small.look():
        looks += 1
    assert looks < 30  # enough is enough
    assert small.suspicious


def test_a_folder_is_given_to_its_group_a_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(ownership, "STEP", -1.0)
    tree = HostTree.of(tmp_path)
    giving = ownership.Giving(tree, (), {"spec": {"securityContext": {"fsGroup": 2000}}})
    steps = 1
    while not giving.go_on():
        steps += 1
    assert steps >= 30
    assert {tree.stat((str(number),), Seer()).gid for number in range(30)} == {2000}


@pytest.mark.parametrize("there", [True, False])
def test_long_ways_do_not_cost_the_square_of_their_length(
    tmp_path: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes a manifest chooses mountPath and subPath: 2,000 names took the cluster minutes."""
    path, looks = "/d" * 400, 0
    fs = FileSystem(HostTree.of(tmp_path))
    if there:
        fs.mkdir(path, parents=True)
    child = MountTable.child

    def counted(self: MountTable, *args: Any) -> Any:
        nonlocal looks
        looks += 1
        return child(self, *args)

    monkeypatch.setattr(MountTable, "child", counted)
    assert fs.beneath(path) == path
    assert looks <= 400
    fs.mount(path, MemoryTree(now=lambda: 0.0))
    assert fs.is_dir(path)
    assert looks <= 25 * 400


def test_where_a_mount_comes_to_be(tmp_path: Path) -> None:
    fs = FileSystem(HostTree.of(tmp_path))
    fs.mkdir("/real")
    fs.symlink("/real", "/link")
    fs.symlink("/real/new", "/dangling")
    fs.symlink("../../..", "/up")
    for number, (target, found) in enumerate(
        {
            "/link/a/b": "/real/a/b",
            "/new/../other/./x": "/other/x",
            "/new/../link/y": "/real/y",
            "/dangling": "/real/new",
            "/dangling/inside": "/real/new/inside",
            "/up/../top": "/top",
            "//double//slash/": "/double/slash",
        }.items()
    ):
        fs.mount(target, MemoryTree(now=lambda: 0.0), source=f"mount{number}")
        assert [at for source, at, _, _ in fs.mounts() if source == f"mount{number}"] == [found], target
    fs.write_bytes("/real/file", b"")
    for target, why in {
        "/y" * 3000: "File name too long",
        "/a/" + "y" * 256: "File name too long",
        "/a/b\0c": "Invalid argument",
        "/real/file/below": "Not a directory",
    }.items():
        with pytest.raises(OSError, match=why):
            fs.mount(target, MemoryTree(now=lambda: 0.0))
