"""A lab from start to 40 of 40 points, and everything that may come between: bugs of a grader, a cluster that dies,
a namespace that is not there. Whatever could not be graded is never a zero."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tests.course.command import ROOT, Run, runner

from kindlab import labs, workspace
from kindlab.api import Api
from kindlab.clusters.base import Status

pytestmark = pytest.mark.xdist_group("course")

SLUG = "02-services"
Done = CompletedProcess[str]


# -- the story: started -> checked -> solved; each step happens once


@pytest.fixture(scope="module")
def started(kindlab: Run, api: Api) -> Done:
    workspace.remove_namespace(api, SLUG)
    done = kindlab("start", "02")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def checked(kindlab: Run, started: Done) -> Done:
    return kindlab("check", "02", "--json")


@pytest.fixture(scope="module")
def solved(kindlab: Run, checked: Done) -> Done:
    done = kindlab("solve", "02")
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def passed(kindlab: Run, solved: Done) -> Done:
    return kindlab("check", "02", "--json")


def test_start_copies_the_files_and_applies_what_the_lab_starts_from(started: Done, work: Path, api: Api) -> None:
    lab = labs.find("02")
    assert {f.name for f in (work / SLUG).iterdir()} == {*(f.name for f in lab.start_files), f"{SLUG}.ipynb"}
    assert api.get("Service", "cart", SLUG) is not None
    assert api.get("Service", "catalog", SLUG) is None  # the learner's to write
    assert "kindlab check 02" in started.stdout


def test_every_task_fails_and_says_why(checked: Done) -> None:
    assert checked.returncode == 1
    report = json.loads(checked.stdout)
    assert (report["outcome"], report["points"], report["max_points"]) == ("failed", 0, 40)
    assert len(report["tasks"]) == 7
    for task in report["tasks"]:
        assert task["outcome"] == "failed", task
        assert task["points"] == 0
        for key in ("expected", "seen", "broken_hop", "next"):
            assert task[key], f"{task['id']} does not say {key}"


def test_each_task_names_its_own_broken_hop(checked: Done) -> None:
    hops = {t["id"]: t["broken_hop"] for t in json.loads(checked.stdout)["tasks"]}
    assert hops["catalog-service"].startswith("Service: there is no Service catalog")
    assert hops["storefront-by-name"].startswith("Client: ")
    assert hops["cart-selector"].startswith(
        "Selector: selector app=carts matches no Pod; the nearest Pods carry app=cart"
    )
    assert hops["payment-ports"].startswith("Service port: Service payment has no port 80; it listens on 8081")
    assert re.match(
        r"Answer: \d+ of \d+ connections to orders:80 failed: connection refused", hops["orders-named-port"]
    )
    assert hops["inventory-readiness"].startswith("Ready Pods: none of the 2 Pods is ready")
    assert hops["catalog-scale"].startswith("Service: there is no Service catalog")


def test_the_json_has_the_documented_keys(checked: Done) -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    documented = text.partition("`kindlab check LAB --json`:")[2].partition("\n\n")[0]
    values = {"passed", "failed", "could-not-grade"}
    whole, task, check = (
        set(re.findall(r"`([a-z_-]+)`", part)) - values
        for part in re.split(r"`(?:tasks|checks)\[\]`\s+with", documented)
    )
    report = json.loads(checked.stdout)
    assert report.keys() == whole | {"tasks"}
    for row in report["tasks"]:
        assert row.keys() == task | {"checks"}
        assert row["checks"]
        assert all(c.keys() - {"task"} == check for c in row["checks"])


def test_the_solution_scores_everything(passed: Done, kindlab: Run) -> None:
    assert passed.returncode == 0, passed.stdout
    report = json.loads(passed.stdout)
    assert (report["outcome"], report["points"], report["problem"]) == ("passed", 40, "")
    assert {t["outcome"] for t in report["tasks"]} == {"passed"}
    assert {t["expected"] + t["seen"] + t["broken_hop"] + t["next"] for t in report["tasks"]} == {""}


def test_solve_leaves_the_learners_files_alone(solved: Done, work: Path) -> None:
    for file in labs.find("02").start_files:
        assert (work / SLUG / file.name).read_bytes() == file.read_bytes()


def test_progress_is_written(passed: Done, kindlab: Run, work: Path) -> None:
    table = tomllib.loads((work / "progress.toml").read_text(encoding="utf-8"))[SLUG]
    assert table["attempts"] >= 2
    assert (table["points"], table["max_points"]) == (40, 40)
    assert table["best"] == {t.id: t.points for t in labs.find("02").tasks}
    assert table["started"] <= table["last_check"]
    assert "finished" in table
    row = next(r for r in json.loads(kindlab("list", "--json").stdout)["labs"] if r["slug"] == SLUG)
    assert (row["points"], row["max_points"], row["started"]) == (40, 40, True)


# -- one task, and the words on the terminal


def test_one_task_alone_is_checked_and_does_not_count_as_an_attempt(passed: Done, kindlab: Run, work: Path) -> None:
    before = (work / "progress.toml").read_text(encoding="utf-8")
    done = kindlab("check", "02", "--task", "payment-ports")
    assert done.returncode == 0, done.stdout
    assert "6 of 6 points" in done.stdout
    assert "payment-ports" in done.stdout
    assert "cart-selector" not in done.stdout
    assert kindlab("check", "02", "--task", "4", "--json").stdout.startswith(
        '{"lab": "02-services", "outcome": "passed"'
    )
    assert (work / "progress.toml").read_text(encoding="utf-8") == before


def test_a_task_that_does_not_exist(kindlab: Run) -> None:
    done = kindlab("check", "02", "--task", "no-such-task")
    assert done.returncode == 2
    assert "has no task no-such-task" in done.stderr
    assert "4 payment-ports" in done.stderr


def test_a_mistake_after_the_solution_costs_one_task_only(passed: Done, kindlab: Run, api: Api) -> None:
    api.patch("Service", "cart", SLUG, {"spec": {"selector": {"app": "carrt"}}})
    try:
        done = kindlab("check", "--task", "cart-selector")  # without LAB: the one that was checked last
    finally:
        api.patch("Service", "cart", SLUG, {"spec": {"selector": {"app": "cart"}}})
    assert done.returncode == 1
    assert "0 of 6 points" in done.stdout
    words = " ".join(done.stdout.split())
    assert "expected every request to http://cart/hostname answered" in words
    assert "requests: connection refused" in words
    assert (
        "broken hop Selector: selector app=carrt matches no Pod; the nearest Pods carry app=cart,tier=backend" in words
    )
    assert "next kubectl get pods -n 02-services --show-labels" in words
    assert f"Stuck? kindlab hint {SLUG} cart-selector" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b[" not in done.stdout


# -- start again, reset, hints


def test_start_again_touches_nothing(passed: Done, kindlab: Run, work: Path, api: Api) -> None:
    mine = work / SLUG / "cart.yaml"
    mine.write_text("# mine now\n", encoding="utf-8")
    (work / SLUG / "orders.yaml").unlink()
    before = {kind: versions(api, kind) for kind in ("Deployment", "Service", "Namespace")}
    done = kindlab("start", "02")
    assert done.returncode == 0
    assert mine.read_text(encoding="utf-8") == "# mine now\n"
    assert "copied: orders.yaml" in done.stdout
    assert "kept as you left them: cart.yaml, catalog-service.yaml" in done.stdout
    assert "already on the cluster: deployment/catalog" in done.stdout
    assert {kind: versions(api, kind) for kind in before} == before


def versions(api: Api, kind: str) -> dict[str, int]:
    found = [api.get(kind, SLUG)] if kind == "Namespace" else api.list(kind, SLUG)
    return {o["metadata"]["name"]: o["metadata"].get("generation", o["metadata"]["uid"]) for o in found if o}


def test_reset_of_a_task_puts_back_what_is_its_own(passed: Done, kindlab: Run, work: Path, api: Api) -> None:
    mine = work / SLUG / "payment.yaml"
    more = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mine"}, "spec": {"ports": [{"port": 80}]}}
    start = labs.find("02").folder / "start" / "payment.yaml"
    mine.write_text(start.read_text() + "---\n" + json.dumps(more) + "\n", encoding="utf-8")
    api.create(more, SLUG)
    api.create({**more, "metadata": {"name": "by-hand"}}, SLUG)
    before = {name: uid for name, uid in uids(api).items() if "payment" not in name}
    done = kindlab("reset", "02", "--task", "payment-ports")
    assert done.returncode == 0, done.stderr
    assert "removed from the cluster: service/mine" in done.stdout
    assert "put there as the lab starts: deployment/payment, service/payment" in done.stdout
    assert "still there, under names of your own: service/by-hand" in done.stdout
    assert mine.read_bytes() == start.read_bytes()
    assert any("by-hand" not in f.read_text() and "mine" in f.read_text() for f in aside(work, "payment.yaml"))
    assert uids(api).items() >= {name: uid for name, uid in before.items() if name != "Service mine"}.items()
    report = json.loads(kindlab("check", "02", "--json").stdout)
    assert {t["id"] for t in report["tasks"] if t["outcome"] != "passed"} == {"payment-ports"}
    api.delete("Service", "by-hand", SLUG)
    solution = labs.find("02").solution_folder / "payment.yaml"
    workspace.apply(api, SLUG, [solution])


def uids(api: Api) -> dict[str, str]:
    found = [(kind, obj) for kind in ("Deployment", "Service") for obj in api.list(kind, SLUG)]
    return {f"{kind} {obj['metadata']['name']}": obj["metadata"]["uid"] for kind, obj in found}


def aside(work: Path, name: str) -> list[Path]:
    return list((work / "before-reset").glob(f"*/{name}"))


def test_a_file_of_two_tasks_is_put_back_only_when_that_is_said(kindlab: Run, started: Done) -> None:
    refused = kindlab("reset", "06", "--task", "class")
    assert refused.returncode == 2
    assert "shop.yaml is also the file of canary-path" in refused.stderr
    assert "--yes" in refused.stderr


def test_reset_begins_again_and_keeps_the_old_files(passed: Done, kindlab: Run, work: Path, api: Api) -> None:
    (work / SLUG / "cart.yaml").write_text("# an evening's work\n", encoding="utf-8")
    old = api.get("Namespace", SLUG)
    done = kindlab("reset", "02")
    new = api.get("Namespace", SLUG)
    assert done.returncode == 0, done.stderr
    assert old is not None
    assert new is not None
    assert old["metadata"]["uid"] != new["metadata"]["uid"]
    assert api.get("Service", "catalog", SLUG) is None
    start = labs.find("02").folder / "start" / "cart.yaml"
    assert (work / SLUG / "cart.yaml").read_bytes() == start.read_bytes()
    assert kindlab("reset", "02", "-y").returncode == 0  # within the same second, perhaps
    kept = {f.parent.name: f.read_text() for f in (work / "before-reset").glob("*/cart.yaml")}
    assert sorted(kept.values()) == sorted(["# an evening's work\n", start.read_text()])
    assert any(name in done.stdout for name, text in kept.items() if "evening" in text)


def test_hints_never_show_the_solution(kindlab: Run, tmp_path: Path) -> None:
    lab = labs.find("02")
    start = {line.strip() for f in lab.start_files for line in f.read_text().splitlines()}
    solution = {line.strip() for f in labs.manifests(lab.solution_folder) for line in f.read_text().splitlines()}
    secret = {line for line in solution - start if ":" in line}
    assert secret
    taken = "\n".join(f"{task.id} = 9" for task in lab.tasks)  # so that every hint is shown at once
    (tmp_path / "progress.toml").write_text(f"[{SLUG}.hints]\n{taken}\n")
    for task in lab.tasks:
        done = kindlab("hint", "02", task.id, KINDLAB_WORK=str(tmp_path))
        assert done.returncode == 0
        assert done.stdout.count("\n  ") == len(task.hints)
        assert not [line for line in secret if line in done.stdout]


# -- what could not be graded

LAB = """
format = 1
title = "A lab for the tests"
about = "nothing"
minutes = 1
kcna = ["none"]
apply_at_start = []

