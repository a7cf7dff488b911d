"""Random scripts: the shell prints what dash prints. Where there is no dash, what it printed is on record."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .shell_scripts import CODA, PRELUDE, RECORDED, Writer, by_dash

PATIENT = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
"""One place for all examples, and a busy machine makes them slowly."""

DASH = shutil.which("dash")


async def by_pocket(pod, script):
    """Status and output, in a folder of its own."""
    if not pod.namespace.processes:
        pod.start("sleep", "1000000")  # process 1: the shell under test is not init, as dash is not
    folder = f"/work{len(pod.fs.listdir('/'))}"
    pod.fs.mkdir(folder)
    ran = await pod.sh(f"cd {folder}\n{script}", LC_ALL="C")
    return ran.status, ran.out, ran.err


async def test_as_recorded(pod):
    running = pod()
    for line in RECORDED.read_text().splitlines():
        case = json.loads(line)
        status, out, err = await by_pocket(running, PRELUDE + case["script"] + CODA)
        assert (status, out) == (case["status"], case["out"]), f"{case['script']}\n{err}"


@pytest.mark.skipif(DASH is None, reason="no dash on this machine to compare with")
@given(st.integers(0, 1 << 40))
@settings(max_examples=100, suppress_health_check=PATIENT)
async def test_as_dash(pod, seed):
    running = pod()
    script = Writer(seed).script()
    expected = by_dash(DASH, script)
    if expected is None:
        return
    status, out, err = await by_pocket(running, script)
    assert (status, out) == expected, f"{script}\n{err}"
