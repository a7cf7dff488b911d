"""`kindlab tools` as people run it, in a course of the test's own whose tools come from a server of this machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.course.command import PLAIN, Run, runner
from tests.web import Answer, Web, cut, serving

from kindlab import tools

KIND = b"#!/bin/sh\necho kind v0.33.0 go1.26.7 linux/amd64\n"
KUBECTL = b"#!/bin/sh\necho our kubectl was given: $* in $KUBECONFIG\n"
"""Says no version: ours need not, their checksum does."""

TOML = """
[kind]
version = "v0.33.0"
url = "{url}/kind"
purpose = "makes clusters"
at_least = "0.32"
[kind.sha256]
{platform} = "{kind}"

[kubectl]
version = "v1.36.4"
url = "{url}/kubectl"
purpose = "talks to clusters"
at_least = "1.35"
at_most = "1.37"
[kubectl.sha256]
{platform} = "{kubectl}"
"""


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as found:
        found.files |= {"/kind": KIND, "/kubectl": KUBECTL}
        yield found


@pytest.fixture
def course(web: Web, tmp_path: Path) -> Path:
    (tmp_path / "course" / "labs").mkdir(parents=True)
    (tmp_path / "course" / "cluster-config").mkdir()
    _write_toml(tmp_path / "course", web, KIND)
    return tmp_path / "course"


def _write_toml(course: Path, web: Web, kind: bytes) -> None:
    digests = {"kind": hashlib.sha256(kind).hexdigest(), "kubectl": hashlib.sha256(KUBECTL).hexdigest()}
    text = TOML.format(url=web.url, platform="-".join(tools.this_platform()), **digests)
    (course / "cluster-config" / "tools.toml").write_text(text)


@pytest.fixture
def run(course: Path, tmp_path: Path) -> Run:
    """With an empty folder as PATH: nothing of this machine is found."""
    (tmp_path / "bin").mkdir()
    return runner(**_places(course, tmp_path))


def _places(course: Path, folder: Path) -> dict[str, str]:
    places = {"KINDLAB_COURSE": course, "KINDLAB_CACHE": folder / "cache", "PATH": folder / "bin"}
    return {name: str(place) for name, place in places.items()} | {"NO_PROXY": "127.0.0.1", "KINDLAB_TOOLS": ""}


def test_a_machine_without_any_gets_both(run: Run, course: Path, web: Web) -> None:
    empty = run("tools")
    assert empty.returncode == 0, empty.stderr
    assert "kindlab tools install kind kubectl" in empty.stdout
    assert "kindlab kubectl is a stand-in" in empty.stdout

    done = run("tools", "install")
    assert done.returncode == 0, done.stderr
    assert f"kind v0.33.0 is installed: {course}/.tools/kind (checksum verified)" in done.stdout
    assert f'export PATH="{course}/.tools:$PATH"' in done.stdout or platform.system() == "Windows"

    rows = [line.split("   ") for line in run("tools").stdout.splitlines()]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["TOOL", "WANTED", "USED", "WHERE", "FOR"],
        ["kind", "v0.33.0", "v0.33.0, kindlab's", f"{course}/.tools/kind", "makes clusters"],
        ["kubectl", "v1.36.4", "v1.36.4, kindlab's", f"{course}/.tools/kubectl", "talks to clusters"],
    ]
    assert "already" in run("tools", "install").stdout
    assert len(web.asked) == 2


def test_what_is_missing_offline_is_said(run: Run, course: Path, web: Web) -> None:
    done = run("tools", "install", "kubectl", "--offline")
    assert done.returncode == 3
    assert "kubectl is not in the cache" in done.stderr
    assert f"{web.url}/kubectl" in done.stderr
    assert web.asked == []
    assert not (course / ".tools").exists()


def test_a_wrong_checksum_ends_it(run: Run, course: Path, web: Web) -> None:
    web.files["/kind"] = b"#!/bin/sh\n"
    done = run("tools", "install", "kind")
    assert done.returncode == 3
    assert "expected sha256" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (course / ".tools").exists()


def test_ctrl_c_and_on_again(run: Run, course: Path, tmp_path: Path, web: Web) -> None:
    """What came before Ctrl-C is not downloaded again."""
    big = KIND + b"#" * 300_000
    _write_toml(course, web, big)
    web.files["/kind"], web.instead = big, [_half_and_no_more(web)]
    command = [sys.executable, "-m", "kindlab.cli", "tools", "install", "kind"]
    environment = {**os.environ, **PLAIN, **_places(course, tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        while not any(part.stat().st_size > 0 for part in (tmp_path / "cache").glob("files/*.part")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped" in said
    assert not (course / ".tools").exists()

    assert run("tools", "install", "kind").returncode == 0
    assert (course / ".tools" / "kind").read_bytes() == big
    begun, resumed = web.ranges_asked
    assert begun is None
    assert resumed is not None


def _half_and_no_more(web: Web) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        cut(len(body) // 2)(handler, body)
        web.ended.wait()

    return answer


def test_a_name_that_is_none_is_refused_before_anything_is_downloaded(run: Run, web: Web) -> None:
    done = run("tools", "install", "kind", "helm")
    assert done.returncode == 2
    assert "There is no tool 'helm'." in done.stderr
    assert web.asked == []


def test_programs_are_told_all_of_it(run: Run, tmp_path: Path) -> None:
    old = tmp_path / "bin" / "kind"
    old.write_text("#!/bin/sh\necho kind v0.31.0 go1.25.1 linux/amd64\n")
    old.chmod(0o755)
    kind, kubectl = json.loads(run("tools", "--json").stdout)["tools"]
    assert kind == {
        "name": "kind",
        "wanted": "v0.33.0",
        "usable": False,
        "version": "v0.31.0",
        "path": str(old),
        "ours": False,
        "fault": "too old",
        "purpose": "makes clusters",
        "notes": [f"{old} is not the right one (too old): the course takes kind 0.32 or newer."],
    }
    assert (kubectl["usable"], kubectl["version"], kubectl["path"]) == (False, None, None)


def test_kindlab_kubectl_is_ours_when_it_is_installed(run: Run, kindlab: Run, course: Path) -> None:
    assert run("tools", "install", "kubectl").returncode == 0
    done = kindlab("kubectl", "get", "pods", KINDLAB_TOOLS=str(course / ".tools"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("our kubectl was given: get pods in ")