[[tasks]]
id = "good"
title = "Nothing to do"
points = 1
hints = ["one", "two"]

[[tasks]]
id = "other"
title = "Whatever"
points = 2
hints = ["one", "two"]
"""
GOOD = """
import os, signal
from kindlab.checks import CouldNotGrade, check

@check("good", "the namespace is there")
def test_good(lab):
    assert lab.api.get("Namespace", lab.namespace)

@check("other", "the other thing holds")
def test_other(lab):
"""


class Course:
    """A course with one small lab, whose grader a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "labs" / "99-tiny" / "start").mkdir(parents=True)
        (folder / "labs" / "99-tiny" / "lab.toml").write_text(LAB)
        (folder / "graders").mkdir()
        shutil.copyfile(ROOT / "graders" / "pytest.ini", folder / "graders" / "pytest.ini")
        self.work = folder / "work"
        self.kindlab = runner(KINDLAB_COURSE=str(folder), KINDLAB_WORK=str(self.work))

    def grader(self, body: str) -> None:
        (self.folder / "graders" / "test_99_tiny.py").write_text(GOOD + body)

    def check(self, body: str, **environment: str) -> tuple[int, dict[str, Any], str]:
        """(exit code, report, standard error) of a check with this as the body of the second check."""
        self.grader(body)
        done = self.kindlab("check", "99", "--json", **environment)
        return done.returncode, json.loads(done.stdout), done.stderr

    @property
    def progress(self) -> dict[str, Any]:
        file = self.work / "progress.toml"
        return tomllib.loads(file.read_text()).get("99-tiny", {}) if file.exists() else {}


