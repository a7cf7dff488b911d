"""The workflows and the dev container, as far as they can be held without GitHub: they parse, say commands that exist,
name only what is pinned, and hold no secrets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.course import spoken
from tests.course.command import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DEVCONTAINER = ROOT / ".devcontainer" / "devcontainer.json"


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def devcontainer() -> dict[str, Any]:
    text = re.sub(r"^\s*//.*$", "", DEVCONTAINER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, Any] = json.loads(text)
    return found


def test_there_is_one_for_pull_requests_and_one_for_kind() -> None:
    assert [file.name for file in WORKFLOWS] == ["ci.yml", "kind.yml"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_commands_exist_with_these_options(file: Path) -> None:
    lines = [line for step in steps(read(file)) for line in spoken.lines(step.get("run", ""))]
    said = [words for line in lines for words in spoken.commands(line)]
    assert ["make", "check"] in said or ["make", "install"] in said
    assert not [problem for words in said if (problem := spoken.wrong(words))]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_and_get_nothing_that_they_do_not_need(file: Path) -> None:
    workflow, text = read(file), file.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    assert not [use for use in uses if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)]
    assert workflow["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|pull_request_target|GITHUB_TOKEN", text)
    assert all(0 < job["timeout-minutes"] <= 360 for job in workflow["jobs"].values())
    assert all(job["runs-on"] != "ubuntu-latest" for job in workflow["jobs"].values())
    checkouts = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    in_shell = [line for step in steps(workflow) for line in step.get("run", "").splitlines() if "inputs." in line]
    assert not in_shell, "somebody's words go through the environment, never into the script's text"


def test_the_matrix_of_pythons_is_what_the_project_says() -> None:
    pythons = read(WORKFLOWS[0])["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert pythons[0] == "3.11", "requires-python"


def test_the_dev_container() -> None:
    found = devcontainer()
    image, tag = found["image"].rsplit(":", 1)
    assert image.startswith("mcr.microsoft.com/devcontainers/python")
    assert re.search(r"-3\.1[1-9]-bookworm$", tag), "a Debian that the Docker feature's packages are for"
    assert int(tag.partition("-")[0]) >= 3, "older ones get no security updates any more (their README)"
    (docker,) = [n for n in found["features"] if n.startswith("ghcr.io/devcontainers/features/docker-in-docker:")]
    assert int(docker.rpartition(":")[2]) >= 3, "before, Docker does not start with containerd 2.3 (features#1642)"
    assert found["hostRequirements"]["cpus"] >= 4
    assert {8080, 8443} <= set(found["forwardPorts"])
    assert {str(port) for port in found["forwardPorts"]} == found["portsAttributes"].keys()
    created = list(spoken.commands(found["postCreateCommand"]))
    assert ["make", "install"] in created
    assert not [problem for words in created if (problem := spoken.wrong(words))]
    welcome = (ROOT / found["postAttachCommand"].removeprefix("cat ")).read_text(encoding="utf-8")
    typed = [re.split(r"\s{3,}", line.strip())[0] for line in welcome.splitlines() if line.startswith("    ")]
    said = [words for line in typed for words in spoken.commands(line)]
    assert ["make", "start", "CLUSTER=kind"] in said
    assert not [problem for words in said if (problem := spoken.wrong(words))]


def test_what_does_not_exist_is_noticed() -> None:
    assert spoken.wrong(["make", "nothing"])
    assert spoken.wrong(["make", "start", "KIND=x"])
    assert spoken.wrong(["kindlab", "nothing"])
    assert spoken.wrong(["kindlab", "up", "--nothing"])
    assert spoken.wrong(["kindlab", "node", "nothing"])
    assert not spoken.wrong(["kindlab", "node", "stop", "worker"])
    assert not spoken.wrong(["make", "verify", "CLUSTER=kind", "LABS=02 03"])
