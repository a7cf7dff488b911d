"""Folders of any shape go, nothing outside of them does, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest

from pocketkube import removal
from pocketkube.removal import discard, remove


def chain(folder: Path, depth: int) -> None:
    """Folders within folders, deeper than any path."""
    folder.mkdir()
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)


def test_names_that_were_made_to_be_in_the_way(tmp_path: Path) -> None:
    remove(tmp_path / "missing")
    (tmp_path / "v/a/b/.pocketkube-removed-0/x").mkdir(parents=True)
    (tmp_path / "v/.pocketkube-removed-0/x").mkdir(parents=True)
    (tmp_path / "v/a/b/f").write_text("x")
    (tmp_path / "v/\udcff\n").write_text("a name that is no text")
    os.mkfifo(tmp_path / "v/fifo")
    os.symlink(tmp_path, tmp_path / "v/a/up")
    os.symlink("loop", tmp_path / "v/a/loop")
    remove(tmp_path / "v")
    assert list(tmp_path.iterdir()) == []


def test_a_file_and_a_link_go_themselves(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    remove(tmp_path / "link")
    remove(tmp_path / "kept/file")
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_the_deepest_tree_takes_no_more_memory_and_descriptors(tmp_path: Path) -> None:
    chain(tmp_path / "deep", 3000)
    tracemalloc.start()
    try:
        remove(tmp_path / "deep")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        if (tmp_path / "deep").exists():
            subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)  # what pytest could not
    assert not (tmp_path / "deep").exists()
    assert most < 4 << 20


@pytest.mark.skipif(os.name != "posix", reason="modes of folders")
def test_what_nobody_may_read_goes_too(tmp_path: Path) -> None:
    """As a user other than root, whom modes do not concern."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        os.chmod(home, 0o777)
        script = (
            "import os, sys; from pathlib import Path\n"
            "from pocketkube.removal import remove\n"
            "if os.geteuid() == 0: os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
            "top = Path(sys.argv[1]) / 'v'\n"
            "(top / 'a/b').mkdir(parents=True); (top / 'a/b/f').write_text('x'); (top / 'c').mkdir()\n"
            "(top / 'a/b').chmod(0); (top / 'a').chmod(0o500); (top / 'c').chmod(0)\n"
            "remove(top)\n"
            "print(os.listdir(sys.argv[1]))\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        ran = subprocess.run(
            [sys.executable, "-c", script, home], env=environment, capture_output=True, text=True, check=False
        )
        assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_what_stays_is_said_and_all_else_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "stays", "z"):
        (tmp_path / "v/inner" / name).mkdir(parents=True)
        (tmp_path / "v/inner" / name / "file").write_text("x")
    (tmp_path / "v/inner/stays/immutable").write_text("x")
    unlink = os.unlink

    def refuse(path: str, **where: int) -> None:
        if path == "immutable":
            raise PermissionError(1, "Operation not permitted", path)
        unlink(path, **where)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OSError, match="Operation not permitted"):
        remove(tmp_path / "v")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["immutable"]


async def test_what_is_discarded_is_gone_at_once_and_from_the_disk_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    discard(tmp_path / "missing")
    (tmp_path / "small").mkdir()
    discard(tmp_path / "small")
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr(removal, "QUICK", 3)
    (tmp_path / "large").mkdir()
    for number in range(4):
        (tmp_path / "large" / str(number)).touch()
    discard(tmp_path / "large")
    assert not (tmp_path / "large").exists()
    assert all(name.startswith(".") for name in os.listdir(tmp_path))
    await asyncio.get_running_loop().shutdown_default_executor()  # it waits for what the threads do
    assert os.listdir(tmp_path) == []


def test_nobody_can_lead_it_out_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder becomes a link just before it is opened."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("x")
    (tmp_path / "v/a").mkdir(parents=True)
    (tmp_path / "v/a/f").write_text("x")
    look = os.stat

    def race(path: str, **options: object) -> os.stat_result:
        found = look(path, **options)  # type: ignore[arg-type]
        if path == "a" and stat.S_ISDIR(found.st_mode):
            (tmp_path / "v/a").rename(tmp_path / "moved")
            (tmp_path / "v/a").symlink_to(tmp_path / "outside")
        return found

    monkeypatch.setattr(removal.os, "stat", race)
    try:
        remove(tmp_path / "v")
    except OSError:
        remove(tmp_path / "v")
    assert (tmp_path / "outside/secret").read_text() == "x"
    assert not (tmp_path / "v").exists()