@pytest.fixture
def course(pocket: Status, api: Api, tmp_path: Path) -> Iterator[Course]:
    found = Course(tmp_path)
    assert found.kindlab("start", "99").returncode == 0
    yield found
    workspace.remove_namespace(api, "99-tiny")


def test_start_again_keeps_a_service_whose_node_port_is_fixed(course: Course) -> None:
    lab = course.folder / "labs" / "99-tiny"
    ports = "[{port: 80, nodePort: 30021}]"
    service = f"apiVersion: v1\nkind: Service\nmetadata: {{name: door}}\nspec: {{type: NodePort, ports: {ports}}}\n"
    (lab / "start" / "door.yaml").write_text(service)
    (lab / "lab.toml").write_text(LAB.replace("apply_at_start = []", 'apply_at_start = ["door.yaml"]'))
    assert "created on the cluster: service/door" in course.kindlab("start", "99").stdout
    again = course.kindlab("start", "99")  # the API server refuses the number before it looks at the name
    assert again.returncode == 0, again.stderr
    (lab / "start" / "door.yaml").write_text(service.replace("door", "another"))
    refused = course.kindlab("start", "99")
    assert refused.returncode != 0
    assert "provided port is already allocated" in refused.stderr


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("    lab.nosuch()", "the check itself broke (AttributeError: "),
        ("    return 1 / 0", "the check itself broke (ZeroDivisionError: division by zero)"),
        ("    raise CouldNotGrade('the moon is in the way')", "the moon is in the way"),
        ("    lab.list('Nothing')", 'the cluster serves no kind "Nothing"'),
        ("    raise SystemExit(0)", "the check itself broke (SystemExit"),
    ],
)
def test_a_bug_of_the_grader_is_no_zero(course: Course, body: str, seen: str) -> None:
    code, report, stderr = course.check(body)
    assert code == 3
    assert (report["outcome"], report["points"]) == ("could-not-grade", 1)
    assert [t["outcome"] for t in report["tasks"]] == ["passed", "could-not-grade"]
    assert seen in report["tasks"][1]["seen"]
    assert "kindlab check" in report["tasks"][1]["next"]
    assert "Traceback" not in stderr
    assert "best" not in course.progress


