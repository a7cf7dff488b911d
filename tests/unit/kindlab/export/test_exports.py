"""What `kindlab export` makes: whole, repeatable, and with nothing in it that a student must not have."""

import base64
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.unit.kindlab.grading.report.classroom import C, F, seen, student

from kindlab import export, labs
from kindlab.batch import alone
from kindlab.batch.policy import Policy
from kindlab.commands.export import export as command
from kindlab.errors import Problem, UsageProblem
from kindlab.export import classroom, gradescope, nbgrader

LAB = labs.find("02")


def test_each_file_of_the_folder_is_a_command():
    assert sorted(command.commands) == ["classroom", "gradescope", "nbgrader"]
    assert [found.name for found in export.scan()] == sorted(command.commands)


def test_starting_the_command_line_loads_nothing_that_an_export_needs():
    heavy = {"nbformat", "jinja2", "zipfile", "kindlab.farm"}
    code = f"import sys; from kindlab.cli import cli; cli.list_commands(None); print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# -- gradescope


@pytest.fixture(scope="module")
def autograder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gradescope") / "autograder.zip"
    gradescope.make(LAB, out)
    return out


def test_the_autograder_has_its_scripts_at_the_root_and_they_can_be_run(autograder: Path):
    with zipfile.ZipFile(autograder) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert archive.testzip() is None
    for name in gradescope.SCRIPTS:
        assert modes[name] & 0o111 == 0o111
    for name in ("packages/kindlab/cli.py", "packages/pocketkube/cluster.py", "requirements.lock"):
        assert name in modes
    assert {"course/graders/test_02_services.py", "course/graders/pytest.ini"} <= modes.keys()


def test_the_autograder_holds_this_lab_alone_and_no_solution(autograder: Path):
    with zipfile.ZipFile(autograder) as archive:
        names = archive.namelist()
        secret = (LAB.solution_folder / "cart.yaml").read_bytes()
        assert not any(secret == archive.read(name) for name in names if name.endswith(".yaml"))
    assert not [name for name in names if "solutions" in name or "__pycache__" in name]
    assert {name.split("/")[2] for name in names if name.startswith("course/labs/")} == {"02-services"}
    assert len(names) == len(set(names))


def test_the_same_content_makes_the_same_autograder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    files = [(f"course/{name}", LAB.folder / "start" / name) for name in ("cart.yaml", "orders.yaml")]
    for name, order in (("a.zip", files), ("b.zip", files[::-1])):
        monkeypatch.setattr(gradescope, "_files", lambda lab, order=order: iter(order))
        gradescope.make(LAB, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.zip", "b.zip"], "and nothing is left beside them"


def test_the_scripts_are_shell(autograder: Path, tmp_path: Path):
    with zipfile.ZipFile(autograder) as archive:
        for name in gradescope.SCRIPTS:
            archive.extract(name, tmp_path)
            done = subprocess.run(["bash", "-n", tmp_path / name], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_the_pinned_uv_is_the_projects():
    (pinned,) = re.findall(r"^UV_VERSION := (\S+)$", (Path(__file__).parents[4] / "Makefile").read_text(), re.MULTILINE)
    assert pinned == gradescope.UV


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ('{"created_at": "2026-11-20T10:00:00-08:00", "users": [{"name": "Ann", "email": "ann@uni.example"}]}', True),
        ("{}", False),
        ('{"users": 3}', False),
        ("[]", False),
        ("no json", False),
    ],
)
def test_what_gradescope_says_of_a_submission_is_optional(tmp_path: Path, said: str, known: bool):
    (tmp_path / "m.json").write_text(said)
    expected = ("Ann (ann@uni.example)", "2026-11-20T10:00:00-08:00") if known else ("", "")
    assert gradescope._metadata(tmp_path / "m.json") == expected
    assert gradescope._metadata(tmp_path / "absent.json") == ("", "")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "submission").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "results.json").write_text("{}")
    return tmp_path


