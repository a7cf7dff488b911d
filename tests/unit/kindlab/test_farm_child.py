"""What a piece of work leaves behind ends with it, however it ended itself."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from kindlab.farm import child

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="sessions of processes are POSIX's")
STARTS_ANOTHER = """
import os, sys
os.setsid()
if os.fork():
    {then}
sys.stdin.read()
"""


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for one in found:
        one.kill()
        one.wait()
        assert one.stdin is not None
        assert one.stdout is not None
        one.stdin.close()
        one.stdout.close()


@pytest.mark.parametrize("then", ["os._exit(0)", "pass"], ids=["it has ended", "it runs"])
def test_what_it_has_started_is_ended_too(then: str, started: list[subprocess.Popen[bytes]]) -> None:
    code = STARTS_ANOTHER.format(then=then)
    one = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    started.append(one)
    if then != "pass":
        one.wait()
    else:
        _until_it_leads(one.pid)
    child.kill(one.pid)
    assert one.stdout is not None
    assert one.stdout.read() == b"", "its end is reached when nobody holds it open any more"
    assert one.wait() == (0 if then != "pass" else -9)


def test_one_that_has_no_session_of_its_own_is_ended_alone(started: list[subprocess.Popen[bytes]]) -> None:
    one = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    started.append(one)
    child.kill(one.pid)
    assert one.wait() == -9


def _until_it_leads(pid: int) -> None:
    while os.getsid(pid) != pid:
        time.sleep(0.01)
