"""A cluster that lacks much of what the course needs: what cannot be done there is said before the learner begins, is
not graded and costs nothing; everything else runs as everywhere.

The cluster is an embedded one without ingress controller, Gateway API, snapshots, metrics and load balancers, on which
policies are stored and not enforced (as with flannel), addressed as somebody else's: by its kubeconfig alone.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import Run, runner
from tests.course.shared import Pupil, enrol

from kindlab import labs
from kindlab.clusters.base import Status
from kindlab.needs import named

pytestmark = pytest.mark.xdist_group("needs")

WITHOUT = ("traefik", "gateway-api", "snapshots", "metrics-server")
LACKING = {"ingress", "gateway", "load-balancer", "metrics", "network-policy", "snapshots"}
ALL = ("06-ingress", "07-ingress-tls", "08-network-policy", "14-snapshots-and-clones")
"""Labs of which nothing can be done there."""
SOME = {
    "05-exposing-services": {"programme-load-balancer"},
    "10-autoscaling": {"storefront-grows", "storefront-shrinks", "checkout-grows", "reports-requests"},
    "16-capstone-shop": {task.id for task in labs.find("16").tasks} - {"internal-services"},
}
"""Labs of which something cannot."""


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    state = tmp_path_factory.mktemp("lacking")
    flags = ["--no-network-policy", "--load-balancer-pool", "none", "--no-host-ports"]
    flags += [word for name in WITHOUT for word in ("--no-addon", name)]
    command = [sys.executable, "-m", "pocketkube", "--state", str(state), "--name", "lacking", *flags]
    with (state / "log").open("wb") as log:
        cluster = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert cluster.stdout is not None
        said = [json.loads(line) for line in iter(cluster.stdout.readline, "")]  # it closes it when it is ready
        assert "ready" in said[-1], said
        yield Path(said[-1]["ready"]["kubeconfig"])
    finally:
        cluster.terminate()
        cluster.wait(timeout=60)
        assert cluster.stdout is not None
        cluster.stdout.close()


@pytest.fixture(scope="module")
def kindlab(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("elsewhere")
    run = runner(KINDLAB_HOME=str(home / "state"), KINDLAB_WORK=str(home / "work"), KUBECONFIG=str(kubeconfig))
    done = run("up", "--cluster", "current", "--yes")
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="module")
def found(kindlab: Run) -> dict[str, dict[str, Any]]:
    """What `kindlab can` says, by word. Asked before any lab is started."""
    done = kindlab("can", "--json")
    assert done.returncode == 1, done.stderr
    return {row["word"]: row for row in json.loads(done.stdout)["needs"]}


def away(slug: str) -> set[str]:
    """The tasks of a lab that cannot be done there."""
    return {task.id for task in labs.find(slug).tasks} if slug in ALL else SOME.get(slug, set())


def test_what_it_lacks_is_found_out_with_why_and_what_brings_it(found: dict[str, dict[str, Any]]) -> None:
    assert {word for word, row in found.items() if not row["has"]} == LACKING
    assert all(row["why"] for row in found.values())
    assert all(found[word]["how_to_get"] and found[word]["sure"] for word in LACKING)
    assert found["network-policy"]["why"] == "a connection that a policy forbids went through"
    assert "kindlab addons install metrics-server" in found["metrics"]["how_to_get"]
    lost = {lab.slug: {t for w in LACKING for t in found[w]["tasks"].get(lab.slug, ())} for lab in labs.all_labs()}
    assert lost == {lab.slug: away(lab.slug) for lab in labs.all_labs()}


def test_the_list_marks_the_labs_and_tasks_that_cannot_be_done_there(
    kindlab: Run, found: dict[str, dict[str, Any]]
) -> None:
    rows = json.loads(kindlab("list", "--json").stdout)["labs"]
    assert {row["slug"]: row["not_here"].keys() for row in rows} == {row["slug"]: away(row["slug"]) for row in rows}
    shown = kindlab("list").stdout
    assert "Not on this cluster: programme-load-balancer (needs load-balancer)" in shown
    assert shown.count("Not on this cluster: ") == len(ALL) + len(SOME)


def test_one_word_can_be_asked_for_and_tried_again(kindlab: Run, found: dict[str, dict[str, Any]]) -> None:
    there = kindlab("can", "nodes", "two-workers")
    assert there.returncode == 0
    assert "lacking-worker2" in there.stdout
    again = kindlab("can", "load-balancer", "--again")
    assert again.returncode == 1
    assert "decides about programme-load-balancer of lab 05" in again.stdout
    wrong = kindlab("can", "metric")
    assert wrong.returncode == 2
    assert "Did you mean metrics?" in wrong.stderr


@pytest.mark.parametrize("slug", ["05-exposing-services", "16-capstone-shop"])
def test_the_rest_of_a_lab_is_started_solved_and_graded(
    kindlab: Run, found: dict[str, dict[str, Any]], slug: str
) -> None:
    lab, number = labs.find(slug), slug[:2]
    started = kindlab("start", number)
    assert started.returncode == 0, started.stderr
    assert "Cannot be done on this cluster: " in started.stdout
    assert all(task in started.stdout for task in away(slug))
    solved = kindlab("solve", number)
    assert solved.returncode == 0, solved.stderr
    done = kindlab("check", number, "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert outcomes(done.stdout) == {t.id: "could-not-grade" if t.id in away(slug) else "passed" for t in lab.tasks}
    points = sum(task.points for task in lab.tasks if task.id not in away(slug))
    assert (report["outcome"], report["points"], report["max_points"]) == ("passed", points, points)
    for task in report["tasks"]:
        missing = task["id"] in away(slug)
        assert bool(task["not_here"]) == bool(task["next"]) == missing, task
        assert bool(task["checks"]) != missing


def outcomes(report: str) -> dict[str, str]:
    return {task["id"]: task["outcome"] for task in json.loads(report)["tasks"]}


def test_a_lab_of_which_nothing_can_be_done_is_started_and_could_not_be_graded(kindlab: Run) -> None:
    started = kindlab("start", "14")
    assert started.returncode == 0, started.stderr
    assert "volumes that can be snapshotted" in started.stdout
    solved = kindlab("solve", "14")
    assert solved.returncode == 3
    assert "No task of lab 14-snapshots-and-clones can be done on this cluster" in solved.stderr
    shown = kindlab("check", "14", "--task", "noon").stdout
    assert "It needs volumes that can be snapshotted, but the API server does not know VolumeSnapshots." in shown
    done = kindlab("check", "14", "--json")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    assert (report["outcome"], report["points"], report["max_points"]) == ("could-not-grade", 0, 0)
    assert all(task["not_here"] for task in report["tasks"])
    assert "kindlab addons install snapshotter csi-hostpath" in report["problem"]


# -- a learner who may do nothing outside their namespaces


@pytest.fixture(scope="module")
def alice(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Pupil:
    cluster = Status("lacking", "current", str(kubeconfig), None, ready=True)
    return enrol(cluster, tmp_path_factory.mktemp("school"), "alice", "--labs", "04,13")


RIGHTS = {"persistent-volumes", "storage-classes", "snapshot-classes", "snapshot-contents", "everywhere"}


def test_who_may_make_no_namespace_finds_out_the_same_in_one_of_hers(
    alice: Pupil, found: dict[str, dict[str, Any]]
) -> None:
    before = probing(alice)
    done = alice.kindlab("can", "--json")
    assert done.returncode == 1, done.stderr
    hers = {row["word"]: row for row in json.loads(done.stdout)["needs"]}
    assert {word for word, row in hers.items() if not row["has"]} == LACKING | RIGHTS
    assert all(row["sure"] for row in hers.values())
    assert "you may not create persistentvolumes" in hers["persistent-volumes"]["why"]
    assert all("kindlab rights does not" in hers[word]["how_to_get"] for word in RIGHTS), "her manifest has none of it"
    assert hers["network-policy"]["why"] == found["network-policy"]["why"]
    assert "in namespace alice-13-storage-classes" in hers["evictions"]["why"]
    assert not probing(alice) - before


def probing(pupil: Pupil) -> set[str]:
    """What is in the namespace in which she tries things out, and is not on its way out."""
    return {
        f"{kind} {obj['metadata']['name']}"
        for kind in ("Pod", "Service", "NetworkPolicy")
        for obj in pupil.api.list(kind, "alice-13-storage-classes")
        if not obj["metadata"].get("deletionTimestamp")
    }


def test_her_list_of_labs_says_what_she_has_found_out(alice: Pupil) -> None:
    """Also of rights that she has in her namespaces only, and not in `default`."""
    assert alice.kindlab("can").returncode == 1
    done = alice.kindlab("list", "--json")
    assert done.returncode == 0, done.stderr
    said = {row["slug"]: set(row["not_here"]) for row in json.loads(done.stdout)["labs"]}
    lacking = LACKING | RIGHTS
    assert said == {
        lab.slug: {task.id for task in lab.tasks if lacking & set(named(lab, [task]))} for lab in labs.all_labs()
    }


def test_what_her_rights_suffice_for_is_started_solved_and_graded(alice: Pupil) -> None:
    started = alice.kindlab("start", "13")
    assert started.returncode == 0, started.stderr
    assert "storageclass/alice-lab13-ledger" in started.stdout.partition("not put on this cluster: ")[2]
    assert alice.kindlab("solve", "13").returncode == 0
    done = alice.kindlab("check", "13", "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    here = {task["id"] for task in report["tasks"] if not task["not_here"]}
    assert here == {"orders-default"}
    assert (report["points"], report["max_points"]) == (5, 5)
    assert "you may not create storageclasses" in report["tasks"][1]["not_here"]


def test_verify_lists_labs_that_cannot_run_there_and_grades_none_of_them(
    kindlab: Run, found: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    done = kindlab("verify", "08", "14", "--cluster", "current", "--yes", "--out", str(tmp_path / "parity.md"))
    assert done.returncode == 1, done.stderr
    assert "Nothing was graded" in done.stdout
    text = (tmp_path / "parity.md").read_text(encoding="utf-8")
    assert "- 08-network-policy: It needs a network plugin that enforces NetworkPolicies" in text
    assert "- 14-snapshots-and-clones: It needs volumes that can be snapshotted" in text
    assert "## What differs\n\nNothing." in text
