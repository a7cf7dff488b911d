"""redis-server: one database over TCP, kept in dump.rdb and, with `appendonly yes`, in a log of its commands.

Left out: TLS, ACLs, replication, cluster, sentinel, modules.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pocketkube.images.programs.redis import rdb
from pocketkube.images.programs.redis.resp import (
    Parser,
    ProtocolFailure,
    RedisError,
    Simple,
    Value,
    command,
    encode,
    pieces,
)
from pocketkube.images.programs.redis.store import OK, Store, size_of
from pocketkube.images.shell.patterns import matches
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network.stream import Stream

VERSION = "7.4.6"
_MOST = 16 << 20
"""Bytes of keys and values; the real one takes what memory there is."""
_UNANSWERED = 32 << 20
"""Bytes of all clients together that are no whole command yet."""
_WORDS = 1000
"""Values of a command that is written for many."""


class Server:
    def __init__(self, process: Process, settings: dict[str, str]) -> None:
        self.process = process
        self.settings = settings
        limit = int(settings["maxmemory"]) if settings["maxmemory"].isdecimal() else 0
        self.store = Store(process.clock.time, min(limit or _MOST, _MOST))
        self.log: Any = None
        self.clients: set[asyncio.Task[None]] = set()
        self.parsers: set[Parser] = set()
        self.started = process.clock.monotonic()
        self.saved_at, self.saved_changes = process.clock.time(), 0
        self.served = 0

    @property
    def logs_commands(self) -> bool:
        return self.settings["appendonly"] == "yes"

    def path(self, name: str) -> str:
        return f"{self.settings['dir'].rstrip('/')}/{name}"

    @property
    def log_path(self) -> str:
        return self.path(f"{self.settings['appenddirname']}/{self.settings['appendfilename']}.1.incr.aof")

    async def say(self, text: str, mark: str = "*", role: str = "M") -> None:
        now = datetime.fromtimestamp(self.process.clock.time(), UTC)
        stamp = f"{now:%d %b %Y %H:%M:%S}.{now.microsecond // 1000:03d}"
        await self.process.print(f"{self.process.pid}:{role} {stamp} {mark} {text}")

    # Life

    async def run(self) -> int:
        process, port = self.process, self.settings["port"]
        await self.say("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo", role="C")
        await self.say(
            f"Redis version={VERSION}, bits=64, commit=00000000, modified=0, pid={process.pid}, just started", role="C"
        )
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            process.on_signal(number, lambda _: stopping.set())
        await self.say(f"Running mode=standalone, port={port}.")
        try:
            listener = process.net.listen(int(port), "::")
        except (OSError, ValueError):
            await self.say(
                f"Warning: Could not create server TCP listening socket *:{port}: bind: Address already in use", "#"
            )
            await self.say("Failed listening on port 6379 (tcp), aborting.", "#")
            return 1
        await self.say("Server initialized")
        await self.load()
        await self.say("Ready to accept connections tcp")
        try:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(self.accept(listener))
                saving = group.create_task(self.save_now_and_then())
                await stopping.wait()
                await self.say("User requested shutdown...")
                await self.shut_down()
                accepting.cancel()
                saving.cancel()
        finally:
            listener.close()
            for client in self.clients:
                client.cancel()
        return 0

    async def accept(self, listener: Any) -> None:
        async for stream in listener:
            client = asyncio.ensure_future(self.client(stream))
            self.clients.add(client)
            client.add_done_callback(self.clients.discard)

    async def client(self, stream: Stream) -> None:
        parser, allowed = Parser(), not self.settings["requirepass"]
        self.parsers.add(parser)
        try:
            while data := await stream.read(65536):
                parser.feed(data)
                if sum(each.size for each in self.parsers) > _UNANSWERED:
                    raise ProtocolFailure("too big query buffer")
                while (found := parser.take(inline=True)) is not None:
                    words = found[0]
                    if not isinstance(words, list) or not all(isinstance(word, bytes) for word in words):
                        raise ProtocolFailure("expected '$'")
                    if not words:
                        continue
                    reply, allowed, ends = await self.answer(words, allowed)
                    for piece in pieces(reply):
                        await stream.write(piece)
                        await self.process.turn()
                    if ends:
                        return
        except ProtocolFailure as failure:
            await stream.write(encode(RedisError(f"ERR Protocol error: {failure}")))
        except ConnectionError:
            pass
        finally:
            self.parsers.discard(parser)
            stream.close()

    # Commands

    async def answer(self, words: list[bytes], allowed: bool) -> tuple[Value, bool, bool]:
        """What to say, whether the client may do things from now on, and whether its connection ends."""
        self.served += 1
        name = words[0].upper()
        if name == b"QUIT":
            return OK, allowed, True
        if name == b"AUTH":
            password = self.settings["requirepass"]
            if not password:
                text = (
                    "ERR AUTH <password> called without any password configured for the default user. "
                    "Are you sure your configuration is correct?"
                )
                return RedisError(text), allowed, False
            if words[-1].decode(errors="replace") == password:
                return OK, True, False
            return RedisError("WRONGPASS invalid username-password pair or user is disabled."), allowed, False
        if not allowed:
            return RedisError("NOAUTH Authentication required."), allowed, False
        try:
            special = getattr(self, f"on_{name.decode('ascii', 'replace').lower()}", None)
            if special is not None:
                return await special(words[1:]), allowed, False
            before = self.store.changes
            reply = self.store.run(words)
            if self.store.changes > before and self.logs_commands:
                await self.note(words)
        except RedisError as error:
            return error, allowed, False
        except OSError as error:
            text = f"MISCONF Errors writing to the AOF file: {os.strerror(error.errno or 0)}"
            return RedisError(text), allowed, False
        return reply, allowed, False

    async def on_ping(self, words: list[bytes]) -> Value:
        return words[0] if words else Simple("PONG")

    async def on_echo(self, words: list[bytes]) -> Value:
        return words[0] if words else RedisError("ERR wrong number of arguments for 'echo' command")

    async def on_select(self, words: list[bytes]) -> Value:
        return OK if words == [b"0"] else RedisError("ERR DB index is out of range")

    async def on_hello(self, words: list[bytes]) -> Value:
        return RedisError("NOPROTO unsupported protocol version")

    async def on_client(self, words: list[bytes]) -> Value:
        return OK

    async def on_command(self, words: list[bytes]) -> Value:
        return []

    async def on_keys(self, words: list[bytes]) -> Value:
        if len(words) != 1:
            return RedisError("ERR wrong number of arguments for 'keys' command")
        found: list[Value] = []
        pattern = words[0].decode("utf-8", "surrogateescape")
        for key in list(self.store.keys):
            await self.process.turn()
            if self.store.look(key) and matches(pattern, key.decode("utf-8", "surrogateescape")):
                found.append(key)
        return found

    async def on_scan(self, words: list[bytes]) -> Value:
        """All at once."""
        options = [word.upper() for word in words]
        pattern = words[options.index(b"MATCH") + 1] if b"MATCH" in options[:-1] else b"*"
        return [b"0", await self.on_keys([pattern])]

    async def on_save(self, words: list[bytes]) -> Value:
        return OK if await self.save() else RedisError("ERR")

    async def on_bgsave(self, words: list[bytes]) -> Value:
        await self.save()
        return Simple("Background saving started")

    async def on_lastsave(self, words: list[bytes]) -> Value:
        return int(self.saved_at)

    async def on_shutdown(self, words: list[bytes]) -> Value:
        await self.say("User requested shutdown...")
        await self.shut_down(save=b"NOSAVE" not in [word.upper() for word in words])
        self.process.finish(0)
        await asyncio.Event().wait()
        return None

    async def on_config(self, words: list[bytes]) -> Value:
        if len(words) == 2 and words[0].upper() == b"GET":
            pattern = words[1].decode(errors="replace").lower()
            return [
                part.encode()
                for name, value in self.settings.items()
                if matches(pattern, name)
                for part in (name, value)
            ]
        if (
            len(words) == 3
            and words[0].upper() == b"SET"
            and words[1].decode(errors="replace").lower() in self.settings
        ):
            name, value = words[1].decode().lower(), words[2].decode(errors="replace")
            if name == "appendonly" and value == "yes" and not self.logs_commands:
                await self.start_log()
            self.settings[name] = value
            return OK
        return RedisError("ERR Unknown option or number of arguments for CONFIG SET")

    async def on_info(self, words: list[bytes]) -> Value:
        store = self.store
        uptime = int(self.process.clock.monotonic() - self.started)
        sections: dict[str, dict[str, object]] = {
            "server": {
                "redis_version": VERSION, "redis_mode": "standalone", "os": "Linux 6.12.0 x86_64",
                "process_id": self.process.pid, "tcp_port": self.settings["port"], "uptime_in_seconds": uptime,
            },
            "clients": {"connected_clients": len(self.clients)},
            "memory": {"used_memory": store.used + 1_000_000, "maxmemory": self.settings["maxmemory"]},
            "persistence": {
                "loading": 0, "rdb_changes_since_last_save": store.changes - self.saved_changes,
                "rdb_last_save_time": int(self.saved_at), "rdb_last_bgsave_status": "ok",
                "aof_enabled": int(self.logs_commands),
            },
            "stats": {"total_commands_processed": self.served},
            "replication": {"role": "master", "connected_slaves": 0},
            "keyspace": {"db0": f"keys={len(store.keys)},expires={len(store.expiry)},avg_ttl=0"} if store.keys else {},
        }  # fmt: skip
        wanted = words[0].decode(errors="replace").lower() if words else "all"
        out = [
            f"# {title.capitalize()}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in rows.items())
            for title, rows in sections.items()
            if wanted in (title, "all", "default", "everything")
        ]
        return "\r\n".join(out).encode()

    # Files

    async def load(self) -> None:
        fs = self.process.fs
        if self.logs_commands and fs.exists(self.log_path):
            await self.replay(self.log_path)
        elif not self.logs_commands and fs.exists(self.path(self.settings["dbfilename"])):
            try:
                for key, value, until in rdb.load(fs.read_bytes(self.path(self.settings["dbfilename"])), 2 * _MOST):
                    await self.process.turn()
                    self.store.keys[key] = value
                    self.store.used += size_of([key]) + size_of(value)
                    if until is not None:
                        self.store.expiry[key] = until
            except (rdb.BadFile, OSError) as failure:
                await self.say(f"Fatal error loading the DB, check server logs. Exiting. ({failure})", "#")
                raise ProcessExit(1) from None
            await self.say(f"Done loading RDB, keys loaded: {len(self.store.keys)}, keys expired: 0.")
        if self.logs_commands and self.log is None:
            await self.start_log()

    async def replay(self, path: str) -> None:
        parser = Parser()
        try:
            with self.process.fs.open(path) as file:
                while data := await file.read(65536):
                    parser.feed(data)
                    while (found := parser.take()) is not None:
                        await self.process.turn()
                        if isinstance(found[0], list):
                            self.store.run(found[0])
        except (ProtocolFailure, RedisError, OSError) as failure:
            await self.say(f"Bad file format reading the append only file {path}: {failure}", "#")
            raise ProcessExit(1) from None
        await self.say(f"DB loaded from append only file: {len(self.store.keys)} keys")

    async def start_log(self) -> None:
        fs = self.process.fs
        folder = self.path(self.settings["appenddirname"])
        try:
            if not fs.exists(folder):
                fs.mkdir(folder)
            fresh = not fs.exists(self.log_path)
            name = self.settings["appendfilename"]
            fs.write_bytes(f"{folder}/{name}.manifest", f"file {name}.1.incr.aof seq 1 type i\n".encode())
            self.log = fs.open(self.log_path, "a")
            if fresh:
                for words in self.everything():
                    await self.log.write(command(words))
                    await self.process.turn()
        except OSError as error:
            await self.say(f"Can't open or create append-only dir {folder}: {os.strerror(error.errno or 0)}", "#")
            raise ProcessExit(1) from None

    def everything(self) -> Iterator[list[bytes]]:
        """Commands that make what there is."""
        for key, value in list(self.store.keys.items()):
            if isinstance(value, bytes):
                yield [b"SET", key, value]
            else:
                pairs = isinstance(value, dict)
                words = [part for pair in value.items() for part in pair] if pairs else list(value)
                name = b"HSET" if pairs else b"SADD" if isinstance(value, set) else b"RPUSH"
                for start in range(0, len(words), _WORDS):
                    yield [name, key, *words[start : start + _WORDS]]
            if key in self.store.expiry:
                yield [b"PEXPIREAT", key, str(int(self.store.expiry[key] * 1000)).encode()]

    async def note(self, words: list[bytes]) -> None:
        """Into the log; what counts from now is written as a point in time."""
        name = words[0].upper()
        if name in (b"EXPIRE", b"PEXPIRE", b"SETEX") or (name == b"SET" and len(words) > 3):
            until = self.store.expiry.get(words[1])
            kept = [] if name.endswith(b"EXPIRE") else [[b"SET", words[1], self.store.keys.get(words[1], b"")]]
            if until is not None:
                kept.append([b"PEXPIREAT", words[1], str(int(until * 1000)).encode()])
        else:
            kept = [words]
        if self.log is not None:
            await self.log.write(b"".join(map(command, kept)))

    async def save(self) -> bool:
        """dump.rdb, whole or as it was."""
        fs, target = self.process.fs, self.path(self.settings["dbfilename"])
        temporary = self.path(f"temp-{self.process.pid}.rdb")
        try:
            with fs.open(temporary, "w") as file:
                for piece in rdb.dump(self.store.keys, self.store.expiry, VERSION):
                    await file.write(piece)
                    await self.process.turn()
            fs.rename(temporary, target)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            await self.say(f"Failed opening the temp RDB file {temporary} (in server root dir) for saving: {why}", "#")
            return False
        self.saved_at, self.saved_changes = self.process.clock.time(), self.store.changes
        await self.say("DB saved on disk")
        return True

    async def save_now_and_then(self) -> None:
        """`save 3600 1 300 100`: so many changes in so many seconds."""
        while True:
            await self.process.clock.sleep(10)
            numbers = [int(word) for word in self.settings["save"].split() if word.isdecimal()]
            changes = self.store.changes - self.saved_changes
            waited = self.process.clock.time() - self.saved_at
            if any(
                waited >= seconds and changes >= least
                for seconds, least in zip(numbers[::2], numbers[1::2], strict=False)
            ):
                await self.save()

    async def shut_down(self, *, save: bool = True) -> None:
        if self.log is not None:
            self.log.close()
        if save and self.settings["save"].strip('"').strip():
            await self.say("Saving the final RDB snapshot before exiting.")
            await self.save()
        await self.say("Redis is now ready to exit, bye bye...", "#")
