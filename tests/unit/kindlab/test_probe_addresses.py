"""Looking a name up until it says what is expected: a cluster's DNS learns a little late."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kindlab.api import Api
from kindlab.checks import probe

GETENT = """#!/bin/sh
echo asked >> "$0.log"
[ $(wc -l < "$0.log") -lt 3 ] && exit 2
for address in 10.0.0.9 10.0.0.10 fd00::1; do printf '%s  STREAM %s\\n%s  DGRAM\\n' $address "$2" $address; done
"""
"""As `getent ahosts`: twice there is no such name, then it has three addresses."""
KNOWN = ["10.0.0.10", "10.0.0.9", "fd00::1"]


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> probe.Probe:
    """A probe on this machine, where `getent` knows a name from the third question on."""
    (tmp_path / "getent").write_text(GETENT)
    (tmp_path / "getent").chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"

    def run(script: str) -> Any:
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env={"PATH": path}, check=False)
        return SimpleNamespace(rc=done.returncode, stdout=done.stdout, stderr=done.stderr)

    monkeypatch.setattr(probe, "ASK_AGAIN", 0.01)
    found = probe.Probe(cast(Api, None), "shop")
    found.__dict__["host"] = SimpleNamespace(run=run)
    return found


def questions(tmp_path: Path) -> int:
    return len((tmp_path / "getent.log").read_text().splitlines())


def test_a_name_is_asked_once(asking: probe.Probe, tmp_path: Path) -> None:
    assert asking.addresses("web") == []
    assert questions(tmp_path) == 1


def test_what_is_expected_is_waited_for(asking: probe.Probe, tmp_path: Path) -> None:
    assert asking.addresses("web", until=set(KNOWN), timeout=60) == KNOWN
    assert questions(tmp_path) == 3


def test_what_never_comes_is_given_up(asking: probe.Probe, tmp_path: Path) -> None:
    assert asking.addresses("web", until={"10.0.0.1"}, timeout=0.05) == KNOWN
    assert questions(tmp_path) == 6


def test_a_name_that_is_to_go_is_waited_for(asking: probe.Probe, tmp_path: Path) -> None:
    assert asking.addresses("web", until=(), timeout=5) == []
    assert questions(tmp_path) == 1
