"""A copy is equal, independent and cannot be led astray; a tree is deleted without following anything."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.unit.pocketkube.storage import trees
from tests.unit.pocketkube.storage.trees import Folder

from pocketkube.descent import Descent, folders, measure
from pocketkube.removal import remove
from pocketkube.storage import copying
from pocketkube.storage.copying import Copier, NotAFile


@pytest.mark.parametrize("small", [True, False], ids=["at once", "held, then in a thread"])
def test_a_copy_equals_its_source_and_is_independent_of_it(small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:
        monkeypatch.setattr(copying, "SMALL_NAMES", -1)

    @settings(max_examples=60, deadline=None)
    @given(trees.FOLDERS)
    def check(tree: Folder) -> None:
        with tempfile.TemporaryDirectory() as name:
            source, target = Path(name) / "source", Path(name) / "target"
            trees.make(tree, source)
            before = trees.picture(source)
            asyncio.run(copying.copy(source, target))
            assert trees.picture(target) == before
            assert trees.picture(source) == before
            assert {path.name for path in Path(name).iterdir()} == {"source", "target"}
            for file in (at for at in source.rglob("*") if at.is_file() and not at.is_symlink()):
                file.chmod(0o600)
                with file.open("r+b") as opened:
                    opened.write(b"changed after the copy")
            remove(source)
            assert not source.exists()
            assert trees.picture(target) == before

    check()


def test_without_reflinks_and_copies_in_the_kernel_it_is_done_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_share", lambda source, target: False)
    monkeypatch.delattr(os, "copy_file_range")
    monkeypatch.delattr(os, "SEEK_DATA")
    (tmp_path / "a").write_bytes(os.urandom(3_000_000))
    Copier().copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_holes_stay_holes(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
    assert (measure(tmp_path / "sparse", 1) or (0, 0))[1] < 1 << 20
    Copier().copy(tmp_path / "sparse", tmp_path / "copy")
    found = (tmp_path / "copy").stat()
    assert found.st_size == (1 << 30) + 3
    assert found.st_blocks * 512 < 1 << 20


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    os.mkfifo(tmp_path / "source" / "fifo")
    with pytest.raises(NotAFile):
        Copier().copy(tmp_path / "source", tmp_path / "target")


def test_a_folder_that_becomes_a_link_meanwhile_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    inner = tmp_path / "source" / "inner"
    inner.mkdir(parents=True)
    walk = folders(tmp_path / "source")
    assert next(walk)[0] == ()
    inner.rmdir()
    inner.symlink_to(tmp_path / "outside")
    assert list(walk) == []
    assert (measure(tmp_path / "source", 10) or (0, 0))[0] == 1
    remove(tmp_path / "source")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"


def test_remove_follows_no_name_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "outside" / "folder").mkdir(parents=True)
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "base").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        remove(tmp_path / "disk", ("base", "folder"))
    assert (tmp_path / "outside" / "folder").is_dir()


def test_trees_deeper_than_descriptors_and_recursion_go(tmp_path: Path) -> None:
    source = tmp_path / "deep"
    source.mkdir()
    fd = os.open(source, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    try:
        Copier().copy(source, tmp_path / "copy")
        assert measure(tmp_path / "copy", 10_000_000) == measure(source, 10_000_000)
    finally:  # pytest itself could not
        remove(source)
        remove(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


async def test_a_tree_deeper_than_any_path_is_refused(tmp_path: Path) -> None:
    """As cp and tar do; the names on the way to each folder would be everybody's memory."""
    source = tmp_path / "deep"
    source.mkdir()
    fd = os.open(source, os.O_RDONLY)
    for _ in range(2100):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)
    try:
        with pytest.raises(OSError, match="File name too long"):
            await copying.copy(source, tmp_path / "copy")
    finally:  # pytest itself could not
        remove(source)
        remove(tmp_path / "copy")
    assert os.listdir(tmp_path) == []


async def test_a_small_tree_is_copied_in_one_step(tmp_path: Path) -> None:
    """So it is of one moment: a file and its index, say, belong together."""
    (tmp_path / "source/inner").mkdir(parents=True)
    for name in ("index", "inner/data"):
        (tmp_path / "source" / name).write_text("one")
    copy = asyncio.create_task(copying.copy(tmp_path / "source", tmp_path / "target"))
    await asyncio.sleep(0)
    assert copy.done()
    assert (tmp_path / "target/inner/data").read_text() == "one"


async def test_the_names_are_those_of_one_moment_and_the_loop_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "z").mkdir(parents=True)
    (source / "a").write_bytes(os.urandom(64 << 20))
    (source / "moved").write_text("acknowledged before")
    copy = asyncio.create_task(copying.copy(source, tmp_path / "target"))
    await asyncio.sleep(0)
    (source / "moved").rename(source / "z" / "moved")
    (source / "late").write_text("too late")
    turns, longest = 0, 0.0
    while not copy.done():
        started = time.perf_counter()
        await asyncio.sleep(0)
        turns, longest = turns + 1, max(longest, time.perf_counter() - started)
    await copy
    assert (tmp_path / "target" / "moved").read_text() == "acknowledged before"
    assert sorted(at.name for at in (tmp_path / "target").iterdir()) == ["a", "moved", "z"]
    assert (tmp_path / "target" / "a").read_bytes() == (source / "a").read_bytes()
    assert turns > 3, f"the loop was held for the whole copy; its longest turn took {longest:.3f} s"


async def test_a_copy_that_is_called_off_has_stopped_when_it_says_so(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for i in range(8):
        (source / str(i)).write_bytes(os.urandom(16 << 20))
    copy = asyncio.create_task(copying.copy(source, tmp_path / "target"))
    await asyncio.sleep(0.001)
    copy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copy
    remove(tmp_path / "target")  # nobody writes there any more
    assert not (tmp_path / "target").exists()


def test_a_descent_goes_anywhere_in_any_order_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path
    for i in range(200):
        (path / "side").mkdir()
        path = path / f"{i}"
        path.mkdir()
    chain = tuple(str(i) for i in range(200))
    before = len(os.listdir("/proc/self/fd"))
    with Descent(tmp_path) as descent:
        for depth in (200, 3, 199, 0, 100, 101, 1, 200):
            here = os.stat(descent.at(chain[:depth]))
            assert here.st_ino == tmp_path.joinpath(*chain[:depth]).stat().st_ino
        with pytest.raises(FileNotFoundError):
            descent.at((*chain[:150], "missing", *chain))
        assert len(os.listdir("/proc/self/fd")) - before <= 70
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_the_file_system_shares_blocks_nothing_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def clone(target: int, request: int, source: int) -> int:
        asked.append((request, source))
        os.write(target, b"shared")  # what FICLONE does: the target has the source's blocks
        return 0

    monkeypatch.setattr("fcntl.ioctl", clone)
    monkeypatch.setattr(copying, "_some", lambda *_: pytest.fail("copied by hand"))
    (tmp_path / "a").write_bytes(b"source")
    (tmp_path / "a").chmod(0o640)
    Copier().copy(tmp_path / "a", tmp_path / "b")
    assert [request for request, _ in asked] == [0x40049409]
    assert (tmp_path / "b").read_bytes() == b"shared"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o640
