"""redis-cli: commands of its arguments, of standard input, or at a prompt of its own."""

from __future__ import annotations

import os
import shlex

from pocketkube.images.programs.redis.resp import Parser, ProtocolFailure, RedisError, Value, command
from pocketkube.images.shell.editing import Editor, Interrupted
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver
from pocketkube.network.stream import Stream

_LONGEST = 16 << 10
"""Bytes of a line; the rest of a longer one is not looked at."""


def formatted(value: Value, indent: str = "") -> str:
    """As at a terminal, without the last newline."""
    match value:
        case None:
            return "(nil)"
        case int():
            return f"(integer) {value}"
        case RedisError():
            return f"(error) {value}"
        case str():
            return value
        case bytes():
            return quoted(value)
        case list() if not value:
            return "(empty array)"
        case list():
            width = len(str(len(value)))
            lines = []
            for number, item in enumerate(value, 1):
                head = f"{number:{width}d}) "
                lines.append((indent if number > 1 else "") + head + formatted(item, indent + " " * len(head)))
            return "\n".join(lines)
    return str(value)


def quoted(value: bytes) -> str:
    escapes = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 0x07: "\\a", 0x08: "\\b"}
    return '"' + "".join(escapes.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in value) + '"'


def raw(value: Value) -> bytes:
    match value:
        case None:
            return b""
        case bytes():
            return value
        case list():
            return b"\n".join(map(raw, value))
    return str(value).encode()


class Client:
    def __init__(self, process: Process, host: str, port: int, password: str, as_raw: bool) -> None:
        self.process = process
        self.host, self.port, self.password, self.as_raw = host, port, password, as_raw
        self.stream: Stream | None = None
        self.parser = Parser()

    async def connect(self) -> None:
        """Raises OSError with the text to print."""
        where = f"Could not connect to Redis at {self.host}:{self.port}"
        try:
            address = await resolver.first(self.process, self.host)
        except resolver.ResolutionError:
            raise OSError(0, f"{where}: Name does not resolve") from None
        try:
            self.stream = await self.process.net.connect(address, self.port)
        except OSError as error:
            raise OSError(0, f"{where}: {os.strerror(error.errno or 110)}") from None
        if self.password and isinstance(reply := await self.ask([b"AUTH", self.password.encode()]), RedisError):
            await self.process.error(f"AUTH failed: {reply}")

    async def ask(self, words: list[bytes]) -> Value:
        """Raises OSError, ProtocolFailure."""
        if self.stream is None:
            await self.connect()
        assert self.stream is not None
        await self.stream.write(command(words))
        while (found := self.parser.take()) is None:
            data = await self.stream.read(65536)
            if not data:
                self.stream = None
                raise ConnectionResetError(104, "Error: Server closed the connection")
            self.parser.feed(data)
        return found[0]

    async def show(self, words: list[bytes]) -> int:
        try:
            reply = await self.ask(words)
        except (OSError, ProtocolFailure) as failure:
            await self.process.error(getattr(failure, "strerror", None) or str(failure))
            return 1
        plain = isinstance(reply, bytes) and words[0].upper() == b"INFO"
        if self.as_raw or plain:
            await self.process.stdout.write(raw(reply) + b"\n")
        else:
            await self.process.print(formatted(reply))
        return 0


async def main(process: Process) -> int:
    """`redis-cli [-h HOST] [-p PORT] [-a PASSWORD] [-n 0] [--raw | --no-raw] [-r TIMES] [-i SECONDS] [COMMAND...]`."""
    words = process.argv[1:]
    host, port, times, pause = "127.0.0.1", 6379, 1, 0.0
    password = process.env.get("REDISCLI_AUTH", "")
    terminal = getattr(process.fds.get(1), "terminal", None)
    as_raw = terminal is None
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("--version", "-v"):
            await process.print("redis-cli 7.4.6")
            return 0
        if option in ("--raw", "--no-raw"):
            as_raw = option == "--raw"
        elif option in ("--no-auth-warning", "-2", "-3", "-e"):
            continue
        elif option in ("-h", "-p", "-a", "--pass", "-n", "-r", "-i", "--user") and words:
            value = words.pop(0)
            try:
                host = value if option == "-h" else host
                port = int(value) if option == "-p" else port
                times = int(value) if option == "-r" else times
                pause = float(value) if option == "-i" else pause
            except ValueError:
                await process.error("Invalid server port." if option == "-p" else f"Invalid value for {option}")
                return 1
            password = value if option in ("-a", "--pass") else password
        else:
            await process.error(f"Unrecognized option or bad number of args for: '{option}'")
            return 1
    client = Client(process, host, port, password, as_raw)
    if not words:
        return await _typed(client)
    status, count = 0, 0
    while times < 0 or count < times:
        status = await client.show([word.encode("utf-8", "surrogateescape") for word in words])
        count += 1
        if count < times or times < 0:
            await process.clock.sleep(max(pause, 0.0))
            await process.turn()
    return status


async def _typed(client: Client) -> int:
    """Commands from standard input, one a line."""
    process = client.process
    terminal = getattr(process.fds.get(0), "terminal", None)
    history: list[str] = []
    status = 0
    while True:
        line = await (_edited(client, terminal, history) if terminal is not None else _line(process))
        if line is None:
            return status
        try:
            words = shlex.split(line)
        except ValueError:
            await process.print("Invalid argument(s)")
            continue
        if words and words[0].lower() in ("exit", "quit"):
            return 0
        if words:
            status = await client.show([word.encode("utf-8", "surrogateescape") for word in words])


async def _line(process: Process) -> str | None:
    out = bytearray()
    while byte := await process.stdin.read(1):
        await process.turn()
        if byte == b"\n":
            return out.decode("utf-8", "surrogateescape")
        if len(out) < _LONGEST:
            out += byte
    return out.decode("utf-8", "surrogateescape") if out else None


async def _edited(client: Client, terminal: object, history: list[str]) -> str | None:
    process = client.process
    place = f"{client.host}:{client.port}"
    try:
        if client.stream is None:
            await client.connect()
    except OSError as failure:
        await process.error(failure.strerror or "")
        place = "not connected"
    with terminal.raw():  # type: ignore[attr-defined]
        editor = Editor(f"{place}> ", terminal.size[0], history)  # type: ignore[attr-defined]
        await process.print(editor.start(), end="")
        while not (editor.done or editor.ended):
            await process.turn()
            key = await process.stdin.read(1)
            if not key:
                return None
            try:
                await process.print(editor.feed(key), end="")
            except Interrupted:
                await process.print("")
                return None
    if editor.ended:
        await process.print("")
        return None
    if editor.text.strip():
        history.append(editor.text)
    return editor.text
