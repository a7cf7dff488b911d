"""The command line, run as people run it: a process, its exit code, its words."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def kindlab(tmp_path: Path):
    def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {
            **os.environ,
            "KINDLAB_HOME": str(tmp_path / "home"),
            "KINDLAB_WORK": str(tmp_path / "work"),
            "KINDLAB_COURSE": str(ROOT),
            "KUBECONFIG": str(tmp_path / "none"),
            **environment,
        }
        return subprocess.run(
            [sys.executable, "-m", "kindlab.cli", *args], capture_output=True, text=True, env=env, check=False
        )

    return run


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from kindlab.cli import cli; cli.main(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "kubernetes",
        "pytest",
        "rich",
        "yaml",
        "aiohttp",
        "jupytext",
        "IPython",
        "testinfra",
        "pocketkube",
    }


def test_a_command_that_does_not_exist_names_the_near_one(kindlab) -> None:
    done = kindlab("chekc")
    assert done.returncode == 2
    assert "Did you mean check?" in done.stderr


def test_a_lab_that_does_not_exist(kindlab) -> None:
    done = kindlab("start", "serivces")
    assert done.returncode == 2
    assert "Did you mean services?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["check", "02"], ["start", "02"], ["solve", "02"], ["why", "svc/web", "-n", "x"]])
def test_without_a_cluster_nothing_is_graded_and_the_way_out_is_named(kindlab, command: list[str]) -> None:
    done = kindlab(*command)
    assert done.returncode == 3
    assert "is not ready" in done.stderr
    assert "kindlab up" in done.stderr


def test_check_json_without_a_cluster_is_still_json_and_not_a_zero(kindlab) -> None:
    done = kindlab("check", "02", "--json")
    assert done.returncode == 3
    data = json.loads(done.stdout)
    assert data["outcome"] == "could-not-grade"
    assert {t["outcome"] for t in data["tasks"]} == {"could-not-grade"}


def test_status_json_without_a_cluster(kindlab) -> None:
    done = kindlab("status", "--json")
    assert done.returncode == 3
    cluster = json.loads(done.stdout)["cluster"]
    assert cluster["ready"] is False
    assert {"name", "kind", "kubeconfig"} <= cluster.keys()


def test_current_without_a_kubeconfig(kindlab) -> None:
    done = kindlab("check", "02", "--cluster", "current")
    assert done.returncode == 3
    assert "kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr


def test_hints_come_one_by_one(kindlab) -> None:
    first, second = kindlab("hint", "02", "cart-selector"), kindlab("hint", "02", "cart-selector")
    assert first.returncode == second.returncode == 0
    assert "  1. " in first.stdout
    assert "  2. " not in first.stdout
    assert "  2. " in second.stdout


def test_list_shows_the_labs(kindlab) -> None:
    done = kindlab("list", "--json")
    assert "02-services" in [row["slug"] for row in json.loads(done.stdout)["labs"]]
    assert "02-services" in kindlab("list").stdout


def test_down_without_a_cluster_is_fine(kindlab) -> None:
    done = kindlab("down")
    assert done.returncode == 0
    assert "no cluster" in done.stdout
