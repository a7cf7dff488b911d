"""The programs under a kind cluster: run, heard, stopped."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from kindlab.clusters import kindcli
from kindlab.clusters.kindcli import Container, Failed


@pytest.mark.parametrize(
    ("line", "step"),
    [
        (" • Preparing nodes 📦 📦 📦  ...", "Preparing nodes"),
        (" • Ensuring node image (kindest/node:v1.36.4) 🖼️  ...", "Ensuring node image (kindest/node:v1.36.4)"),
        (" • Starting control-plane 🕹️  ...", "Starting control-plane"),
        (" \x1b[31m✗\x1b[0m Writing configuration 📜", "Writing configuration"),
        (" ✓ Preparing nodes 📦", ""),
        ('Creating cluster "kindlab" ...', ""),
        ("", ""),
    ],
)
def test_the_steps_of_kind(line: str, step: str) -> None:
    assert kindcli.step_of(line) == step


def test_each_line_is_heard_when_it_comes() -> None:
    heard: list[str] = []
    program = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr)"
    assert kindcli.run([sys.executable, "-c", program], heard=heard.append) == "out\nerr\n"
    assert heard == ["out", "err"]


def test_a_failure_has_all_that_was_said() -> None:
    with pytest.raises(Failed) as failed:
        kindcli.run([sys.executable, "-c", "print('why'); raise SystemExit(3)"])
    assert (failed.value.raw, failed.value.late) == ("why\n", False)


def test_one_that_hangs_is_stopped_with_all_that_it_has_started(tmp_path: Path) -> None:
    """The child holds the pipe: `run` would wait for it if it lived."""
    program = (
        "import subprocess, sys, time; print('begun', flush=True);"
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(3600)'])"
    )
    with pytest.raises(Failed) as failed:
        kindcli.run([sys.executable, "-c", program], timeout=1.0)
    assert failed.value.late


def test_what_a_failure_leaves_running_is_stopped(tmp_path: Path) -> None:
    """kind ends with the first node that fails, while `docker run` of the others goes on."""
    script = f"sleep 600 > /dev/null 2>&1 & echo $! > {tmp_path}/child; exit 1"
    with pytest.raises(Failed):
        kindcli.run(["sh", "-c", script])
    pid = int((tmp_path / "child").read_text())
    while _lives(pid):  # the kernel ends it some time after it was told to
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Not there any more, or a zombie that nobody has collected: it is over."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_whoever_listens_may_stop_it() -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kindcli.run([sys.executable, "-c", "import time; print('x', flush=True); time.sleep(3600)"], heard=stop)


@pytest.mark.parametrize(
    ("status", "on", "paused"),
    [
        ("Up 2 hours", True, False),
        ("Up", True, False),
        ("Up 2 hours (Paused)", False, True),
        ("Exited (137) 3 minutes ago", False, False),
        ("Created", False, False),
    ],
)
def test_the_state_of_a_container(status: str, on: bool, paused: bool) -> None:
    found = Container("a", status, {})
    assert (found.on, found.paused) == (on, paused)


def test_a_number_alone_ends_no_process() -> None:
    import os

    assert not kindcli.end_left_over(os.getpid(), "kindlab")
