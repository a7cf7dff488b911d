"""Attacks on the one event loop by patterns and scripts: each is answered at once, or gives way to others."""

from __future__ import annotations

import asyncio

import pytest

from pocketkube.images.programs.nginx.config import ConfigFailure, build, parse
from pocketkube.images.shell import patterns

EVIL = "a" * 40 + "b"


@pytest.mark.parametrize(
    "script",
    [
        f"echo {EVIL} | grep -E '(a+)+$'",
        f"echo {EVIL} | grep -Ew '(a+)+c'",
        f"echo {EVIL} | grep '\\(a\\{{1,\\}}\\)*c'",
        f"expr {EVIL} : '\\(a*\\)*c'",
        f"[ {EVIL} =~ '(a+)+$' ]",
        f"echo {EVIL} | sed -nE '/(a+)+$/p' | grep .",
        f"echo {EVIL} | sed -E 's/(a+)+$/x/;/x/!d' | grep .",
        f"mkdir /d; touch /d/{EVIL}; find /d -regex '.*/\\(a*\\)*c' | grep .",
        f"case {'a' * 500} in *a*a*a*a*a*a*a*a*b) echo yes;; *) false;; esac",
    ],
)
async def test_attack_exponential_pattern_in_a_tool(pod, script: str) -> None:
    ran = await pod().sh(script)
    assert (ran.status, ran.out, ran.err) == (1, "\n" if script.startswith("expr") else "", "")


@pytest.mark.parametrize(
    "script",
    [r"echo aa | grep '\(a\)\1'", r"echo aa | sed 's/\(a\)\1/b/'", r"expr aa : '\(a\)\1'", r"find / -regex '\(.\)\1'"],
)
async def test_back_references_are_refused_with_the_reason(pod, script: str) -> None:
    ran = await pod().sh(script)
    assert "back-references are not supported by this cluster's tools" in ran.err
    assert ran.status != 0


async def test_attack_sed_that_never_ends_lets_others_go_on(pod) -> None:
    own = pod()
    running = own.start("sh", "-c", "echo a | sed ':a;ba'")
    for _ in range(100):
        await asyncio.sleep(0)  # each of these would be the last if the script did not give way
    running.process.signal(9)
    assert (await running.ended()).status == 137


@pytest.mark.parametrize(
    "script",
    [":a;s/.*/&&/;ba", ":a;H;G;h;ba", ":a;p;ba", "s/a/" + "&" * 1000 + "/g;s/a/" + "&" * 1000 + "/g;s/a/&&&/g"],
)
async def test_attack_sed_that_gathers_without_end_runs_out_of_memory(pod, script: str) -> None:
    ran = await pod().sh(f"echo {'a' * 100} | sed '{script}'")
    assert (ran.status, ran.err) == (1, "sed: out of memory\n")


@pytest.mark.parametrize(
    ("text", "pattern", "operator", "left"),
    [
        ("a.b.c", "*.", "#", "b.c"),
        ("a.b.c", "*.", "##", "c"),
        ("a.b.c", ".*", "%", "a.b"),
        ("a.b.c", ".*", "%%", "a"),
        ("abc", "x*", "#", "abc"),
        ("a/b/c", "*/*/", "#", "c"),
        ("a*b", "a\\*", "#", "b"),
        ("abc", "*", "%", "abc"),
        ("abc", "*", "##", ""),
        ("a\nb", "*\n", "#", "b"),
    ],
)
def test_trimming(text: str, pattern: str, operator: str, left: str) -> None:
    assert patterns.trim(text, pattern, operator) == left


def test_attack_trimming_a_long_value_takes_one_look() -> None:
    long = "a" * 300_000
    assert patterns.trim(long, "*b*b*b*c", "##") == long
    assert patterns.trim(long, "*b*b*b*c", "%") == long


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "("])
def test_nginx_does_not_start_with_patterns_it_cannot_bound(pattern: str) -> None:
    text = f'events {{}} http {{ server {{ location ~ "{pattern}" {{ return 200; }} }} }}'
    with pytest.raises(ConfigFailure, match="no back-references, no look-around"):
        build(parse("/etc/nginx/nginx.conf", lambda path: text, lambda pattern: []))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("printf '%0999999999d' 1", "invalid format"),
        ("printf '%*s' 1000000000 x", "invalid format"),
        ("dd if=/dev/zero bs=10G count=1 of=/dev/null", "out of memory"),
        ("cat /dev/zero | sort", "out of memory"),
        ("grep x < /dev/zero", "out of memory"),
        ("x=a; while :; do x=$x$x; done", "out of memory"),
    ],
)
async def test_attack_commands_that_would_take_all_memory(pod, script: str, said: str) -> None:
    ran = await pod().sh(script)
    assert ran.status != 0
    assert said in ran.err


@pytest.mark.parametrize(
    "script",
    ["cat /dev/zero > /dev/null", "yes > /dev/null", "cat /dev/urandom > /dev/null", "seq 1 99999999999 > /dev/null"],
)
async def test_attack_devices_that_never_end_let_others_go_on(pod, script: str) -> None:
    running = pod().start("sh", "-c", script)
    for _ in range(100):
        await asyncio.sleep(0)
    running.process.signal(9)
    assert (await running.ended()).status == 137
