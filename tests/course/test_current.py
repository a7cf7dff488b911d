"""`--cluster current`: the same lab and the same grader on a cluster that is nobody's but the kubeconfig's.

The cluster is a second embedded one, of which kindlab gets a copied kubeconfig and nothing else: another home, another
name, no state folder. So the course uses nothing but the API.
"""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.course.command import ROOT, Run, runner

from kindlab import workspace
from kindlab.clusters.base import Status

pytestmark = pytest.mark.xdist_group("current")  # one cluster, not one a worker
SLUG = "02-services"


def moved_in(home: Path, cluster: Status) -> Run:
    """The command in a home of its own, which has the cluster's kubeconfig and nothing else."""
    assert cluster.kubeconfig is not None
    shutil.copyfile(cluster.kubeconfig, home / "config")
    run = runner(KINDLAB_HOME=str(home / "state"), KINDLAB_WORK=str(home / "work"), KUBECONFIG=str(home / "config"))
    return lambda *args, **more: run(*args, "--cluster", "current", **more)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def kindlab(another: Status, home: Path) -> Run:
    """Somebody has said that it may work there."""
    run = moved_in(home, another)
    done = run("up", "--yes")
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture
def stranger(another: Status, tmp_path: Path) -> Run:
    """Nobody has said anything yet. Its home is the test's own folder."""
    return moved_in(tmp_path, another)


@pytest.fixture
def untouched(another: Status) -> None:
    """The lab is not there, whatever other tests did."""
    workspace.remove_namespace(another.api(), SLUG)


