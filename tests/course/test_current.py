"""`--cluster current`: the same lab and the same grader on a cluster that is nobody's but the kubeconfig's.

The cluster is a second embedded one, of which kindlab gets a copied kubeconfig and nothing else: another home, another
name, no state folder. So the course uses nothing but the API.
"""

import json
import shutil
from pathlib import Path

import pytest
from tests.course.command import Run, runner

from kindlab.clusters.base import Status

SLUG = "02-services"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def kindlab(another: Status, home: Path) -> Run:
    assert another.kubeconfig is not None
    kubeconfig = home / "config"
    shutil.copyfile(another.kubeconfig, kubeconfig)
    run = runner(KINDLAB_HOME=str(home / "state"), KINDLAB_WORK=str(home / "work"), KUBECONFIG=str(kubeconfig))
    return lambda *args, **more: run(*args, "--cluster", "current", **more)


def test_up_uses_the_cluster_and_remembers_it(another: Status, kindlab: Run, home: Path) -> None:
    done = kindlab("up", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["cluster"]
    assert (found["kind"], found["name"], found["kubeconfig"]) == ("current", another.context, None)
    assert found["detail"].startswith("Kubernetes v1.36")
    remembered = json.loads((home / "state" / "active.json").read_text())
    assert remembered["kind"] == "current"


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


def test_a_kubeconfig_with_a_wrong_token_is_said(another: Status, kindlab: Run, tmp_path: Path) -> None:
    assert another.kubeconfig is not None
    import yaml

    config = yaml.safe_load(Path(another.kubeconfig).read_text())
    for user in config["users"]:
        user["user"] = {"token": "nobodys"}
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    done = kindlab("check", "02", KUBECONFIG=str(tmp_path / "config"))
    assert done.returncode == 3
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr
