"""`kindlab doctor` as it is typed, on a machine whose only engine is one that does not run."""

import json
from pathlib import Path

import pytest
from tests.course.command import Run, runner


@pytest.fixture
def kindlab(tmp_path: Path) -> Run:
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon at unix:///x.' >&2\nexit 1\n")
    docker.chmod(0o755)
    return runner(
        PATH=str(docker.parent) + ":/usr/bin:/bin",
        KINDLAB_HOME=str(tmp_path / "home"),
        KINDLAB_TOOLS=str(tmp_path / "tools"),
        KIND_EXPERIMENTAL_PROVIDER="docker",
        DOCKER_HOST="unix:///x",
    )


def test_what_is_amiss_what_it_breaks_and_what_to_type(kindlab: Run, tmp_path: Path) -> None:
    done = kindlab("doctor")
    assert done.returncode == 0, done.stderr  # pocket works
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    at = lines.index("problem   docker is installed but not running at unix:///x (kind)")
    assert lines[at + 1] == "          Breaks: kindlab up --cluster kind"
    assert lines[at + 2].startswith("          Fix: ")
    assert any(line.startswith("kind does not work here: ") for line in lines)
    assert "pocket works here: kindlab up --cluster pocket" in lines
    assert not (tmp_path / "home").exists()  # it changes nothing


def test_narrowed_to_kind_it_is_a_failure(kindlab: Run) -> None:
    done = kindlab("doctor", "--cluster", "kind", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["clusters"]["kind"]["works"] is False
    assert [engine["name"] for engine in found["engines"]] == ["docker"]
    keys = {"check", "level", "says", "breaks", "fix", "clusters"}
    assert all(set(finding) == keys for finding in found["findings"])
    assert all(finding["fix"] for finding in found["findings"] if finding["level"] == "problem")
