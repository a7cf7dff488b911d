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


def test_a_list_of_labs_without_a_cluster_imports_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from kindlab.cli import cli; cli.main(['list'], standalone_mode=False); print(*sys.modules)"
    home = os.environ | {"KINDLAB_HOME": str(tmp_path), "KINDLAB_WORK": str(tmp_path / "work")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=home)
    assert not set(done.stdout.splitlines()[-1].split()) & {"kubernetes", "pytest", "rich", "yaml", "kindlab.needs"}


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
    assert "Did you mean 02-services?" in done.stderr
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


def test_a_cluster_of_another_name_is_started_by_its_name(kindlab) -> None:
    assert "Start it with: kindlab up --cluster pocket --name second\n" in kindlab("status", "--name", "second").stdout
    assert "Start it with: kindlab up\n" in kindlab("status").stdout


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


@pytest.mark.parametrize("kind", ["pocket", "kind", "current"])
def test_up_for_a_lab_that_is_none_makes_nothing(kindlab, kind: str) -> None:
    done = kindlab("up", "--cluster", kind, "--labs", "2,99")
    assert done.returncode == 2
    assert "There is no lab '99'" in done.stderr


@pytest.mark.parametrize("text", ["a:\n b: {", "- a list", "just a word", "clusters: 3", "", "\x00\xff\xfe"])
def test_a_kubeconfig_that_is_none(kindlab, tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text, encoding="latin-1")
    for command in (["check", "02", "--cluster", "current"], ["up", "--cluster", "current"]):
        done = kindlab(*command, KUBECONFIG=str(tmp_path / "config"))
        assert done.returncode == 3
        assert "There is no usable kubeconfig" in done.stderr
        assert "kubectl get nodes" in done.stderr
        assert "fault of kindlab" not in done.stderr
        assert ".." not in done.stderr


def test_a_cluster_that_is_not_there_is_said_without_the_librarys_log(kindlab, tmp_path: Path) -> None:
    cluster = "{name: a, cluster: {server: 'http://127.0.0.1:1'}}"
    context = "{name: a, context: {cluster: a, user: a}}"
    text = f"clusters: [{cluster}]\ncontexts: [{context}]\nusers: [{{name: a, user: {{}}}}]\ncurrent-context: a\n"
    (tmp_path / "config").write_text(text)
    done = kindlab("up", "--cluster", "current", KUBECONFIG=str(tmp_path / "config"))
    assert done.returncode == 3
    assert "does not answer" in done.stderr
    assert "WARNING" not in done.stderr


def test_what_is_suggested_works(kindlab) -> None:
    said = kindlab("hint", "services", "1").stderr
    assert "Did you mean 02-services?" in said
    assert "Did you mean cart-selector?" in kindlab("hint", "02-services", "cart-selektor").stderr
    assert kindlab("hint", "02-services", "cart-selector").returncode == 0


def test_a_log_level_that_does_not_exist(kindlab) -> None:
    done = kindlab("list", KINDLAB_LOG="loud")
    assert done.returncode == 2
    assert "The levels are" in done.stderr
    assert "Traceback" not in done.stderr


def test_why_without_a_lab_asks_for_the_namespace(kindlab) -> None:
    done = kindlab("why", "svc/web")
    assert done.returncode == 2
    assert "-n default" in done.stderr


def test_start_without_a_lab_names_the_list(kindlab) -> None:
    done = kindlab("start")
    assert done.returncode == 2
    assert "kindlab list" in done.stderr


def test_down_takes_the_cluster_that_is_named(kindlab, tmp_path: Path) -> None:
    kept = tmp_path / "home" / "clusters" / "pocket-mine"
    kept.mkdir(parents=True)
    (tmp_path / "home" / "active.json").write_text('{"kind": "pocket", "name": "mine", "context": null}')
    done = kindlab("down", "--name", "other")
    assert "no cluster to stop" in done.stdout
    assert kept.is_dir()
    assert "mine" in kindlab("status").stdout


@pytest.mark.parametrize(
    ("breaks", "code", "said"),
    [
        (
            "raise EOFError('unexpected EOF')",
            3,
            "This command broke: a fault of kindlab, not yours.\nEOFError: unexpected",
        ),
        ("click.confirm('Really?')", 130, "Stopped."),
    ],
)
def test_a_connection_that_ends_is_not_somebody_who_stops_it(breaks: str, code: int, said: str) -> None:
    program = (
        f"import click, sys, kindlab.cli as cli\ndef breaks():\n    {breaks}\n"
        "cli.cli.add_command(click.Command('breaks', callback=breaks))\nsys.argv[1:] = ['breaks']\ncli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr
