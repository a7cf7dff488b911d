"""A submission in namespaces of its own, on a cluster that goes on living."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kindlab import labs, workspace
from kindlab.api import Api, ApiError
from kindlab.batch import putting, spaces
from kindlab.batch.submission import Submission
from kindlab.checks.visitor import Guest, may_stand_outside, visitors
from kindlab.errors import Problem
from kindlab.farm import Finished
from kindlab.grading import runner
from kindlab.labs import Lab

POD = {"containers": [{"name": "a", "image": "busybox:1.36"}]}


def submission(folder: Path | None = None, name: str = "Zoë Müller") -> Submission:
    return Submission(name, name, folder)


def there(api: Api) -> set[str]:
    """Namespaces that a submission has and that are not on their way out."""
    found = [one["metadata"] for one in api.list("Namespace", labels=spaces.RUN)]
    return {meta["name"] for meta in found if not meta.get("deletionTimestamp")}


@pytest.fixture(autouse=True)
def _nothing_stays(api: Api) -> Iterator[None]:
    yield
    assert there(api) == set()


def test_a_submission_is_graded_under_its_prefix_and_gone_afterwards(api: Api, tmp_path: Path) -> None:
    lab = labs.find("08")  # whose grader stands in the network of a node, which these namespaces allow nobody
    for file in labs.manifests(lab.solution_folder):
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    with spaces.theirs(api, lab, submission(tmp_path)) as mine:
        assert putting.put(mine, api, submission(tmp_path)) == []
        assert there(api) == set(mine.spaces)
        bad = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bad"}, "spec": {**POD, "hostPID": True}}
        with pytest.raises(ApiError, match='violates PodSecurity "baseline:latest"'):
            api.create(bad, mine.namespace)
        report = runner.grade(mine, api)
        assert report.points == report.max_points, [c for t in report.tasks for c in t.checks if c.seen]
        assert mine.owner.startswith("zomller")


def test_what_a_namespace_holds_is_bounded(api: Api) -> None:
    with spaces.theirs(api, labs.find("11"), submission()) as mine:
        spaces.make(api, mine)
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "30Gi"}}}
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "a"}, "spec": spec}
        with pytest.raises(ApiError, match="maximum storage usage per PersistentVolumeClaim is 20Gi"):
            api.create(claim, mine.namespace)
        [quota] = api.list("ResourceQuota", mine.namespace)
        assert quota["spec"]["hard"] == spaces.QUOTA


@pytest.mark.parametrize("how", [KeyboardInterrupt, Problem, RuntimeError])
def test_it_is_gone_however_it_ends(api: Api, how: type[BaseException]) -> None:
    def broken() -> None:
        with spaces.theirs(api, labs.find("02"), submission()) as mine:
            spaces.make(api, mine)
            raise how("x")

    with pytest.raises(how):
        broken()


def test_what_a_killed_run_left_behind_is_found_and_nothing_else(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = labs.find("03")
    with spaces.theirs(api, lab, submission(name="alive")) as mine:
        spaces.make(api, mine)
        left = lab.under(spaces.prefix("left"))
        host = spaces.this_run().partition("-")[0]
        monkeypatch.setattr(spaces, "this_run", lambda: f"{host}-4194305-killed")  # beyond the largest number there is
        spaces.make(api, left)
        monkeypatch.undo()
        assert spaces.sweep(api) == [left.owner]
        assert there(api) == set(mine.spaces)


def test_a_class_is_graded_one_after_the_other(api: Api) -> None:
    lab = labs.find("02")
    seen: list[str] = []

    def work(api: Api, one: Submission, *, lab: Lab) -> str:
        seen.append(lab.owner)
        if one.id == "breaks":
            raise RuntimeError("a fault of ours")
        workspace.make_namespaces(api, lab)
        return lab.namespace

    done: list[Finished[Submission, str]] = list(
        spaces.grown(api, lab)(work, [submission(name="a"), submission(name="breaks"), submission(name="c")])
    )
    assert [one.result is not None for one in done] == [True, False, True]
    assert "a fault of ours" in done[1].problem
    assert len(set(seen)) == 3


def test_a_guest_in_a_nodes_network_lives_elsewhere_where_that_is_forbidden(api: Api) -> None:
    with spaces.theirs(api, labs.find("02"), submission()) as mine:
        spaces.make(api, mine)
        assert may_stand_outside(api, mine.namespace)
        inside = Guest(mine.namespace, serves=8080)
        with visitors(api, {"in": inside, "out": Guest(mine.namespace, host_network=True)}) as clients:
            pod = clients["out"].object()
            assert pod["metadata"]["namespace"] != mine.namespace
            assert pod["spec"]["hostNetwork"]
            assert pod["status"]["podIP"] == pod["status"]["hostIP"]
            name = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "in"}}
            spec = {
                "clusterIP": "None",
                "selector": {"app.kubernetes.io/managed-by": "kindlab"},
                "ports": [{"port": 8080}],
            }
            api.create({**name, "spec": spec}, mine.namespace)
            assert clients["out"].addresses("in", until=[clients["in"].object()["status"]["podIP"]], timeout=30)


@pytest.mark.parametrize(
    ("number", "alone", "level"),
    [("02", False, "baseline"), ("04", True, "privileged"), ("06", True, "baseline"), ("12", True, "privileged")],
)
def test_which_labs_wait_for_each_other_and_what_they_enforce(number: str, alone: bool, level: str) -> None:
    lab = labs.find(number).under("alice")
    assert (spaces.is_alone(lab), spaces.level(lab)) == (alone, level)


@pytest.mark.parametrize("name", ["", "12", "lab", "../x", "a" * 90, "Zoë", "lab12", "x@y.example", "王"])
def test_a_prefix_is_one_and_no_two_ids_share_it(name: str) -> None:
    assert spaces.prefix(name) != spaces.prefix(name + " ")
    assert labs.find("02").under(spaces.prefix(name)).owner == spaces.prefix(name)
