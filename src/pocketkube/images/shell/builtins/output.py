"""Builtins the shell shares with the coreutils: echo, printf, test, [."""

from __future__ import annotations

from pocketkube.images.coreutils.conditions import evaluate
from pocketkube.images.coreutils.text_output import echo_bytes, printf_bytes
from pocketkube.images.shell.interpreter import Shell


async def echo(shell: Shell, argv: list[str]) -> int:
    stream = shell.process.fds.get(1)
    if stream is None:
        raise OSError(9, "Bad file descriptor")
    await stream.write(echo_bytes(argv[1:]))
    return 0


async def printf(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    if words and words[0] == "--":
        words.pop(0)
    if not words:
        await shell.write(2, "Usage: printf FORMAT [ARG]...\n")
        return 1
    data, errors = printf_bytes(words)
    if data:
        await shell.process.stdout.write(data)
    for text in errors:
        await shell.write(2, f"{shell.name}: {text}\n")
    return 1 if errors else 0


async def test_(shell: Shell, argv: list[str]) -> int:
    return await evaluate(shell.process, argv, f"{shell.name}: ")


BUILTINS = {"echo": echo, "printf": printf, "test": test_, "[": test_, "[[": test_}
