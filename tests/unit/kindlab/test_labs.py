from pathlib import Path

import pytest

from kindlab import labs
from kindlab.errors import Problem, UsageProblem

LAB = """
format = 1
title = "T"
about = "A"
minutes = 5
kcna = ["x"]
[[tasks]]
id = "one"
title = "Do one"
points = 2
hints = ["a", "b"]
[[tasks]]
id = "two"
title = "Do two"
points = 3
hints = ["a", "b"]
behavioural = false
"""


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for slug in ("02-services", "11-volumes"):
        folder = tmp_path / "labs" / slug
        folder.mkdir(parents=True)
        (folder / "lab.toml").write_text(LAB)
    (tmp_path / "graders").mkdir()
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["2", "02", "02-services", "02-services/"])
def test_a_lab_is_found_by_slug_or_number(course: Path, name: str) -> None:
    assert labs.find(name).slug == "02-services"


def test_a_lab_that_is_not_there_names_the_near_one(course: Path) -> None:
    with pytest.raises(UsageProblem, match="Did you mean 02-services") as raised:
        labs.find("servces")
    assert raised.value.exit_code == 2
    with pytest.raises(UsageProblem, match="02-services, 11-volumes"):
        labs.find("99")


def test_a_lab_says_where_its_pieces_lie(course: Path) -> None:
    lab = labs.find("2")
    assert lab.max_points == 5
    assert lab.grader == course / "graders" / "test_02_services.py"
    assert lab.solution_folder == course / "solutions" / "02-services"
    assert [t.behavioural for t in lab.tasks] == [True, False]
    assert (lab.prefix, lab.spaces) == ("lab02-", ("02-services",))


def test_a_task_is_found_by_id_or_number(course: Path) -> None:
    lab = labs.find("2")
    assert lab.task("two") is lab.task("2") is lab.tasks[1]
    with pytest.raises(UsageProblem, match="1 one, 2 two"):
        lab.task("three")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("format = 1", "format = 9"), "format 9 is not 1"),
        (('title = "T"', ""), "'title'"),
        (('id = "two"', 'id = "one"'), "two tasks have the same id"),
        (("points = 3", 'points = "many"'), "many"),
        (("[[tasks]]", "[[tasks"), "cannot be read"),
        (("minutes", 'cluster_kinds = ["PersistentVolume", "Node"]\nminutes'), "cluster_kinds names Node"),
    ],
)
def test_a_broken_lab_toml_names_the_file_and_the_fault(course: Path, change: tuple[str, str], says: str) -> None:
    file = course / "labs" / "02-services" / "lab.toml"
    file.write_text(LAB.replace(*change))
    with pytest.raises(Problem, match=says) as raised:
        labs.find("2")
    assert "lab.toml" in raised.value.what


def test_no_course_is_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    with pytest.raises(UsageProblem, match="KINDLAB_COURSE"):
        labs.find("2")


def test_several_labs_are_named_by_number_by_slug_or_all_at_once() -> None:
    assert [lab.number for lab in labs.several(("2", "10-autoscaling", "2"))] == ["02", "10"]
    assert labs.several(("02", "all")) == labs.all_labs()
    assert labs.several(()) == []
    with pytest.raises(UsageProblem):
        labs.several(("77",))
