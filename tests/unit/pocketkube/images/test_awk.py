"""awk: what the host's mawk printed for the same (`awk_recorded.jsonl`), where both must agree; and its bounds."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

RECORDED = [json.loads(line) for line in Path(__file__).with_name("awk_recorded.jsonl").read_text().splitlines()]
DATA = b"alice 30 paris\nbob 25 london extra\n\ncarol  41\ttokyo\ndave,7,x:y\n10 9 0x1A 1e3\n"


@pytest.fixture
def folder(pod):
    own = pod()
    own.fs.mkdir("/w")
    own.fs.write_bytes("/w/d", DATA)
    own.fs.write_bytes("/w/e", b"one\ntwo\n")
    return own


async def test_as_recorded(folder):
    for case in RECORDED:
        ran = await folder.sh(f"cd /w\n{case['script']}")
        assert (ran.out, ran.status) == (case["out"], case["status"]), f"{case['script']}\n{ran.err}"


@pytest.mark.parametrize(
    ("script", "out"),
    [
        ("awk 'BEGIN{print 2^53, 1e15, 2147483648}'", "9007199254740992 1000000000000000 2147483648\n"),
        ('awk \'BEGIN{print gensub(/(a)(b)/,"\\\\2\\\\1","g","abab")}\'', "baba\n"),
        ('awk \'BEGIN{print gensub(/a/,"x",2,"aaa")}\'', "axa\n"),
        ("awk 'BEGIN{print and(12,10), or(12,10), xor(12,10), lshift(1,4), rshift(16,2)}'", "8 14 6 16 4\n"),
        ('awk \'BEGIN{print strftime("%Y-%m-%d", 0), mktime("1970 1 2 0 0 0")}\'', "1970-01-01 86400\n"),
        ("printf 'a1b22c' | awk 'BEGIN{RS=\"[0-9]+\"}{print NR, $0}'", "1 a\n2 b\n3 c\n"),
        ("printf 'print $2' > /p; echo 1 2 | awk -f /p; echo 1 2 | awk '{print $2' ; echo $?", None),
    ],
)
async def test_beyond_mawk(folder, script, out):
    ran = await folder.sh(script)
    if out is None:
        assert ran.out == "1\n"
        assert ran.err == "awk: cmd. line:1: Unexpected token\n" * 2
    else:
        assert (ran.out, ran.err) == (out, "")


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("BEGIN{print 1/0}", "awk: cmd. line:1: Division by zero\n"),
        ("BEGIN{print f(1)}", "awk: cmd. line:1: Call to undefined function f\n"),
        ("BEGIN{x[1]=2; print x}", "awk: cmd. line:1: Not a scalar\n"),
        ("BEGIN{x=1; x[1]=2}", "awk: cmd. line:1: Not an array\n"),
        (r'BEGIN{print "a" ~ /(a)\1/}', "awk: (a)\\1: back-references are not supported by this cluster's tools\n"),
        ('BEGIN{s="x"; while(1) s=s s}', "awk: out of memory\n"),
        ('BEGIN{s = sprintf("%9000s", 1); while(1) x[i++]=s}', "awk: out of memory\n"),
        ('BEGIN{printf "%999999999d", 1}', "awk: out of memory\n"),
        ("BEGIN{print " + "(" * 5000 + "1" + ")" * 5000 + "}", "awk: cmd. line:1: Too deeply nested\n"),
    ],
)
async def test_failures(folder, program, says):
    ran = await folder.run("awk", program)
    assert (ran.status, ran.err) == (1, says)


@pytest.mark.parametrize(
    "program", ["BEGIN{while(1);}", "BEGIN{for(;;)i++}", "function f(){g()} function g(){} BEGIN{do f(); while(1)}"]
)
async def test_an_endless_loop_lets_others_run(folder, program):
    running = folder.start("awk", program)
    for _ in range(5):
        assert (await asyncio.wait_for(folder.sh("echo here"), 20)).out == "here\n"
    running.process.signal(signal.SIGKILL)
    await running.ended()


async def test_a_reader_that_leaves_ends_it(folder):
    assert (await folder.sh("awk 'BEGIN{while(1)print i++}' | head -2")).out == "0\n1\n"