ASKS = """
    assert lab.probe.get("http://127.0.0.1:1").exit == 7
    with open(os.environ["TRIES"], "a") as tries:
        tries.write("x")
    if os.path.getsize(os.environ["TRIES"]) <= int(os.environ["DELETED"]):
        lab.api.delete("Pod", "kindlab-probe", lab.namespace, wait=True, grace=0)
    assert lab.probe.get("http://127.0.0.1:1").exit == 7
"""


def test_a_probe_that_somebody_deletes_in_the_middle_is_made_anew_and_costs_nothing(course: Course) -> None:
    tries = course.folder / "tries"
    code, report, _ = course.check(ASKS, TRIES=str(tries), DELETED="1")
    assert code == 0, report
    assert (report["outcome"], report["points"]) == ("passed", 3)
    assert tries.read_text() == "xx"


def test_a_probe_that_is_deleted_again_and_again_is_no_zero(course: Course) -> None:
    tries = course.folder / "tries"
    code, report, _ = course.check(ASKS, TRIES=str(tries), DELETED="9")
    assert code == 3
    assert [t["outcome"] for t in report["tasks"]] == ["passed", "could-not-grade"]
    assert "kindlab-probe" in report["tasks"][1]["seen"]
    assert tries.read_text() == "xx", "once more, and not a third time"
    assert "best" not in course.progress


def test_a_grader_knows_which_tasks_are_graded(course: Course) -> None:
    course.grader("    pass\n\n@check('other', 'all are')\ndef test_all(tasks):\n    assert tasks == {'good', 'other'}")
    assert course.kindlab("check", "99").returncode == 0
    course.grader("    pass\n\n@check('other', 'one is')\ndef test_one(tasks):\n    assert tasks == {'other'}")
    assert course.kindlab("check", "99", "--task", "other").returncode == 0


