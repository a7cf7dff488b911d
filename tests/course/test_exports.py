"""Exported autograders at work: Gradescope's, unpacked and run as Gradescope would, under another root; and nbgrader's
notebook, run as it runs one. Gradescope and GitHub themselves are not here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kindlab import labs
from kindlab.export import gradescope, nbgrader

pytestmark = pytest.mark.timeout(900)
LAB = labs.find("02")
WRONG = "cart-service-renamed"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Gradescope makes of the zip in /autograder. setup.sh wants root, Ubuntu and a network: its environment is
    the tests' own."""
    root = tmp_path_factory.mktemp("autograder")
    gradescope.make(LAB, root / "autograder.zip")
    with zipfile.ZipFile(root / "autograder.zip") as archive:
        archive.extractall(root / "source")
    shutil.copy(root / "source" / "run_autograder", root)
    os.chmod(root / "run_autograder", 0o755)  # zipfile does not keep it
    (root / "results").mkdir()
    said = {"created_at": "2026-11-20T10:00:00-08:00", "users": [{"name": "Ann", "email": "ann@uni.example", "id": 1}]}
    (root / "submission_metadata.json").write_text(json.dumps(said))
    return root


def run(root: Path, *folders: Path) -> dict[str, object]:
    """The results of a submission: the files of these folders, each in place of one of its name in those before."""
    shutil.rmtree(root / "submission", ignore_errors=True)
    (root / "submission").mkdir()
    for file in (file for folder in folders for file in labs.manifests(folder)):
        shutil.copy(file, root / "submission" / file.name)
    kept = {"PATH": os.environ["PATH"], "HOME": str(root)}  # nothing of the tests' own course
    env = {**kept, "KINDLAB_AUTOGRADER": str(root), "KINDLAB_PYTHON": sys.executable}
    done = subprocess.run([root / "run_autograder"], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads((root / "results" / "results.json").read_text())
    return found


def test_gradescopes_autograder_grades_a_solution_and_a_wrong_answer(root: Path) -> None:
    solved = run(root, LAB.solution_folder)
    assert solved["score"] == LAB.max_points
    wrong = run(root, LAB.solution_folder, LAB.solution_folder / "wrong" / WRONG)
    tests = {test["number"]: test for test in wrong["tests"]}  # type: ignore[attr-defined]
    failed = [task for task, test in zip(LAB.tasks, tests.values(), strict=True) if test["status"] == "failed"]
    assert [task.id for task in failed] == ["cart-selector"]
    assert wrong["score"] == LAB.max_points - failed[0].points
    assert "broken hop: Selector" in tests["3"]["output"]


def test_nbgraders_notebook_gives_points_on_a_cluster_of_its_own(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.reads(nbgrader.notebook_text(LAB), as_version=4)
    wanted = ("import kindlab.nbgrader", "%load_ext", "%%apply", "kindlab.nbgrader.check")
    book.cells = [c for c in book.cells if c.cell_type == "code" and c.source.startswith(wanted)]
    for cell in book.cells:
        name = cell.source.partition("\n")[0].removeprefix("%%apply ")
        if cell.source.startswith("%%apply") and name != "cart.yaml":  # one task is left undone
            cell.source = f"%%apply {name}\n{(LAB.solution_folder / name).read_text()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBGRADER_EXECUTION", "validate")
        NotebookClient(
            book, timeout=300, kernel_name="python3", allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    failed = {}
    for cell in book.cells:
        if "nbgrader" in cell.metadata:
            errors = [out.ename for out in cell.outputs if out.output_type == "error"]
            streams = [out.name for out in cell.outputs if out.output_type == "stream"]
            assert "stderr" not in streams, "to nbgrader that is an error"
            failed[cell.metadata["nbgrader"]["grade_id"]] = errors
    assert failed.pop("kindlab-begin") == []
    assert failed.pop("kindlab-cart-selector") == ["AssertionError"]
    assert failed == {f"kindlab-{task.id}": [] for task in LAB.tasks if task.id != "cart-selector"}
