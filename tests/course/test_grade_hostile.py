"""A class of students who would rather fool or break the grader than solve the lab. Each costs only itself, within a
bounded time and memory, and is told what is wrong; none gets a point for it."""

import json
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.course.command import runner

from kindlab import farm, labs
from kindlab.batch import one
from kindlab.batch.submission import Submission
from kindlab.clusters import nursery

pytestmark = [pytest.mark.xdist_group("grade-hostile"), pytest.mark.timeout(900), pytest.mark.slow]
LAB = labs.find("02")
SOLUTION = LAB.solution_folder
RIGHT = (SOLUTION / "storefront.yaml").read_text(encoding="utf-8")
ADDRESS = (SOLUTION / "wrong" / "storefront-still-a-pod-address" / "storefront.yaml").read_text(encoding="utf-8")
TASK = "storefront-by-name"
ARGS, IMAGE = "          args: [netexec, --http-port=8080]\n", "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
FAKE = """      volumes: [{name: tools, configMap: {name: tools, defaultMode: 0755}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: tools}
data: {curl: "#!/bin/sh\\nexec wget -q -O - http://catalog/hostname\\n"}
"""
FLOOD = """
---
apiVersion: v1
kind: Pod
metadata: {name: flood, labels: {app: flood}}
spec:
  containers:
    - name: flood
      image: busybox:1.36
      command: [sh, -c, "while true; do (printf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; yes endless) | nc -l -p 8080; done"]
---
apiVersion: v1
kind: Service
metadata: {name: flood}
spec: {selector: {app: flood}, ports: [{port: 80, targetPort: 8080}]}
"""
LOOPS = """
apiVersion: v1
kind: Pod
metadata: {name: bomb}
spec:
  containers:
    - {name: loop, image: "busybox:1.36", command: [sh, -c, "while :; do :; done"]}
    - {name: bomb, image: "busybox:1.36", command: [sh, -c, "b() { b | b & }; b; sleep 1000"]}
"""


def first(script: str) -> str:
    """In place of the storefront's arguments: a script before its server."""
    return f'          command: [sh, -c, "{script}; exec /agnhost netexec --http-port=8080"]\n'


def mounted(at: str, path: str = "") -> str:
    sub = f", subPath: {path}" if path else ""
    return f"          volumeMounts: [{{name: tools, mountPath: {at}{sub}}}]\n"


WRAPPER = (
    "cd /usr/bin; rm -f curl; (echo '#!/bin/sh'; echo exec wget -q -O - http://catalog/hostname) > curl; chmod 755 curl"
)
STOREFRONTS = {
    "honest": RIGHT,
    "covers-curl": ADDRESS + mounted("/usr/bin/curl", "curl") + FAKE,
    "covers-bin": ADDRESS + mounted("//bin/../usr//bin/") + FAKE,
    "path-before": ADDRESS.replace(
        "          env:\n", "          env:\n            - {name: PATH, value: /tools:/bin:/usr/bin}\n"
    )
    + mounted("/tools")
    + FAKE,
    "writes-curl": ADDRESS.replace(ARGS, first(WRAPPER)),
    "removes-sh": RIGHT.replace(ARGS, first("rm -f /bin/sh /bin/busybox")),
    "has-no-sh": RIGHT.replace(IMAGE, "hashicorp/http-echo:1.0").replace(
        ARGS, '          args: ["-listen=:8080", "-text=hi"]\n'
    ),
    "answers-forever": RIGHT.replace("http://catalog", "http://flood") + FLOOD,
}