def test_the_terminal_says_that_it_costs_no_points(course: Course) -> None:
    course.grader("    return 1 / 0")
    done = course.kindlab("check", "99")
    assert done.returncode == 3
    assert "that costs no points" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("grader", "why"),
    [
        ("def test_x(lab:", "the grader cannot be loaded"),
        ("import nosuchmodule", "the grader cannot be loaded"),
        ("def test_x(lab):\n    pass\n", "these tests of the grader belong to no task: test_x"),
        ("", "The grader ran no check"),
    ],
)
def test_a_grader_that_cannot_run_is_no_zero(course: Course, grader: str, why: str) -> None:
    (course.folder / "graders" / "test_99_tiny.py").write_text(grader)
    done = course.kindlab("check", "99", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 3
    assert report["outcome"] == "could-not-grade"
    assert {t["outcome"] for t in report["tasks"]} == {"could-not-grade"}
    assert why in report["problem"]
    assert "not yours" in report["problem"]
    assert "best" not in course.progress


def test_a_failure_beside_a_grader_bug_is_a_failure(course: Course) -> None:
    body = '    assert False, "it does not"\n\n@check("good", "a broken one")\ndef test_more(lab):\n    return 1 / 0'
    code, report, _ = course.check(body)
    assert code == 1
    assert [t["outcome"] for t in report["tasks"]] == ["could-not-grade", "failed"]
    assert report["tasks"][1]["seen"] == "it does not"
    assert report["tasks"][1]["expected"] == "the other thing holds"


def test_a_namespace_that_does_not_exist(course: Course, api: Api) -> None:
    workspace.remove_namespace(api, "99-tiny")
    course.grader("    pass")
    done = course.kindlab("check", "99")
    assert done.returncode == 3
    assert "namespace 99-tiny does not exist" in done.stdout + done.stderr
    assert "kindlab start 99-tiny" in done.stdout + done.stderr
    code, report, _ = course.check("    pass")
    assert code == 3
    assert {t["outcome"] for t in report["tasks"]} == {"could-not-grade"}
    assert "best" not in course.progress


def test_a_cluster_that_dies_in_the_middle_is_no_zero(another: Status, tmp_path: Path) -> None:
    assert another.kubeconfig is not None
    folder = Path(another.kubeconfig).parent
    course = Course(tmp_path)
    home = {"KINDLAB_HOME": str(folder.parents[1])}
    (folder.parents[1] / "active.json").write_text('{"kind": "pocket", "name": "another", "context": null}')
    assert course.kindlab("start", "99", **home).returncode == 0
    course.grader("    os.kill(int(os.environ['VICTIM']), signal.SIGKILL)\n    lab.list('Pod')")
    done = course.kindlab("check", "99", "--json", VICTIM=(folder / "pid").read_text(), **home)
    report = json.loads(done.stdout)
    assert done.returncode == 3, done.stdout
    assert report["outcome"] == "could-not-grade"
    assert {t["outcome"] for t in report["tasks"]} == {"could-not-grade"}
    assert "The cluster went away while it was being graded." in report["problem"]
    assert "best" not in course.progress
    after = course.kindlab("check", "99", **home)
    assert after.returncode == 3
    assert "not ready" in after.stderr
    assert "kindlab up" in after.stderr


# -- a learner's evening: Ctrl-C, two windows, a folder that is not writable


def test_ctrl_c_in_the_middle_of_a_check_ends_it(course: Course) -> None:
    course.grader("    os.kill(os.getpid(), signal.SIGINT)\n    lab.list('Pod')")
    done = course.kindlab("check", "99")
    assert done.returncode == 130
    assert done.stdout == ""
    assert "Stopped. Nothing was lost" in done.stderr
    assert "Traceback" not in done.stderr
    assert "attempts" not in course.progress


def test_two_checks_of_one_namespace_take_turns(course: Course) -> None:
    course.grader(
        "    alone = os.environ['ALONE']\n    os.close(os.open(alone, os.O_CREAT | os.O_EXCL))\n"
        "    for _ in range(20):\n        lab.list('Pod')\n    os.unlink(alone)"
    )
    with ThreadPoolExecutor() as pool:
        found = [
            pool.submit(course.kindlab, "check", "99", ALONE=str(course.folder / "alone"), KINDLAB_WORK=str(work))
            for work in (course.folder / "one", course.folder / "two")
        ]
        assert [one.result().returncode for one in found] == [0, 0], [one.result().stdout for one in found]


def test_a_result_that_cannot_be_written_down_is_shown_all_the_same(course: Course, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    course.grader("    pass")
    done = course.kindlab("check", "99", KINDLAB_WORK=str(tmp_path / "file"))
    assert done.returncode == 0
    assert "3 of 3 points" in done.stdout
    assert "could not be written to your progress" in done.stderr
    assert "KINDLAB_WORK puts your files into another folder" in done.stderr
    assert "Traceback" not in done.stderr
