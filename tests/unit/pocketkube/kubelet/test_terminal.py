"""The line discipline between a user's keys and a program."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.unit.pocketkube.kubelet.world import Output

from pocketkube.kubelet.terminal import LONGEST_LINE, Terminal
from pocketkube.network.stream import Channel


class Program:
    def __init__(self) -> None:
        self.signals: list[int] = []

    def signal(self, number: int) -> None:
        self.signals.append(number)


@contextmanager
def opened() -> Iterator[tuple[Terminal, Channel, Output, Program]]:
    keyboard, screen, program = Channel(), Output(), Program()
    terminal = Terminal(keyboard, screen)
    terminal.foreground = program  # type: ignore[assignment]
    terminal.start()
    yield terminal, keyboard, screen, program
    terminal.close()


@pytest.mark.parametrize(
    ("keys", "line", "shown"),
    [
        (b"ls\r", b"ls\n", b"ls\r\n"),
        (b"lx\x7fs\n", b"ls\n", b"lx\b \bs\r\n"),
        (b"\x7f\x08a\r", b"a\n", b"a\r\n"),
        (b"junk\x15ok\r", b"ok\n", b"junk" + b"\b \b" * 4 + b"ok\r\n"),
        (b"one two\x17\r", b"one \n", b"one two" + b"\b \b" * 3 + b"\r\n"),
        (b"half\x04", b"half", b"half"),
        ("\u00fc\x7fa\r".encode(), b"a\n", "\u00fc\b \ba\r\n".encode()),
    ],
)
async def test_lines_are_edited_and_echoed(keys: bytes, line: bytes, shown: bytes) -> None:
    with opened() as (terminal, keyboard, screen, _):
        await keyboard.write(keys)
        assert await terminal.read() == line
        assert screen.data == shown


async def test_interrupt_reaches_the_foreground_and_drops_the_line() -> None:
    with opened() as (terminal, keyboard, screen, program):
        await keyboard.write(b"half\x03next\r")
        assert await terminal.read() == b"next\n"
        assert program.signals == [2]
        assert screen.data == b"half^Cnext\r\n"


async def test_raw_keys_come_as_they_are() -> None:
    with opened() as (terminal, keyboard, screen, program):
        with terminal.raw():
            await keyboard.write(b"a\x03\x1b[A")
            keys = b""
            while len(keys) < 5:
                keys += await terminal.read()
            assert (keys, screen.data, program.signals) == (b"a\x03\x1b[A", b"", [])
        await keyboard.write(b"line\r")
        assert await terminal.read() == b"line\n"


async def test_what_was_typed_before_is_there_for_a_reader_of_keys() -> None:
    with opened() as (terminal, keyboard, screen, _):
        await keyboard.write(b"early")
        while screen.data != b"early":  # noqa: ASYNC110
            await asyncio.sleep(0)
        with terminal.raw():
            assert await terminal.read() == b"early"


async def test_end_of_file_and_output() -> None:
    with opened() as (terminal, keyboard, screen, program):
        await keyboard.write(b"\x04")
        assert await terminal.read() == b""
        await terminal.write(b"a\nb\n")
        assert screen.data == b"a\r\nb\r\n"
        terminal.resize(100, 30)
        assert (terminal.size, program.signals) == ((100, 30), [28])


async def test_hanging_up_ends_a_waiting_reader() -> None:
    with opened() as (terminal, _, _, _):
        reading = asyncio.create_task(terminal.read())
        await asyncio.sleep(0)
        terminal.close()
        assert await reading == b""


async def test_a_line_has_an_end_while_it_is_typed() -> None:
    with opened() as (terminal, keyboard, _, _):
        for _ in range(20):
            await keyboard.write(b"a" * 1000)
        await keyboard.write(b"\n")
        assert await terminal.read() == b"a" * LONGEST_LINE + b"\n"


async def test_keys_that_nobody_reads_wait_at_the_keyboard() -> None:
    with opened() as (terminal, keyboard, _, _):
        terminal.echo = False
        pasting = asyncio.create_task(keyboard.write(b"line\n" * 60_000))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not pasting.done()
        got = 0
        while got < 5 * 60_000:
            got += len(await terminal.read())
        await pasting
