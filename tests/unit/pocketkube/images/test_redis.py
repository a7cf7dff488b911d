"""redis: its protocol, its commands, and what is there again after it ended."""

from __future__ import annotations

import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.images.programs.redis import rdb
from pocketkube.images.programs.redis.cli import formatted
from pocketkube.images.programs.redis.resp import Parser, ProtocolFailure, RedisError, encode, pieces
from pocketkube.images.programs.redis.store import Store

REDIS = "docker.io/library/redis:7-alpine"
values = st.recursive(
    st.none() | st.integers(-(2**62), 2**62) | st.binary(max_size=20), lambda inner: st.lists(inner, max_size=4)
)


@given(st.lists(values, max_size=5), st.integers(1, 7))
def test_values_come_through_in_any_pieces(sent, step):
    data = b"".join(map(encode, sent))
    parser, got = Parser(), []
    for at in range(0, len(data), step):
        parser.feed(data[at : at + step])
        while (found := parser.take()) is not None:
            got.append(found[0])
    assert got == sent


@pytest.mark.parametrize("data", [b"*x\r\n", b"*99999999\r\n", b"*1\r\n$999999999999\r\n", b"*1\r\n$-x\r\n"])
def test_what_is_too_large_or_no_protocol_is_refused(data):
    parser = Parser()
    parser.feed(data)
    with pytest.raises(ProtocolFailure):
        parser.take()


kept = st.dictionaries(
    st.binary(max_size=100),
    st.binary(max_size=20_000)
    | st.lists(st.binary(max_size=5), min_size=1, max_size=4)
    | st.sets(st.binary(max_size=5), min_size=1, max_size=4)
    | st.dictionaries(st.binary(max_size=5), st.binary(max_size=5), min_size=1, max_size=4),
    max_size=5,
)


@given(kept)
def test_a_dump_is_read_as_it_was_written(keys):
    expiry = dict.fromkeys(list(keys)[:2], 1_700_000_000.5)
    data = b"".join(rdb.dump(keys, expiry, "7.4"))
    read = list(rdb.load(data, 1 << 30))
    assert {key: value for key, value, _ in read} == keys
    assert {key: until for key, _, until in read if until} == expiry


@pytest.mark.parametrize(
    ("script", "replies"),
    [
        ("SET a 1; GET a; INCR a; INCRBY a 10; DECR a; APPEND a x; GET a; INCR a",
         ["OK", b"1", 2, 12, 11, 3, b"11x", "ERR value is not an integer or out of range"]),
        ("GET none; EXISTS none; TYPE none; TTL none; DEL none", [None, 0, "none", -2, 0]),
        ("RPUSH l a b c; LPUSH l z; LRANGE l 0 -1; LLEN l; LPOP l; RPOP l; LINDEX l 0; GET l",
         [3, 4, [b"z", b"a", b"b", b"c"], 4, b"z", b"c", b"a",
          "WRONGTYPE Operation against a key holding the wrong kind of value"]),
        ("HSET h f 1 g 2; HGET h f; HGETALL h; HDEL h f g; EXISTS h", [2, b"1", [b"f", b"1", b"g", b"2"], 2, 0]),
        ("SADD s a b a; SMEMBERS s; SISMEMBER s a; SREM s a b; TYPE s", [2, [b"a", b"b"], 1, 2, "none"]),
        ("SET k v EX 10; TTL k; PERSIST k; TTL k; SET k w NX; SET n w XX; SET k w GET",
         ["OK", 10, 1, -1, None, None, b"v"]),
        ("MSET a 1 b 2; MGET a b c; DBSIZE; FLUSHALL; DBSIZE", ["OK", [b"1", b"2", None], 2, "OK", 0]),
        ("NOPE x; GET", ["ERR unknown command 'NOPE', with args beginning with: 'x' ",
                         "ERR wrong number of arguments for 'get' command"]),
    ],
)  # fmt: skip
def test_commands(script, replies):
    store, got = Store(lambda: 1000.0, 1 << 20), []
    for line in script.split("; "):
        try:
            got.append(store.run(line.encode().split(b" ")))
        except RedisError as error:
            got.append(str(error))
    assert got == replies


def test_time_passes_and_memory_ends():
    now = 0.0
    store = Store(lambda: now, 2000)
    store.run([b"SET", b"k", b"v", b"EX", b"5"])
    now = 5.0
    assert store.run([b"GET", b"k"]) is None
    with pytest.raises(RedisError, match="OOM command not allowed"):
        store.run([b"SET", b"k", b"x" * 3000])


@pytest.mark.parametrize("append", ["yes", "no"])
async def test_keys_outlive_the_server(pod, append):
    own = pod(REDIS, "redis-0")
    own.start("sleep", "1000000")
    running = own.start("docker-entrypoint.sh", "redis-server", "--dir", "/data", "--appendonly", append)
    await running.says("Ready to accept connections tcp")
    ran = await own.sh(
        "redis-cli set greeting 'hello world'; redis-cli rpush l a b; redis-cli set t 1 EX 100; redis-cli ping"
    )
    assert ran.out == "OK\n2\nOK\nPONG\n"
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 0
    assert "Redis is now ready to exit, bye bye..." in running.out
    again = own.start("docker-entrypoint.sh", "redis-server", "--dir", "/data", "--appendonly", append)
    await again.says("Ready to accept connections tcp")
    assert (
        await own.sh("redis-cli get greeting; redis-cli lrange l 0 -1; redis-cli dbsize")
    ).out == "hello world\na\nb\n3\n"
    assert 0 < int((await own.sh("redis-cli ttl t")).out) <= 100
    again.process.signal(signal.SIGKILL)
    await again.ended()


