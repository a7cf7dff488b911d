"""Programs that go through many files, or a file without end, leave the cluster its loop and its memory."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import Callable
from contextlib import suppress

import pytest

from pocketkube.kubelet import rounds as turns

from .conftest import Pod

FILES = 200

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is too long: who asks whether to let others run does so each time."""
    monkeypatch.setattr(turns, "_ROUND", -1.0)
    monkeypatch.setattr(turns, "_GAP", 0.0)  # there is nobody to leave the loop to
    monkeypatch.setattr(turns, "_STINT", 60.0)


class Rounds:
    """Counts the rounds of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    async def __aenter__(self) -> Rounds:
        self._task = asyncio.create_task(self._run())
        await asyncio.sleep(0)
        self.count = 0
        return self

    async def _run(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@pytest.fixture
def busybox(pod: Callable[..., Pod]) -> Pod:
    return pod()


@pytest.fixture
def full(busybox: Pod) -> Pod:
    busybox.fs.mkdir("/d")
    for number in range(FILES):
        busybox.fs.write_bytes(f"/d/{number}", b"x")
    return busybox


NAMES = [f"/d/{number}" for number in range(FILES)]


@pytest.mark.parametrize(
    "argv",
    [
        ["ls", "/d"],
        ["ls", "-l", "/d"],
        ["ls", *NAMES],
        ["find", "/d", "-name", "7"],
        ["find", "/d", "-delete"],
        ["du", "-s", "/d"],
        ["cp", "-r", "/d", "/e"],
        ["rm", "-r", "/d"],
        ["rm", *NAMES],
        ["touch", *NAMES],
        ["mkdir", *(f"/n{number}" for number in range(FILES))],
        ["rmdir", *(f"/n{number}" for number in range(FILES))],
        ["ln", "-s", *NAMES, "/tmp"],
        ["mv", *NAMES, "/tmp"],
        ["stat", *NAMES],
        ["readlink", "-f", *NAMES],
        ["realpath", *NAMES],
        ["truncate", "-s", "1", *NAMES],
        ["chmod", "-R", "777", "/d"],
        ["chown", "-R", "5:5", "/d"],
        ["grep", "-rl", "nothing", "/d"],
        ["tar", "cf", "/a.tar", "/d"],
        ["sh", "-c", "echo /*/*"],
    ],
    ids=lambda argv: " ".join(argv[:3]),
)
async def test_a_program_gives_way_between_files(full: Pod, argv: list[str]) -> None:
    least = 2 if argv[0] == "sh" else FILES
    async with Rounds() as rounds:
        await full.start(*argv).ended()
    assert rounds.count >= least


async def test_an_archive_is_read_and_unpacked_step_by_step(full: Pod) -> None:
    await full.start("tar", "cf", "/a.tar", "/d").ended()
    for argv in (["tar", "tf", "/a.tar"], ["tar", "xf", "/a.tar", "-C", "/tmp"]):
        async with Rounds() as rounds:
            assert (await full.start(*argv).ended()).status == 0
        assert rounds.count >= FILES
    assert len(full.fs.listdir("/tmp/d")) == FILES


async def test_words_for_xargs_are_split_step_by_step(busybox: Pod) -> None:
    async with Rounds() as rounds:
        ran = await busybox.start("xargs", "true", stdin=b"word " * 20_000).ended()
    assert ran.status == 0
    assert rounds.count >= 90


@pytest.mark.parametrize(
    "argv",
    [["sed", "-i", "s/a/b/", "/f"], ["cat", "/f"], ["/f"], ["sh", "/f"], ["sh", "-c", ". /f"], ["tac", "/f"]],
    ids=lambda argv: " ".join(argv),
)
async def test_a_file_without_end_is_held_by_nobody(busybox: Pod, argv: list[str]) -> None:
    """A container makes a file of any size, without a byte in it. Only the system's own limits are real here, so the
    file says it is large and must not be asked for more than may be held."""
    busybox.fs.write_bytes("/f", b"")
    busybox.fs.chmod("/f", 0o755)
    asked = 0

    class Endless:
        def size(self) -> int:
            return 1 << 40

        def read_at(self, offset: int, most: int) -> bytes:
            nonlocal asked
            asked = max(asked, most)
            assert most <= 64 << 20
            if offset > 80 << 20:
                raise OSError(5, "it has been read for long enough")
            return bytes(min(most, 1 << 20))

        def write_at(self, offset: int, data: bytes) -> int:
            return len(data)

        def truncate(self, size: int) -> None: ...
        def close(self) -> None: ...

    tree = busybox.fs._find("/f").mount.tree
    node = busybox.fs.node("/f")
    was = tree.open
    tree.open = lambda at, seer: Endless() if at is node or at == node else was(at, seer)  # type: ignore[method-assign]
    try:
        with suppress(OSError):
            ran = await busybox.start(*argv).ended()
            assert ran.status != 0
    finally:
        tree.open = was  # type: ignore[method-assign]


async def test_an_archive_larger_than_what_may_be_held_is_written_as_it_comes(busybox: Pod) -> None:
    busybox.fs.write_bytes("/f", bytes(70 << 20))
    ran = await busybox.start("sh", "-c", "tar cz /f | wc -c").ended()
    assert ran.status == 0
    assert 50_000 < int(ran.out) < 200_000


@pytest.mark.parametrize("packer", ["gz", "bz2", "xz"])
async def test_an_archive_however_packed_is_unpacked(busybox: Pod, packer: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packer}") as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("inside")
        member.size = 200_000
        archive.addfile(member, io.BytesIO(b"0123456789" * 20_000))
    busybox.fs.write_bytes("/a", buffer.getvalue())
    assert (await busybox.start("tar", "xf", "/a", "-C", "/tmp").ended()).status == 0
    assert busybox.fs.read_bytes("/tmp/inside") == b"0123456789" * 20_000


@pytest.mark.parametrize("argv", [["gunzip", "-c", "/bomb"], ["tar", "xf", "/bomb"], ["zcat", "/bomb"]])
async def test_what_unpacks_to_too_much_is_out_of_memory(busybox: Pod, argv: list[str]) -> None:
    busybox.fs.write_bytes("/bomb", gzip.compress(bytes(80 << 20), 9))
    status, _, err = await busybox.start(*argv).ended()
    assert status == 1
    assert "out of memory" in err


async def test_packed_files_in_a_row_are_one_and_what_is_cut_off_is_said(busybox: Pod) -> None:
    one = gzip.compress(b"one\n")
    busybox.fs.write_bytes("/a", one + gzip.compress(b"two\n"))
    assert (await busybox.start("zcat", "/a").ended()).out == "one\ntwo\n"
    busybox.fs.write_bytes("/a", one[:-6])
    status, _, err = await busybox.start("zcat", "/a").ended()
    assert status == 1
    assert "invalid magic" in err


@pytest.mark.parametrize(
    "argv",
    [
        ["find", "/d"],
        ["du", "-s", "/d"],
        ["cp", "-r", "/d", "/e"],
        ["tar", "cf", "/t", "/d"],
        ["grep", "-r", "x", "/d"],
        ["rm", "-r", "/d"],
    ],
    ids=lambda argv: argv[0],
)
async def test_folders_deeper_than_a_programs_stack_end_it_and_nothing_else(busybox: Pod, argv: list[str]) -> None:
    busybox.fs.mkdir("/d" * 1200, parents=True)
    assert (await busybox.start(*argv).ended()).status == 139
    assert (await busybox.start("sh", "-c", "echo fine").ended()).out == "fine\n"
