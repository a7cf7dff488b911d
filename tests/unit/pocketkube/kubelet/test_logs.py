"""What is kept of a container's output, and how it is read back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pocketkube.kubelet.logs import IN_MEMORY, LONGEST_LINE, MAX_SIZE, PREFIX, Log, Output, stamp


async def lines(log: Log, **options: Any) -> list[bytes]:
    return [line async for line in log.read(**options)]


async def test_lines_are_kept_whole_and_streams_apart() -> None:
    log = Log(lambda: 0.0)
    out, err = Output(log), Output(log)
    await out.write(b"one\ntw")
    await err.write(b"error\n")
    assert await lines(log) == [b"one\n", b"error\n"]
    await out.write(b"o\n\nend")
    out.finish()
    assert await lines(log) == [b"one\n", b"error\n", b"two\n", b"\n", b"end"]
    assert log.tail(2, 3) == b"end"


async def test_reading_parts() -> None:
    now = [100.0]
    log = Log(lambda: now[0])
    out = Output(log)
    for number in range(5):
        now[0] += 1
        await out.write(f"line {number}\n".encode())
    assert await lines(log, tail=2) == [b"line 3\n", b"line 4\n"]
    assert await lines(log, tail=0) == []
    assert await lines(log, tail=9) == await lines(log)
    assert await lines(log, since=104.0) == [b"line 3\n", b"line 4\n"]
    assert await lines(log, tail=1, timestamps=True) == [b"1970-01-01T00:01:45.000000000Z line 4\n"]


async def test_following_until_the_end() -> None:
    log = Log(lambda: 0.0)
    out = Output(log)
    await out.write(b"before\n")
    seen: list[bytes] = []

    async def follow() -> None:
        seen.extend([line async for line in log.read(follow=True)])

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await out.write(b"after\nlast")
    out.finish()
    log.end()
    await following
    assert seen == [b"before\n", b"after\n", b"last"]


async def test_a_log_starts_anew_when_it_is_full(tmp_path: Path) -> None:
    log = Log(lambda: 0.0, tmp_path / "c" / "0.log")
    line = b"x" * 1000 + b"\n"
    fit = MAX_SIZE // (PREFIX + len(line))
    for _ in range(fit):
        log.add(line)
    assert len(await lines(log)) == fit
    log.add(line)
    assert await lines(log) == [line]
    assert not (tmp_path / "c" / "0.log").exists()


async def test_what_went_to_disk_is_read_back(tmp_path: Path) -> None:
    now = [0.0]
    log = Log(lambda: now[0], tmp_path / "c" / "0.log")
    written = []
    for number in range(3000):
        now[0] = number
        written.append(b"%d \xff" % number + b"x" * 90 + b"\n")
        log.add(written[-1])
    assert (tmp_path / "c" / "0.log").stat().st_size > IN_MEMORY
    assert await lines(log) == written
    assert await lines(log, tail=2500) == written[-2500:]
    assert await lines(log, tail=3) == written[-3:]
    assert await lines(log, since=1000.0) == written[1000:]
    assert log.tail(2, 1 << 20) == b"".join(written[-2:])
    log.drop()
    assert list((tmp_path / "c").iterdir()) == []


async def test_a_reader_that_follows_sees_every_line_though_they_go_to_disk(tmp_path: Path) -> None:
    log = Log(lambda: 0.0, tmp_path / "0.log")
    seen: list[bytes] = []

    async def follow() -> None:
        seen.extend([line async for line in log.read(follow=True)])

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    written = [b"%d\n" % number * 20 for number in range(2000)]
    for number, line in enumerate(written):
        log.add(line)
        if number % 700 == 0:
            await asyncio.sleep(0)
    log.end()
    await following
    assert seen == written


async def test_a_log_that_is_rotated_while_somebody_reads(tmp_path: Path) -> None:
    log = Log(lambda: 0.0, tmp_path / "0.log")
    for _ in range(200):
        log.add(b"x" * 1000 + b"\n")
    reading = log.read()
    assert await anext(reading) == b"x" * 1000 + b"\n"
    log.drop()
    for _ in range(200):
        log.add(b"y" * 1000 + b"\n")
    assert {line async for line in reading} == {b"x" * 1000 + b"\n"}


async def test_a_line_that_is_too_long_is_cut() -> None:
    log = Log(lambda: 0.0)
    await Output(log).write(b"x" * (3 * LONGEST_LINE))
    assert max(map(len, await lines(log))) == LONGEST_LINE


async def test_a_full_disk_loses_lines_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    log = Log(lambda: 0.0, tmp_path / "file" / "0.log")
    for _ in range(200):
        log.add(b"x" * 1000 + b"\n")
    log.add(b"last\n")
    assert (await lines(log))[-1] == b"last\n"


def test_stamps_have_nine_decimals() -> None:
    assert stamp(1.5) == "1970-01-01T00:00:01.500000000Z"


def test_lines_that_are_next_to_nothing_take_room_in_memory_too(tmp_path: Path) -> None:
    log = Log(lambda: 0.0, tmp_path / "0.log")
    for _ in range(2 * IN_MEMORY // PREFIX):
        log.add(b"\n")
    assert (tmp_path / "0.log").exists()
