"""The README's commands, run as they are written there: fenced blocks line by line, then the table."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from tests.course.command import PLAIN, ROOT, Run, runner

from kindlab.cli import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines() if line.strip()]
TABLE = [shlex.split(command) for command in re.findall(r"^\| `(kindlab [^`]+)` \|", README, re.MULTILINE)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reader")


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    """What a reader's machine is like: nothing of kindlab's, of kubectl's or of Jupyter's is there yet."""
    return {
        "HOME": str(home),
        "KINDLAB_HOME": str(home / "state"),
        "KINDLAB_WORK": str(home / "work"),
        "KUBECONFIG": str(home / "no-config"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "BROWSER": "true",
    }


@pytest.fixture(scope="module")
def kindlab(environment: dict[str, str]) -> Iterator[Run]:
    run = runner(**environment)
    done = run("up", "--cluster", "pocket")
    assert done.returncode == 0, done.stderr
    yield run
    run("down")


def test_the_first_two_commands_are_start_and_test() -> None:
    assert LINES[:2] == [["make", "start"], ["make", "test"]]
    assert len(LINES) >= 5
    assert len(TABLE) >= 6


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
@pytest.mark.parametrize("words", [line for line in LINES if line[0] == "make"], ids=" ".join)
def test_make_targets_exist(words: list[str]) -> None:
    done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_line_is_one_we_can_run() -> None:
    unknown = [line for line in LINES if line[0] not in ("make", ".venv/bin/kindlab")]
    assert not unknown, "run these too, or do not promise them"
    named = set(re.findall(r"`(?:\.venv/bin/)?kindlab ([a-z]+)", README))
    assert named <= cli.commands.keys()


def test_the_blocks_and_the_table_run_in_the_order_of_reading(kindlab: Run, environment: dict[str, str]) -> None:
    expected = {"check": {0, 1}, "why": {0, 1}}
    commands = [line[1:] for line in LINES if line[0].endswith("kindlab")] + [line[1:] for line in TABLE]
    assert ["down"] in commands
    for words in commands:
        if words == ["notebook"]:
            opens_jupyterlab(environment)
            continue
        if "--watch" in words:
            follows(words, environment)
            continue
        done = kindlab(*words)
        assert done.returncode in expected.get(words[0], {0}), f"{words}: {done.stdout}{done.stderr}"
        assert done.stdout.strip()
        assert "Traceback" not in done.stderr
    assert kindlab("status").returncode == 3  # the table ends with `kindlab down`
    assert not (Path(environment["HOME"]) / ".kube").exists()


def opens_jupyterlab(environment: dict[str, str]) -> None:
    """Wait until it serves, then press Ctrl-C."""
    with stays(["notebook"], environment, {0}) as (process, lines):
        for line in lines:
            if found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", line):
                assert b"JupyterLab" in page(found[0], process)
                return
        pytest.fail("JupyterLab never said where it serves")


def follows(words: list[str], environment: dict[str, str]) -> None:
    """Wait until it has graded once, then press Ctrl-C."""
    with stays(words, environment, {0, 1}) as (_, lines):
        if not any("Following your files" in line for line in lines):
            pytest.fail(f"{words} never followed anything")


@contextlib.contextmanager
def stays(
    words: list[str], environment: dict[str, str], codes: set[int]
) -> Iterator[tuple["subprocess.Popen[str]", Iterator[str]]]:
    """(process, its lines as they come) of a command that runs until it is stopped, as it is at the end of the block:
    with Ctrl-C, upon which its exit code is one of `codes`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kindlab.cli", *words],
        env={**os.environ, "KINDLAB_COURSE": str(ROOT), **PLAIN, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said: list[str] = []

    def lines(stdout: IO[str]) -> Iterator[str]:
        for line in stdout:
            said.append(line)
            yield line

    try:
        yield process, lines(process.stdout)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        said += process.stdout.readlines()
        process.stdout.close()
        code = process.wait()
    assert code in codes, "".join(said)


def page(url: str, server: "subprocess.Popen[str]") -> bytes:
    """What the server answers; it names its address a moment before it listens there."""
    while True:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.URLError:
            assert server.poll() is None, "JupyterLab ended"


def test_kubectl_works_as_the_readme_says(kindlab: Run, environment: dict[str, str]) -> None:
    assert kindlab("up", "--cluster", "pocket").returncode == 0
    assert kindlab("start", "02").returncode == 0
    files = Path(environment["KINDLAB_WORK"]) / "02-services"
    done = kindlab("kubectl", "apply", "-f", str(files / "catalog-service.yaml"))
    assert done.returncode == 0, done.stderr
    assert "service/catalog created" in done.stdout
    listed = kindlab("kubectl", "get", "services", "-o", "name")
    assert "service/catalog" in listed.stdout.split()
    alone = kindlab("kubectl", "get", "service", "catalog", PATH=os.path.dirname(sys.executable))
    assert alone.returncode == 0, alone.stderr  # the stand-in, where there is no kubectl
    assert "catalog" in alone.stdout
    pod = kindlab("kubectl", "get", "pods", "-l", "app=cart", "-o", "name").stdout.split()[0]
    assert kindlab("kubectl", "exec", pod, "--", "sh", "-c", "exit 7").returncode == 7
    assert kindlab("kubectl", "-n", "kube-system", "get", "pods").returncode == 0
    assert kindlab("kubectl", "--", "get", "pods").returncode == 0
    assert kindlab("kubectl", "get", "nosuchkind").returncode == 1
