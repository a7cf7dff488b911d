"""A submission on a cluster: put there through the fence, and graded like a learner's own work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kindlab import labs, steps, workspace
from kindlab.api import Api
from kindlab.batch import putting
from kindlab.batch.nodes import Here
from kindlab.batch.submission import Submission
from kindlab.grading import runner
from kindlab.labs import Lab

HOSTILE = Path(__file__).parents[1] / "unit" / "kindlab" / "batch" / "hostile"
WEB = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.k8s.io/e2e-test-images/agnhost:2.63.0", args: [pause]}]}
"""
PROBE = """---
apiVersion: v1
kind: Pod
metadata: {name: kindlab-probe}
spec: {containers: [{name: a, image: "busybox:1.36"}]}
"""


@pytest.fixture
def lab() -> Lab:
    return labs.find("02")


@pytest.fixture(autouse=True)
def _gone(api: Api, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    slug = request.node.callspec.params["slug"] if "slug" in request.fixturenames else "02"
    workspace.remove_namespaces(api, labs.find(slug))


def handed_in(folder: Path, **files: str) -> Submission:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return Submission("a", "a", folder)


@pytest.mark.parametrize(
    ("slug", "tasks"),
    [("04", ["stock-outside", "stock-repair", "billing-both"]), ("12", None), ("14", None), ("15", None)],
)
def test_a_right_answer_from_another_cluster_gets_all_points(
    api: Api, slug: str, tasks: list[str] | None, tmp_path: Path
) -> None:
    """Those that need most of the start: its machines, its folders on a node, its full volumes and nodes. In their
    files the node is called as kind calls it, and has another address."""
    lab = labs.find(slug)
    here = Here.of(api.list("Node")).working[0]
    address = here["status"]["addresses"][0]["address"]
    for file in labs.manifests(lab.solution_folder):
        if file.name == "crowd.yaml":  # more than a hundred Pods, which are about nothing here
            continue
        text = workspace.given(lab, file, api)
        text = text.replace(here["metadata"]["name"], "kind-worker").replace(address, "172.18.0.9")
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    if (order := lab.solution_folder / steps.FILE).is_file():
        (tmp_path / steps.FILE).write_text(order.read_text(encoding="utf-8"), encoding="utf-8")
    notes: list[str] = []
    submission = Submission("a", "a", tmp_path, nodes=("kind-control-plane", "kind-worker"))
    assert putting.put(lab, api, submission, notes=notes) == []
    report = runner.grade(lab, api, only=tasks)
    assert report.points == report.max_points, [c for t in report.tasks for c in t.checks if c.seen]
    assert bool(notes) == (slug in ("04", "12"))


def test_what_is_wrong_costs_only_itself(api: Api, lab: Lab, tmp_path: Path) -> None:
    submission = handed_in(
        tmp_path,
        a_broken__yaml="kind: Pod\n  bad: indent\n",
        b_words__yaml="just words\n---\n" + WEB + PROBE,
        c_large__yaml="#" * 300_000,
        d_refused__yaml="apiVersion: v1\nkind: Service\nmetadata: {name: Web_1}\nspec: {ports: [{port: 80}]}\n",
        e_odd__yaml="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndata: [1]\n",
        steps__toml='steps = ["explode"]',
        notes__txt="not looked at",
    )
    (tmp_path / "f_binary.yaml").write_bytes(bytes(range(256)))
    refused = {one.file: one for one in putting.put(lab, api, submission) if one.what != "pod/kindlab-probe"}
    assert set(refused) == {
        "a_broken.yaml",
        "b_words.yaml",
        "c_large.yaml",
        "d_refused.yaml",
        "e_odd.yaml",
        "f_binary.yaml",
        steps.FILE,
    }
    assert all(one.why and one.then for one in refused.values())
    assert 'Service "Web_1" is invalid' in refused["d_refused.yaml"].why
    assert api.get("Deployment", "web", lab.namespace)
    assert not api.get("Pod", "kindlab-probe", lab.namespace)
    assert api.list("Service", lab.namespace)  # what the lab starts from


def test_what_needs_a_later_file_is_tried_again(api: Api, lab: Lab, tmp_path: Path) -> None:
    spec = "{serviceAccountName: me, containers: [{name: a, image: b}]}"
    pod = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {spec}\n"
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: me}\n"
    assert putting.put(lab, api, handed_in(tmp_path, a__yaml=pod, b__yaml=account)) == []
    assert api.get("Pod", "a", lab.namespace)


def test_steps_are_bounded_and_the_last_are_done_all_the_same(
    api: Api, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(putting, "STEP", 1.0)
    order = 'steps = ["apply a.yaml", "wait Job/never", "apply missing.yaml", "scale Deployment/web 0"]'
    refused = putting.put(lab, api, handed_in(tmp_path, a__yaml=WEB, steps__toml=order))
    said = [one.what for one in refused]
    assert said[:2] == ["wait Job/never", "apply missing.yaml"]
    assert set(said[2:]) <= {"scale Deployment/web 0"}  # done, but a busy machine may not see the Pods go in a second
    web = api.get("Deployment", "web", lab.namespace)
    assert web is not None
    assert web["spec"]["replicas"] == 0


@pytest.mark.parametrize("order", ['steps = ["scale Deployment/web 100000"]', f"steps = {['wait Job/x'] * 50}", "a ="])
def test_steps_that_cannot_be_used_are_said(order: str, tmp_path: Path) -> None:
    refused: list[object] = []
    (tmp_path / steps.FILE).write_text(order, encoding="utf-8")
    assert putting._order(tmp_path, refused) == ()  # type: ignore[arg-type]
    assert "The files were applied one after the other" in str(refused)


def test_a_submission_without_files_is_the_labs_start(api: Api, lab: Lab) -> None:
    assert putting.put(lab, api, Submission("a", "a", None)) == []
    assert api.list("Deployment", lab.namespace)


def test_whoever_hands_in_all_that_is_hostile_is_graded_for_the_rest(api: Api, lab: Lab, tmp_path: Path) -> None:
    hostile = [file for file in sorted(HOSTILE.glob("*.yaml")) if "# lab: 02\n" in file.read_text(encoding="utf-8")]
    for file in [*hostile, *labs.manifests(lab.solution_folder)]:
        (tmp_path / file.name).write_text(lab.text(file), encoding="utf-8")
    refused = putting.put(lab, api, Submission("a", "a", tmp_path))
    assert sorted(one.file for one in refused) == sorted(file.name for file in hostile)
    report = runner.grade(lab, api)
    assert report.points == report.max_points, [c for t in report.tasks for c in t.checks if c.seen]
