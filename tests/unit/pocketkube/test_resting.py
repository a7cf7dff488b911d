"""What must not be shared between forks keeps a cluster from resting; what a copy must bring along comes along."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from pocketkube import resting
from pocketkube.__main__ import parsed
from pocketkube.cluster import Cluster
from pocketkube.kubelet.filesystem.host import HostTree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are asked of Linux only")
KEPT: list[object] = []


def a_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def a_socket() -> None:
    one, other = socket.socketpair()
    KEPT.extend((one, other))
    asyncio.get_running_loop().add_reader(one, print)


def a_file() -> None:
    KEPT.append(os.open("left-open", os.O_CREAT | os.O_WRONLY))


def nothing() -> None:
    pass


def _rest(told: Connection, folder: Path, disturb: Callable[[], None]) -> None:
    """Let a cluster rest in this process, where something has been left."""

    class Disturbed(resting.Resting):
        async def _settle(self) -> Cluster:
            disturb()
            return await super()._settle()

    try:
        Disturbed(parsed(["--state", ".", "--in-memory", "--no-host-ports"]), folder)
        told.send("rests")
    except RuntimeError as error:
        told.send(str(error))
    told.close()
    os._exit(0)  # a thread may never end


@pytest.mark.parametrize(
    ("disturb", "says"),
    [
        (nothing, "rests"),
        (a_thread, "2 threads live here"),
        (a_socket, "the loop listens to 1 sockets"),
        (a_file, "left-open is open"),
    ],
)
def test_what_forks_would_share_is_refused(disturb: Callable[[], None], says: str, tmp_path: Path) -> None:
    reading, writing = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_rest, args=(writing, tmp_path / "state", disturb))
    process.start()
    writing.close()
    assert says in reading.recv()
    process.join()


def test_owners_that_are_only_remembered_are_known_in_a_copy(tmp_path: Path) -> None:
    folder, copy = tmp_path / "resting", tmp_path / "copy"
    (folder / "volume").mkdir(parents=True)
    (folder / "volume" / "file").write_text("content")
    inode = (folder / "volume" / "file").stat().st_ino
    known = HostTree._unwritten.setdefault(Path("volume"), {})
    known[inode] = (0o640, 1000, 2000)
    try:
        resting._copy(folder, copy)
        assert (copy / "volume" / "file").read_text() == "content"
        assert known == {(copy / "volume" / "file").stat().st_ino: (0o640, 1000, 2000)}
    finally:
        HostTree.forget(Path("volume"))