async def test_with_a_log_an_acknowledged_write_outlives_a_kill(pod):
    own = pod(REDIS)
    own.start("sleep", "1000000")
    running = own.start("redis-server", "--dir", "/data", "--appendonly", "yes")
    await running.says("Ready to accept connections tcp")
    assert (await own.sh("for i in 1 2 3; do redis-cli incr n; done")).out == "1\n2\n3\n"
    running.process.signal(signal.SIGKILL)
    await running.ended()
    again = own.start("redis-server", "--dir", "/data", "--appendonly", "yes")
    await again.says("Ready to accept connections tcp")
    assert (await own.sh("redis-cli get n")).out == "3\n"
    again.process.signal(signal.SIGKILL)
    await again.ended()


async def test_the_client_says_what_is_wrong(pod):
    own = pod(REDIS)
    own.start("sleep", "1000000")
    ran = await own.sh("redis-cli ping")
    assert tuple(ran) == (1, "", "Could not connect to Redis at 127.0.0.1:6379: Connection refused\n")
    running = own.start("redis-server", "--requirepass", "secret")
    await running.says("Ready to accept connections tcp")
    ran = await own.sh("redis-cli ping; redis-cli -a secret ping; printf 'set a 1\\nget a\\n' | redis-cli -a secret")
    assert ran.out == "NOAUTH Authentication required.\nPONG\nOK\n1\n"
    running.process.signal(signal.SIGKILL)
    await running.ended()
    ran = await own.sh("redis-server --nope 1")
    assert ran.status == 1
    assert "Bad directive or wrong number of arguments" in ran.out


def test_replies_at_a_terminal():
    reply = [b"a", 1, None, [], [b'"', "OK"], RedisError("ERR x")]
    assert formatted(reply) == (
        '1) "a"\n2) (integer) 1\n3) (nil)\n4) (empty array)\n5) 1) "\\""\n   2) OK\n6) (error) ERR x'
    )


def test_arrays_within_arrays_and_commands_without_lengths_have_an_end():
    for data in b"*1\r\n" * 5000, b"x" * 20_000 + b"\r\n", b"x" * 20_000:
        parser = Parser()
        parser.feed(data)
        with pytest.raises(ProtocolFailure):
            parser.take(inline=True)


def test_many_small_texts_cost_more_than_their_bytes():
    store = Store(lambda: 0.0, 1 << 20)
    for _ in range(12):
        store.run([b"RPUSH", b"l", *[b"a"] * 1000])
    with pytest.raises(RedisError, match="OOM"):
        store.run([b"RPUSH", b"l", *[b"a"] * 1000])
    store.run([b"DEL", b"l"])
    assert store.used == 0


def test_pushing_onto_a_long_list_takes_one_step():
    """Item by item at the front it moved the whole list each time: 22 seconds in which nothing else ran."""
    store = Store(lambda: 0.0, 1 << 30)
    store.keys[b"l"] = [b"a"] * 2_000_000
    began = time.perf_counter()
    assert store.run([b"LPUSH", b"l", *[b"%d" % n for n in range(9000)]]) == 2_009_000
    assert time.perf_counter() - began < 2
    assert store.run([b"LRANGE", b"l", b"0", b"1"]) == [b"8999", b"8998"]


@given(values)
def test_a_reply_in_pieces_is_the_same(value):
    assert b"".join(pieces(value)) == encode(value)


def test_a_reply_that_names_a_large_value_very_often_is_never_held_whole():
    made = pieces([b"x" * 100_000] * 10_000)
    assert max(len(next(made)) for _ in range(100)) < 300_000


def test_a_dump_that_is_too_large_is_refused():
    data = b"".join(rdb.dump({b"k": [b"a"] * 10_000}, {}, "7.4"))
    assert len(list(rdb.load(data, 1 << 20))) == 1
    with pytest.raises(rdb.BadFile, match="Out Of Memory"):
        list(rdb.load(data, 100_000))


async def test_a_log_holds_what_is_longer_than_a_command(pod):
    own = pod(REDIS)
    own.start("sleep", "1000000")
    running = own.start("redis-server", "--dir", "/data")
    await running.says("Ready to accept connections tcp")
    await own.sh("for i in 1 2 3; do redis-cli rpush l $(seq 5000); done; redis-cli config set appendonly yes")
    running.process.signal(signal.SIGKILL)
    await running.ended()
    again = own.start("redis-server", "--dir", "/data", "--appendonly", "yes")
    await again.says("Ready to accept connections tcp")
    assert (await own.sh("redis-cli llen l")).out == "15000\n"
    again.process.signal(signal.SIGKILL)
    await again.ended()