def test_what_could_not_be_graded_leaves_no_results_for_gradescope(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(alone, "graded", lambda *_, **__: seen(student(web=C, dns=F)))
    assert gradescope.main(root, "02") == 3
    assert not (root / "results" / "results.json").exists(), "an older one neither"
    assert "no zero" in capsys.readouterr().out


def test_a_grade_is_written_for_gradescope(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alone, "graded", lambda *_, **__: seen(student(dns=F)))
    assert gradescope.main(root, "02") == 0
    assert json.loads((root / "results" / "results.json").read_text())["score"] == 10


def test_the_points_of_the_assignment_are_said(tmp_path: Path):
    done = CliRunner().invoke(command, ["gradescope", "02", "-o", str(tmp_path / "a.zip")], catch_exceptions=False)
    assert f"set the points to {LAB.max_points}." in done.output
    assert gradescope._worth(LAB, Policy(scale=20)) == "20"


def test_a_policy_goes_along_and_a_wrong_one_is_refused(tmp_path: Path):
    policy, out = tmp_path / "policy.toml", tmp_path / "a.zip"
    policy.write_text("pass_mark = 60\n")
    words = ["gradescope", "02", "-o", str(out), "--policy", str(policy)]
    CliRunner().invoke(command, words, catch_exceptions=False)
    with zipfile.ZipFile(out) as archive:
        assert archive.read("policy.toml") == policy.read_bytes()
    out.unlink()
    policy.write_text("pas_mark = 60")
    with pytest.raises(Problem):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert not out.exists()


@pytest.mark.parametrize("words", [["gradescope", "02"], ["nbgrader", "02"]])
def test_nothing_is_overwritten_unasked(tmp_path: Path, words: list[str]):
    out = tmp_path / "mine"
    out.write_text("mine")
    with pytest.raises(UsageProblem, match="is there already"):
        CliRunner().invoke(command, [*words, "-o", str(out)], catch_exceptions=False)
    assert out.read_text() == "mine"
    CliRunner().invoke(command, [*words, "-o", str(out), "--force"], catch_exceptions=False)
    assert out.read_bytes() != b"mine"


# -- classroom


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classroom") / "starter"
    classroom.make(LAB, out, "my-university/kindlab", "v1.0")
    return out


def test_the_repository_holds_what_a_learner_completes(repository: Path):
    for file in LAB.start_files:
        assert (repository / file.name).read_bytes() == file.read_bytes()
    readme = (repository / "README.md").read_text()
    assert all(task.title in readme for task in LAB.tasks)
    assert not [line for line in readme.splitlines() if "{{" in line or "{%" in line]


def test_the_workflow_is_one(repository: Path):
    text = (repository / classroom.WORKFLOW).read_text()
    workflow = yaml.safe_load(text)
    assert workflow["name"] == "Autograding Tests"
    assert set(workflow[True]) == {"push", "workflow_dispatch", "repository_dispatch"}, "YAML reads `on` as true"
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert 0 < job["timeout-minutes"] <= 30
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+\.\d+)?", use) for use in uses), "pinned by commit"
    assert not re.search(r"secrets\.|pull_request_target|GITHUB_TOKEN", text)
    checkouts = [step["with"] for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert all(one["persist-credentials"] is False for one in checkouts)
    assert checkouts[1]["repository"], checkouts[1]["ref"] == ("my-university/kindlab", "v1.0")
    assert text.count("${{") == text.count("}}")
    in_shell = [step["run"] for step in job["steps"] if "run" in step]
    assert not [line for line in in_shell if "${{" in line], "somebody's words are no script"


def test_the_reporter_is_told_where_each_tasks_result_is(repository: Path):
    (job,) = yaml.safe_load((repository / classroom.WORKFLOW).read_text())["jobs"].values()
    report, grade = job["steps"][-1], job["steps"][-2]
    runners = report["with"]["runners"].split(",")
    assert runners == [task.id for task in LAB.tasks]
    for runner in runners:
        # how the reporter finds it: the runner's name in capitals
        assert report["env"][f"{runner.upper()}_RESULTS"] == "${{ steps.kindlab.outputs." + runner + " }}"
    assert grade["id"] == "kindlab"
    assert "kindlab.export.classroom 02-services" in grade["run"]


@pytest.mark.parametrize(
    ("course", "ref"),
    [
        ("kindlab", "main"),
        ("a/b/c", "main"),
        ("a/b\n  run: evil", "main"),
        ("a/b", "../x"),
        ("a/b", '"; x'),
        ("a/b", ""),
    ],
)
def test_what_is_no_repository_is_refused(tmp_path: Path, course: str, ref: str):
    words = ["classroom", "02", "-o", str(tmp_path / "r"), "--course", course, "--ref", ref]
    with pytest.raises(UsageProblem):
        CliRunner().invoke(command, words, catch_exceptions=False)
    assert not (tmp_path / "r").exists()


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a job's files lie."""
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (tmp_path / name).touch()
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def test_a_grade_goes_to_the_summary_and_to_the_reporter(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(alone, "graded", lambda *_, **__: seen(student(dns=F, said="100%\n::error::no")))
    assert classroom.main("02", job) == 0
    assert "10 of 13 points" in (job / "GITHUB_STEP_SUMMARY").read_text()
    results = {}
    for line in (job / "GITHUB_OUTPUT").read_text().splitlines():
        task, _, value = line.partition("=")
        results[task] = json.loads(base64.b64decode(value))
    assert {
        task: (r["status"], r["max_score"], sum(t["score"] for t in r["tests"])) for task, r in results.items()
    } == {
        "web": ("pass", 6, 6),
        "dns": ("fail", 3, 0),
        "more": ("pass", 4, 4),
    }
    assert "::error" not in capsys.readouterr().out


def test_what_could_not_be_graded_reports_no_points(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(alone, "graded", lambda *_, **__: seen(student(problem="It took 100% of\n::the time.")))
    assert classroom.main("02", job) == 3
    assert (job / "GITHUB_OUTPUT").read_text() == ""
    assert "Could not be graded" in (job / "GITHUB_STEP_SUMMARY").read_text()
    out = capsys.readouterr().out
    assert out.startswith("::error title=Could not be graded::It took 100%25 of ::the time.")
    assert len(out.splitlines()) == 1


def test_why_a_task_could_not_be_graded_is_said_in_the_workflow(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(alone, "graded", lambda *_, **__: seen(student(web=C, said="the probe")))
    assert classroom.main("02", job) == 3
    assert "::task web: seen the probe. Run the job again; it costs no points." in capsys.readouterr().out


# -- nbgrader


@pytest.mark.parametrize("lab", labs.all_labs(), ids=lambda lab: lab.slug)
def test_every_labs_notebook_has_its_test_cells(lab: labs.Lab):
    import nbformat

    text = nbgrader.notebook_text(lab)
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    marked = [cell for cell in book.cells if "nbgrader" in cell.metadata]
    for cell in marked:
        found = cell.metadata["nbgrader"]
        assert found["schema_version"] == 3
        assert {"grade", "solution", "locked", "task", "grade_id"} <= found.keys()
        assert found["locked"]
        assert not found["solution"]
    graded = {c.metadata["nbgrader"]["grade_id"]: c for c in marked if c.metadata["nbgrader"]["grade"]}
    assert {name: cell.metadata["nbgrader"]["points"] for name, cell in graded.items()} == {
        f"kindlab-{task.id}": task.points for task in lab.tasks
    }
    assert len(marked) == len(graded) + 1
    first = next(cell for cell in book.cells if cell.cell_type == "code")
    assert "kindlab.nbgrader.begin" in first.source
    for cell in graded.values():
        compile(cell.source, "cell", "exec")
    there = [c.source.split()[1] for c in book.cells if re.match(r"%%apply \S+", c.source)]
    assert len(there) == len(set(there))
    assert {name for task in lab.tasks for name in task.files} <= set(there), "what a learner changes is handed in"


def test_the_same_lab_makes_the_same_notebook():
    assert nbgrader.notebook_text(LAB) == nbgrader.notebook_text(LAB)


def test_files_to_complete_stand_in_cells():
    import nbformat

    book = nbformat.reads(nbgrader.notebook_text(LAB), as_version=4)
    given = {}
    for cell in book.cells:
        head, _, body = cell.source.partition("\n")
        if cell.cell_type == "code" and head.startswith("%%apply "):
            assert head.split()[1] not in given
            given[head.split()[1]] = body
            assert "nbgrader" not in cell.metadata, "the student's to change"
    assert given == {name: (LAB.folder / "start" / name).read_text().rstrip() for name in given}
    assert {"cart.yaml", "catalog-service.yaml"} <= given.keys()
    assert not [cell for cell in book.cells if cell.cell_type == "code" and re.match("%apply cart", cell.source)]


@pytest.mark.parametrize("lab", [lab for lab in labs.all_labs() if lab.variants], ids=lambda lab: lab.slug)
def test_what_could_be_a_students_own_is_everybodys_there(lab: labs.Lab, tmp_path: Path):
    assert "{{" not in nbgrader.notebook_text(lab)
    made = classroom.make(lab, tmp_path / "starter", "a/b", "main")
    assert not [file for file in made if file.suffix == ".yaml" and "{{" in file.read_text()]