@dataclass(frozen=True)
class Class:
    out: Path
    code: int
    said: str

    def report(self, who: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "results" / f"{who}.json").read_text(encoding="utf-8"))
        report: dict[str, Any] = found["report"]
        return report

    def failed(self, who: str) -> dict[str, dict[str, Any]]:
        """The checks that did not pass, by name; all of the storefront's task, or the test fails."""
        tasks = self.report(who)["tasks"]
        assert [task["id"] for task in tasks if task["outcome"] != "passed"] == [TASK], who
        checks = [check for task in tasks for check in task["checks"] if check["outcome"] != "passed"]
        assert {check["outcome"] for check in checks} == {"failed"}, who
        return {check["name"]: check for check in checks}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Class:
    place = tmp_path_factory.mktemp("hostile")
    for who, storefront in STOREFRONTS.items():
        assert storefront not in (ADDRESS, *([] if who == "honest" else [RIGHT])), who
        shutil.copytree(SOLUTION, place / "class" / who, ignore=shutil.ignore_patterns("wrong", "alternatives"))
        (place / "class" / who / "storefront.yaml").write_text(storefront, encoding="utf-8")
    run = runner(KINDLAB_HOME=str(place / "home"), KINDLAB_WORK=str(place / "work"))
    done = run("grade", str(place / "class"), "--lab", "02", "--out", str(place / "out"))
    return Class(place / "out", done.returncode, done.stdout + done.stderr)


def test_each_has_a_grade_and_costs_only_itself(graded: Class) -> None:
    assert graded.code == 0, graded.said
    assert "could not be graded" not in graded.said
    less = LAB.max_points - LAB.task(TASK).points
    points = {who: graded.report(who)["points"] for who in STOREFRONTS}
    assert points == dict.fromkeys(STOREFRONTS, less) | {"honest": LAB.max_points, "removes-sh": LAB.max_points}


@pytest.mark.parametrize(("who", "at"), [("covers-curl", "/usr/bin/curl"), ("covers-bin", "/usr/bin")])
def test_who_mounts_a_volume_over_programs_is_told_so(graded: Class, who: str, at: str) -> None:
    failed = graded.failed(who)
    assert set(failed) == {
        "test_storefront_asks_by_name",
        "test_storefront_reaches_the_catalog",
        "test_storefront_survives_replaced_pods",
    }
    for check in failed.values():
        assert check["expected"].startswith("the image's own programs in container server of Pod storefront-")
        assert (
            check["seen"]
            == f"a volume is mounted at {at}, over programs or what they load: what they say there proves nothing"
        )
        assert check["next"].startswith(
            "take that mount out of the Pod, no task asks for it: kubectl get pod storefront-"
        )
    page = (graded.out / "students" / who / "report.md").read_text(encoding="utf-8")
    assert f"a volume is mounted at {at}" in page


@pytest.mark.parametrize("who", ["path-before", "writes-curl"])
def test_what_is_put_before_or_over_programs_is_not_believed(graded: Class, who: str) -> None:
    check = graded.failed(who)["test_storefront_reaches_the_catalog"]
    assert "curl: (28)" in check["seen"]


def test_who_has_no_shell_fails_the_checks_that_need_one(graded: Class) -> None:
    for check in graded.failed("has-no-sh").values():
        assert check["seen"] == 'exec: "/bin/sh": stat /bin/sh: no such file or directory'
        assert check["expected"].startswith("/bin/sh runs in container server of Pod storefront-")


def test_who_answers_forever_is_broken_off(graded: Class) -> None:
    check = graded.failed("answers-forever")["test_storefront_reaches_the_catalog"]
    assert check["seen"] == "more than 4 MB came, and it was broken off"
    assert check["seconds"] < 60


@pytest.mark.skipif(not nursery.possible(), reason="limits of clusters are those of forked ones, on Linux")
def test_who_computes_forever_costs_the_limit_once_and_is_told(tmp_path: Path) -> None:
    files = tmp_path / "eve"
    shutil.copytree(SOLUTION, files, ignore=shutil.ignore_patterns("wrong", "alternatives"))
    (files / "zz.yaml").write_text(LOOPS, encoding="utf-8")
    work = partial(one.grade_one, lab=LAB, cluster="pocket")
    done = farm.once(work, Submission("eve", "Eve", files), farm.Limits(cpu=8))
    assert done.overran
    assert done.problem.startswith("its cluster used more than 8 s of CPU: something in it computes without end")
    assert done.cpu < 40
