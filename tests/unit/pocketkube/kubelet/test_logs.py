"""What is kept of a container's output, and how it is read back."""

from __future__ import annotations

import asyncio
from typing import Any

from pocketkube.kubelet.logs import LIMIT, LONGEST_LINE, Log, Output, stamp


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


async def test_only_the_newest_bytes_are_kept() -> None:
    log = Log(lambda: 0.0)
    out = Output(log)
    await out.write(b"first\n")
    await out.write(b"x" * (LIMIT + LONGEST_LINE))
    kept = await lines(log)
    assert b"first\n" not in kept
    assert sum(map(len, kept)) <= LIMIT
    assert max(map(len, kept)) == LONGEST_LINE


def test_stamps_have_nine_decimals() -> None:
    assert stamp(1.5) == "1970-01-01T00:00:01.500000000Z"
