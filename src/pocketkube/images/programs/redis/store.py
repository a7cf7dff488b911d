"""What Redis keeps and its commands on it: strings, lists, hashes and sets with expiry. Pure but for the clock.

Left out: sorted sets, streams, transactions, publish and subscribe, scripts, replication, more than one database.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pocketkube.images.programs.redis.rdb import ITEM
from pocketkube.images.programs.redis.resp import RedisError, Simple, Value

OK = Simple("OK")
_KINDS: dict[type, str] = {bytes: "string", list: "list", dict: "hash", set: "set"}
_SPACE = 100
"""Bytes a key costs beside its own."""
_SORTED = 10_000
"""Members of a set; those of a larger one come in no order, as in the real one."""


def wrong_type() -> RedisError:
    return RedisError("WRONGTYPE Operation against a key holding the wrong kind of value")


def not_integer() -> RedisError:
    return RedisError("ERR value is not an integer or out of range")


def integer(text: bytes) -> int:
    if not re.fullmatch(rb"-?\d{1,19}", text) or not -(2**63) <= int(text) < 2**63:
        raise not_integer()
    return int(text)


class Store:
    """`now` gives seconds since the epoch; `used` are the bytes it holds, about."""

    def __init__(self, now: Callable[[], float], most: int) -> None:
        self.now = now
        self.most = most
        self.keys: dict[bytes, Any] = {}
        self.expiry: dict[bytes, float] = {}
        self.changes = 0
        self.used = 0

    def run(self, words: list[bytes]) -> Value:
        """Raises RedisError. Whether it changed something shows in `changes`."""
        name = words[0].decode(errors="replace").lower()
        entry = COMMANDS.get(name)
        if entry is None:
            shown = "".join(f"'{word.decode(errors='replace')}' " for word in words[1:21])
            unknown = words[0].decode(errors="replace")
            raise RedisError(f"ERR unknown command '{unknown}', with args beginning with: {shown}")
        least, most, function = entry
        if not least <= len(words) - 1 <= most:
            raise RedisError(f"ERR wrong number of arguments for '{name}' command")
        if name in GROWING and self.used + size_of(words) > self.most:
            raise RedisError("OOM command not allowed when used memory > 'maxmemory'.")
        before = self.changes
        result = function(self, *words[1:])
        if self.changes > before and name in GROWING:
            self.used += size_of(words) + _SPACE
        return result

    def get(self, key: bytes, kind: type) -> Any:
        """The value, None when there is none. Raises RedisError for another kind."""
        self.look(key)
        found = self.keys.get(key)
        if found is not None and not isinstance(found, kind):
            raise wrong_type()
        return found

    def look(self, key: bytes) -> bool:
        """Whether a key is there; one whose time has come goes."""
        if key in self.expiry and self.expiry[key] <= self.now():
            self.drop(key)
        return key in self.keys

    def make(self, key: bytes, kind: Callable[[], Any]) -> Any:
        found = self.get(key, type(kind()))
        if found is None:
            found = self.keys[key] = kind()
        return found

    def drop(self, key: bytes) -> bool:
        self.expiry.pop(key, None)
        if key not in self.keys:
            return False
        value = self.keys.pop(key)
        self.used = max(0, self.used - size_of(value) - len(key) - _SPACE) if self.keys else 0
        return True

    def changed(self, key: bytes) -> None:
        """After something was taken out: nothing stays empty."""
        self.changes += 1
        if key in self.keys and not self.keys[key] and not isinstance(self.keys[key], bytes):
            self.drop(key)


def size_of(value: Any) -> int:
    if isinstance(value, bytes):
        return len(value) + ITEM
    if isinstance(value, dict):
        return sum(len(name) + len(text) + 2 * ITEM for name, text in value.items())
    return sum(map(len, value)) + ITEM * len(value)


def _set(store: Store, key: bytes, value: bytes, *options: bytes) -> Value:
    words = [option.upper() for option in options]
    until: float | None = None
    old = None
    while words:
        word = words.pop(0)
        if word in (b"EX", b"PX", b"EXAT", b"PXAT") and words:
            number = integer(words.pop(0))
            if number <= 0:
                raise RedisError("ERR invalid expire time in 'set' command")
            seconds = number / 1000 if word.startswith(b"P") else number
            until = seconds if word.endswith(b"AT") else store.now() + seconds
        elif word in (b"NX", b"XX"):
            if store.look(key) == (word == b"NX"):
                return None
        elif word == b"KEEPTTL":
            until = store.expiry.get(key)
        elif word == b"GET":
            old = store.get(key, bytes)
        else:
            raise RedisError("ERR syntax error")
    store.expiry.pop(key, None)
    store.keys[key] = value
    if until is not None:
        store.expiry[key] = until
    store.changes += 1
    return old if b"GET" in (option.upper() for option in options) else OK


def _step(store: Store, key: bytes, by: int) -> Value:
    number = integer(store.get(key, bytes) or b"0") + by
    if not -(2**63) <= number < 2**63:
        raise RedisError("ERR increment or decrement would overflow")
    store.keys[key] = str(number).encode()
    store.changes += 1
    return number


def _append(store: Store, key: bytes, value: bytes) -> Value:
    made = (store.get(key, bytes) or b"") + value
    store.keys[key] = made
    store.changes += 1
    return len(made)


def _mset(store: Store, *words: bytes) -> Value:
    if len(words) % 2:
        raise RedisError("ERR wrong number of arguments for 'mset' command")
    for key, value in zip(words[::2], words[1::2], strict=True):
        _set(store, key, value)
    return OK


def _del(store: Store, *keys: bytes) -> Value:
    count = sum(store.look(key) and store.drop(key) for key in keys)
    store.changes += count
    return count


def _expire(store: Store, key: bytes, until: float) -> Value:
    if not store.look(key):
        return 0
    store.expiry[key] = until
    store.changes += 1
    return 1


def _ttl(store: Store, key: bytes, unit: float) -> Value:
    if not store.look(key):
        return -2
    until = store.expiry.get(key)
    return -1 if until is None else round((until - store.now()) * unit)


def _persist(store: Store, key: bytes) -> Value:
    if not store.look(key) or store.expiry.pop(key, None) is None:
        return 0
    store.changes += 1
    return 1


def _push(store: Store, key: bytes, values: tuple[bytes, ...], left: bool) -> Value:
    found = store.make(key, list)
    if left:
        found[:0] = values[::-1]
    else:
        found.extend(values)
    store.changes += 1
    return len(found)


def _pop(store: Store, key: bytes, left: bool) -> Value:
    found = store.get(key, list)
    if not found:
        return None
    value: bytes = found.pop(0 if left else -1)
    store.changed(key)
    return value


def _range(store: Store, key: bytes, start: bytes, stop: bytes) -> list[Any]:
    found = store.get(key, list) or []
    first, last = (number + len(found) if number < 0 else number for number in (integer(start), integer(stop)))
    return list(found[max(first, 0) : last + 1]) if last >= 0 else []


def _hset(store: Store, key: bytes, *words: bytes) -> Value:
    if len(words) % 2:
        raise RedisError("ERR wrong number of arguments for 'hset' command")
    found = store.make(key, dict)
    before = len(found)
    found.update(zip(words[::2], words[1::2], strict=True))
    store.changes += 1
    return len(found) - before


def _hdel(store: Store, key: bytes, *names: bytes) -> Value:
    found = store.get(key, dict) or {}
    count = sum(found.pop(name, None) is not None for name in names)
    if count:
        store.changed(key)
    return count


def _sadd(store: Store, key: bytes, *members: bytes) -> Value:
    found = store.make(key, set)
    before = len(found)
    found.update(members)
    store.changes += len(found) - before
    return len(found) - before


def _members(found: set[bytes]) -> list[Any]:
    return sorted(found) if len(found) <= _SORTED else list(found)


def _srem(store: Store, key: bytes, *members: bytes) -> Value:
    found = store.get(key, set) or set()
    before = len(found)
    found.difference_update(members)
    if len(found) < before:
        store.changed(key)
    return before - len(found)


def _flush(store: Store, *options: bytes) -> Value:
    store.keys.clear()
    store.expiry.clear()
    store.used = 0
    store.changes += 1
    return OK


_ANY = 1 << 20
COMMANDS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "set": (2, 8, _set),
    "setnx": (2, 2, lambda store, key, value: int(_set(store, key, value, b"NX") is not None)),
    "setex": (3, 3, lambda store, key, seconds, value: _set(store, key, value, b"EX", seconds)),
    "get": (1, 1, lambda store, key: store.get(key, bytes)),
    "getset": (2, 2, lambda store, key, value: _set(store, key, value, b"GET")),
    "getdel": (1, 1, lambda store, key: (store.get(key, bytes), _del(store, key))[0]),
    "mset": (2, _ANY, _mset),
    "mget": (
        1,
        _ANY,
        lambda store, *keys: [v if isinstance(v := store.look(k) and store.keys[k], bytes) else None for k in keys],
    ),
    "strlen": (1, 1, lambda store, key: len(store.get(key, bytes) or b"")),
    "append": (2, 2, _append),
    "incr": (1, 1, lambda store, key: _step(store, key, 1)),
    "decr": (1, 1, lambda store, key: _step(store, key, -1)),
    "incrby": (2, 2, lambda store, key, by: _step(store, key, integer(by))),
    "decrby": (2, 2, lambda store, key, by: _step(store, key, -integer(by))),
    "del": (1, _ANY, _del),
    "unlink": (1, _ANY, _del),
    "exists": (1, _ANY, lambda store, *keys: sum(map(store.look, keys))),
    "type": (1, 1, lambda store, key: Simple(_KINDS[type(store.keys[key])] if store.look(key) else "none")),
    "dbsize": (0, 0, lambda store: len(store.keys)),
    "expire": (2, 3, lambda store, key, seconds, *_: _expire(store, key, store.now() + integer(seconds))),
    "pexpire": (2, 3, lambda store, key, ms, *_: _expire(store, key, store.now() + integer(ms) / 1000)),
    "expireat": (2, 3, lambda store, key, at, *_: _expire(store, key, integer(at))),
    "pexpireat": (2, 3, lambda store, key, at, *_: _expire(store, key, integer(at) / 1000)),
    "ttl": (1, 1, lambda store, key: _ttl(store, key, 1)),
    "pttl": (1, 1, lambda store, key: _ttl(store, key, 1000)),
    "persist": (1, 1, _persist),
    "lpush": (2, _ANY, lambda store, key, *values: _push(store, key, values, True)),
    "rpush": (2, _ANY, lambda store, key, *values: _push(store, key, values, False)),
    "lpop": (1, 1, lambda store, key: _pop(store, key, True)),
    "rpop": (1, 1, lambda store, key: _pop(store, key, False)),
    "llen": (1, 1, lambda store, key: len(store.get(key, list) or ())),
    "lrange": (3, 3, _range),
    "lindex": (2, 2, lambda store, key, at: (_range(store, key, at, at) or [None])[0]),
    "hset": (3, _ANY, _hset),
    "hget": (2, 2, lambda store, key, name: (store.get(key, dict) or {}).get(name)),
    "hgetall": (1, 1, lambda store, key: [part for pair in (store.get(key, dict) or {}).items() for part in pair]),
    "hdel": (2, _ANY, _hdel),
    "hkeys": (1, 1, lambda store, key: list(store.get(key, dict) or ())),
    "hvals": (1, 1, lambda store, key: list((store.get(key, dict) or {}).values())),
    "hlen": (1, 1, lambda store, key: len(store.get(key, dict) or ())),
    "hexists": (2, 2, lambda store, key, name: int(name in (store.get(key, dict) or ()))),
    "sadd": (2, _ANY, _sadd),
    "srem": (2, _ANY, _srem),
    "smembers": (1, 1, lambda store, key: _members(store.get(key, set) or set())),
    "sismember": (2, 2, lambda store, key, member: int(member in (store.get(key, set) or ()))),
    "scard": (1, 1, lambda store, key: len(store.get(key, set) or ())),
    "flushall": (0, 1, _flush),
    "flushdb": (0, 1, _flush),
}
"""Name -> least and most arguments, what it does."""
GROWING = frozenset(
    {
        "set",
        "setnx",
        "setex",
        "getset",
        "mset",
        "append",
        "incr",
        "decr",
        "incrby",
        "decrby",
        "lpush",
        "rpush",
        "hset",
        "sadd",
    }
)