def on_a_terminal(home: Path, answer: str, *words: str) -> tuple[int, str]:
    """(exit code, what it asked) of a command whose person types `answer`."""
    ours, theirs = pty.openpty()
    env = {
        **os.environ,
        "KINDLAB_COURSE": str(ROOT),
        "KINDLAB_HOME": str(home / "state"),
        "KUBECONFIG": str(home / "config"),
        "CI": "1",
    }
    command = [sys.executable, "-m", "kindlab.cli", *words]
    process = subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, env=env)
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # how a terminal of Linux ends
        pass
    os.close(ours)
    return process.wait(), seen.decode()


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("words", [("up",), ("start", "02"), ("check", "02", "--json")])
def test_without_a_terminal_nothing_is_touched_that_is_not_ours(
    another: Status, stranger: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = stranger(*words)
    assert done.returncode == 2, done.stderr
    assert "is not kindlab's" in done.stderr
    assert f"kindlab up --cluster current --context {another.context} --yes" in " ".join(done.stderr.split())
    assert not (tmp_path / "state" / "active.json").exists()
    assert another.api().get("Namespace", SLUG) is None


@pytest.mark.usefixtures("stranger")
def test_a_person_is_shown_what_it_is_and_may_say_no(another: Status, tmp_path: Path) -> None:
    code, asked = on_a_terminal(tmp_path, "n", "up", "--cluster", "current", "--prefix", "alice")
    assert code == 2
    for said in (
        f"context   {another.context}",
        another.api().server,
        "Kubernetes v1.36",
        "you are   kubernetes-admin",
        "nodes     3",
        "alice-01-pod-networking",
        "StorageClass",
        "[y/N]",
        "Nothing was touched.",
    ):
        assert said in asked, asked
    assert not (tmp_path / "state" / "active.json").exists()


def test_a_yes_is_kept_for_that_cluster_and_holds_for_every_command(stranger: Run, tmp_path: Path) -> None:
    code, asked = on_a_terminal(tmp_path, "y", "up", "--cluster", "current")
    assert code == 0, asked
    code, asked = on_a_terminal(tmp_path, "", "up", "--cluster", "current")
    assert (code, "[y/N]" in asked) == (0, False)
    assert "there is no Service nobody" in stranger("why", "svc/nobody", "-n", "default").stdout


def test_up_uses_the_cluster_and_remembers_it(another: Status, kindlab: Run, home: Path) -> None:
    done = kindlab("up", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["cluster"]
    assert (found["kind"], found["name"], found["kubeconfig"]) == ("current", another.context, None)
    assert found["detail"].startswith("Kubernetes v1.36")
    remembered = json.loads((home / "state" / "active.json").read_text())
    assert remembered["kind"] == "current"


@pytest.mark.usefixtures("untouched")
def test_the_whole_lab_runs_and_nothing_of_pocket_is_needed(another: Status, kindlab: Run, home: Path) -> None:
    started = kindlab("start", "02")
    assert started.returncode == 0, started.stderr
    why = kindlab("why", "svc/cart", "--json")
    assert why.returncode == 1
    assert json.loads(why.stdout)["broken"]["name"] == "Selector"
    failed = kindlab("check", "02", "--task", "cart-selector", "--json")
    assert failed.returncode == 1, failed.stderr
    assert json.loads(failed.stdout)["tasks"][0]["broken_hop"].startswith("Selector: ")
    assert kindlab("solve", "02").returncode == 0
    passed = kindlab("check", "02", "--json")
    report = json.loads(passed.stdout)
    assert passed.returncode == 0, passed.stdout
    assert (report["points"], report["cluster"]) == (40, another.context)
    assert kindlab("why", "http://cart/hostname").returncode == 0
    assert not (home / "state" / "clusters").exists()


def test_down_leaves_a_cluster_that_is_not_ours_as_it_is(another: Status, kindlab: Run) -> None:
    assert kindlab("start", "02").returncode == 0
    done = kindlab("down")
    assert done.returncode == 0
    assert "it was left as it is" in done.stdout
    assert another.api().get("Namespace", SLUG) is not None


@pytest.fixture
def config(home: Path) -> Iterator[Path]:
    """The learner's kubeconfig, to be changed; put back afterwards."""
    file = home / "config"
    before = file.read_text(encoding="utf-8")
    yield file
    file.write_text(before, encoding="utf-8")


def test_whoever_switches_context_later_has_the_labs_where_they_were(
    another: Status, kindlab: Run, config: Path
) -> None:
    assert kindlab("up").returncode == 0
    read = yaml.safe_load(config.read_text(encoding="utf-8"))
    read["clusters"].append({"name": "production", "cluster": {"server": "https://127.0.0.1:1"}})
    read["contexts"].append(
        {"name": "production", "context": {**read["contexts"][0]["context"], "cluster": "production"}}
    )
    read["current-context"] = "production"
    config.write_text(yaml.safe_dump(read), encoding="utf-8")
    status = json.loads(kindlab("status", "--json").stdout)["cluster"]
    assert (status["context"], status["ready"]) == (another.context, True)
    again = kindlab("up").stdout
    assert f"Cluster {another.context} (current) is ready" in again
    assert "Your current context is production" in again
    taken = kindlab("up", "--context", "production", "--yes")
    assert taken.returncode == 3
    assert "127.0.0.1:1" in taken.stderr
    assert json.loads(kindlab("status", "--json").stdout)["cluster"]["context"] == another.context


def test_a_context_that_is_gone_is_said_with_those_that_are_there(another: Status, kindlab: Run, config: Path) -> None:
    assert kindlab("up").returncode == 0
    read = yaml.safe_load(config.read_text(encoding="utf-8"))
    read["contexts"][0]["name"] = read["current-context"] = "renamed"
    config.write_text(yaml.safe_dump(read), encoding="utf-8")
    done = kindlab("check", "02")
    assert done.returncode == 3
    assert f"has no context {another.context} (any more); it has renamed" in " ".join(done.stderr.split())
    assert "--context NAME" in done.stderr


def test_a_cluster_that_this_kindlab_made_is_not_asked_about(stranger: Run, tmp_path: Path) -> None:
    made = tmp_path / "state" / "clusters" / "pocket-another"
    made.mkdir(parents=True)
    shutil.copyfile(tmp_path / "config", made / "kubeconfig")
    done = stranger("up")
    assert done.returncode == 0, done.stderr


def test_a_kubeconfig_with_a_wrong_token_is_said(another: Status, kindlab: Run, tmp_path: Path) -> None:
    assert another.kubeconfig is not None
    config = yaml.safe_load(Path(another.kubeconfig).read_text())
    for user in config["users"]:
        user["user"] = {"token": "nobodys"}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    done = kindlab("check", "02", KUBECONFIG=str(tmp_path / "config"))
    assert done.returncode == 3
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr
