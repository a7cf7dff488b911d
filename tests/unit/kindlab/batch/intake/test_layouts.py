"""Whose a submission is: folders, archives, files, and what the platforms call their downloads."""

import json
import zipfile

import pytest
from tests.unit.kindlab.batch.intake.conftest import MAP, files, member, tarred, write, zipped

from kindlab.batch import intake
from kindlab.batch.intake import roster as rosters
from kindlab.batch.intake.roster import Student
from kindlab.batch.submission import SELF_TOLD
from kindlab.errors import UsageProblem


def test_a_folder_a_zip_and_a_tar_a_student(handed_in, read):
    write(handed_in / "ann" / "work", web=MAP % "a")
    zipped(handed_in / "ben.zip", {"lab/web.yaml": MAP % "b"})
    tarred(handed_in / "cat.tar.gz", (member("web.yml"), (MAP % "c").encode()))
    found = read()
    assert {one: files(found[one]) for one in found} == {
        "ann": {"web.yaml": MAP % "a"},
        "ben": {"web.yaml": MAP % "b"},
        "cat": {"web.yml": MAP % "c"},
    }
    assert found["ben"].source == "ben.zip"
    assert found["ann"].folder.stat().st_mode & 0o777 == 0o700
    assert (found["ann"].folder / "web.yaml").stat().st_mode & 0o777 == 0o600


def test_flat_files_begin_with_a_students_name(handed_in, read):
    for name in ("ann_web.yaml", "ann_catalog-service.yaml", "ben - web.yaml", "jo-anne_cart.yaml", "README.md"):
        (handed_in / name).write_text(MAP % "x", encoding="utf-8")
    found = read()
    assert {one: sorted(files(found[one])) for one in found} == {
        "ann": ["catalog-service.yaml", "web.yaml"],
        "ben": ["web.yaml"],
        "jo-anne": ["cart.yaml"],
    }


def test_a_folder_of_the_labs_own_files_is_one_submission(handed_in, read):
    write(handed_in, cart=MAP % "x", payment=MAP % "y")
    assert sorted(files(read()["handed-in"])) == ["cart.yaml", "payment.yaml"]


def test_moodle(handed_in, read):
    write(handed_in / "Jane Doe_123456_assignsubmission_file_", web=MAP % "jane")
    zipped(handed_in / "José Núñez_123457_assignsubmission_file_work.zip", {"02/web.yaml": MAP % "josé"})
    (handed_in / "Kim Lee_123458_assignsubmission_file_web.yaml").write_text(MAP % "kim", encoding="utf-8")
    (handed_in / "Kim Lee_123458_assignsubmission_onlinetext.html").write_text("hello", encoding="utf-8")
    found = read()
    assert {one.student: list(files(one)) for one in found.values()} == {
        "Jane Doe": ["web.yaml"],
        "José Núñez": ["web.yaml"],
        "Kim Lee": ["web.yaml"],
    }
    assert sorted(found) == ["jane-doe", "jose-nunez", "kim-lee"]
    assert any("typed into Moodle" in note for note in found["kim-lee"].notes)


def test_two_students_of_one_name_keep_apart(handed_in, read):
    write(handed_in / "Jane Doe_111111_assignsubmission_file_", web=MAP % "one")
    write(handed_in / "Jane Doe_222222_assignsubmission_file_", web=MAP % "two")
    found = read()
    assert {one: files(found[one])["web.yaml"] for one in found} == {
        "jane-doe-111111": MAP % "one",
        "jane-doe-222222": MAP % "two",
    }
    assert all("2 submissions under the name" in " ".join(one.notes) for one in found.values())


def test_canvas_with_files_that_were_uploaded_again(handed_in, read):
    for name, text in {
        "doejane_LATE_12345_67890_web.yaml": "first",
        "doejane_LATE_12345_67890_web-1.yaml": "second",
        "doejane_LATE_12345_67890_catalog-service-2.yaml": "third",
        "leekim_12346_67891_work.zip": "",
    }.items():
        (handed_in / name).write_text(MAP % text, encoding="utf-8")
    zipped(handed_in / "leekim_12346_67891_work.zip", {"web.yaml": MAP % "kim"})
    found = read()
    assert files(found["doejane"]) == {"catalog-service.yaml": MAP % "third", "web.yaml": MAP % "second"}
    notes = " ".join(found["doejane"].notes)
    assert "late" in notes
    assert "web.yaml was uploaded 2 times" in notes
    assert files(found["leekim"]) == {"web.yaml": MAP % "kim"}


def test_blackboard_takes_the_latest_attempt_and_reads_the_receipt(handed_in, read):
    begins = "Lab 02_jane_doe_attempt_"
    (handed_in / f"{begins}2024-05-01-12-30-00_web.yaml").write_text(MAP % "old", encoding="utf-8")
    (handed_in / f"{begins}2024-05-02-09-00-00_web.yaml").write_text(MAP % "new", encoding="utf-8")
    (handed_in / f"{begins}2024-05-02-09-00-00.txt").write_text("Name: Jane Doe (jane_doe)\nAssignment: Lab 02\n")
    # a file may be called anything: it makes nobody somebody else
    (handed_in / "Lab 02_mal_attempt_2024-05-02-09-00-00_x_jane_doe_attempt_2030-01-01-00-00-00_web.yaml").write_text(
        "a"
    )
    found = read()
    assert sorted(found) == ["jane-doe", "mal"]
    jane = found["jane-doe"]
    assert files(jane) == {"web.yaml": MAP % "new"}
    assert jane.student == "Jane Doe"
    assert jane.submitted.startswith("2024-05-02T09:00:00")
    assert len(jane.submitted) > len("2024-05-02T09:00:00")
    assert any("2 attempts" in note for note in jane.notes)
    assert any("time zone" in note for note in jane.notes)


def test_brightspace(handed_in, read):
    write(handed_in / "12345-67890 - Jane Doe - Nov 22, 2026 101 PM", web=MAP % "new")
    write(handed_in / "12345-67890 - Jane Doe - Nov 22, 2026 1158 AM", web=MAP % "old")
    write(handed_in / "12346-67890 - Kim Lee - 22 novembre 2026 1301", web=MAP % "kim")
    (handed_in / "index.html").write_text("<html>")
    found = read()
    assert files(found["jane-doe"]) == {"web.yaml": MAP % "new"}
    assert found["jane-doe"].submitted.startswith("2026-11-22T13:01:00")
    assert files(found["kim-lee"]) == {"web.yaml": MAP % "kim"}
    assert found["kim-lee"].submitted == ""


def test_gradescope_says_in_a_file_whose_a_folder_is(handed_in, read):
    inner = handed_in / "assignment_9_export"
    write(inner / "submission_1", web=MAP % "jane")
    write(inner / "submission_2", web=MAP % "pair")
    write(inner / "submission_3", web=MAP % "nobody")
    (inner / "submission_metadata.yml").write_text(
        """---
submission_1:
  :submitters:
  - :name: Jane Doe
    :sid: '17'
    :email: jane@example.edu
  :created_at: 2026-11-22 10:00:00.5 Z
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess {score: 3}
submission_2:
  :submitters:
  - {":name": Kim, ":sid": '18'}
  - {":name": Lee, ":sid": '19'}
"""
    )
    found = read()
    assert {one: one_.student for one, one_ in found.items()} == {
        "jane-doe": "Jane Doe",
        "kim": "Kim",
        "lee": "Lee",
        "submission-3": "submission_3",
    }
    assert found["jane-doe"].submitted == "2026-11-22T10:00:00.500000+00:00"
    assert files(found["kim"]) == files(found["lee"]) == {"web.yaml": MAP % "pair"}
    assert any("group: Kim, Lee" in note for note in found["kim"].notes)


def test_clones_of_github_classroom_are_read_without_git(handed_in, read):
    for who in ("janedoe", "kim-lee"):
        clone = write(handed_in / f"lab-02-{who}", web=MAP % "x")
        (clone / ".git" / "hooks").mkdir(parents=True)
        (clone / ".git" / "config.yaml").write_text(MAP % "evil")
        (clone / "node_modules").mkdir()
        (clone / "node_modules" / "package.json").write_text("{}")
    found = read()
    assert {one: list(files(found[one])) for one in found} == {"janedoe": ["web.yaml"], "kim-lee": ["web.yaml"]}
    assert found["janedoe"].submitted == ""


@pytest.mark.parametrize("top", ["", "submissions/"])
def test_a_download_need_not_be_unpacked(handed_in, tmp_path, read, top):
    inner = zipped(tmp_path / "work.zip", {"02/web.yaml": MAP % "kim"}).read_bytes()
    archive = zipped(
        tmp_path / "download.zip",
        {
            f"{top}Jane Doe_1_assignsubmission_file_/web.yaml": MAP % "jane",
            f"{top}Kim Lee_2_assignsubmission_file_/work.zip": inner,
            f"{top}../../outside.yaml": MAP % "evil",
        },
    )
    found = read(archive)
    assert {one: files(found[one]) for one in found} == {
        "jane-doe": {"web.yaml": MAP % "jane"},
        "kim-lee": {"web.yaml": MAP % "kim"},
    }
    assert not list(tmp_path.rglob("outside.yaml"))


@pytest.mark.parametrize("name", ["nothing", "nothing.zip", "notes.txt", "broken.zip"])
def test_what_is_no_folder_of_submissions_is_said(tmp_path, read, name):
    if name in ("notes.txt", "broken.zip"):
        (tmp_path / name).write_text("hello")
    with pytest.raises(UsageProblem) as error:
        read(tmp_path / name)
    assert name in str(error.value)
    assert error.value.then


def test_an_empty_folder_is_said_before_anything_is_graded(handed_in, tmp_path, lab):
    with pytest.raises(UsageProblem, match="There is no submission"):
        intake.read(handed_in, lab, tmp_path / "scratch")


# -- the roster

CLASS = (
    Student("s1", "Jane Doe", "jane@example.edu", "jdoe"),
    Student("s2", "Kim Lee", "kim@example.edu", "klee", submitted="2026-11-20T10:00:00+01:00"),
    Student("s3", "Zoë Smith-Jones", lms="99"),
)


def test_a_roster_says_who_is_who_and_who_handed_in_nothing(handed_in, read):
    write(handed_in / "Doe, Jane", web=MAP % "x")
    (handed_in / "klee_web.yaml").write_text(MAP % "y")
    write(handed_in / "mallory", web=MAP % "z")
    found = read(roster=CLASS)
    assert {one: submission.student for one, submission in found.items()} == {
        "s1": "Jane Doe",
        "s2": "Kim Lee",
        "s3": "Zoë Smith-Jones",
        "mallory": "mallory",
    }
    assert found["s3"].folder is None
    assert found["s3"].problem == intake.ABSENT
    assert found["s2"].submitted == "2026-11-20T10:00:00+01:00"
    assert any("Nobody in the roster" in note for note in found["mallory"].notes)


def test_a_roster_knows_canvas_short_names_and_numbers(handed_in, read):
    for name in ("doejane_11_21_web.yaml", "anybody_99_22_web.yaml"):
        (handed_in / name).write_text(MAP % "x")
    assert {one for one, found in read(roster=CLASS).items() if found.folder} == {"s1", "s3"}


def test_two_submissions_of_one_in_the_roster_are_both_graded(handed_in, read):
    for number in ("111111", "222222"):
        write(handed_in / f"Jane Doe_{number}_assignsubmission_file_", web=MAP % number)
    found = read(roster=CLASS[:1])
    assert sorted(found) == ["s1", "s1-222222"]
    assert all(one.folder for one in found.values())
    assert all("2 submissions under the name" in " ".join(one.notes) for one in found.values())


def test_a_name_of_two_students_is_nobodys(handed_in, read):
    write(handed_in / "Jane Doe", web=MAP % "x")
    twins = (Student("a", "Jane Doe"), Student("b", "Doe Jane"))
    found = read(roster=twins)
    assert found["jane-doe"].folder
    assert found["a"].problem
    assert found["b"].problem


def test_rosters_of_the_usual_platforms_are_read(tmp_path):
    file = tmp_path / "roster.csv"
    file.write_text("\ufeffID number;First name;Surname;Email address\n17;Jane;Doe;j@example.edu\n", encoding="utf-8")
    assert rosters.read(file) == [Student("17", "Jane Doe", "j@example.edu")]
    file.write_text('"identifier","github_username","name"\n"a1","janedoe","Jane"\n\n', encoding="utf-8")
    assert rosters.read(file) == [Student("a1", "Jane", username="janedoe")]


@pytest.mark.parametrize("text", ["", "colour,size\nred,3\n", "id,name\n1,A\n1,B\n", "id\n\udcff\n"])
def test_a_roster_that_cannot_be_used_says_why(tmp_path, text):
    file = tmp_path / "roster.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageProblem) as error:
        rosters.read(file)
    assert "roster.csv" in error.value.what
    assert error.value.then


# -- what is in a submission


def test_kindlab_json_is_read_and_not_believed(handed_in, read):
    for who, told in {
        "ann": {
            "format": 1,
            "lab": "02-services",
            "student": "bob",
            "nodes": ["n1", "../x", 3],
            "time": "2026-11-22T10:00",
        },
        "ben": {"format": 1, "lab": "03-service-discovery"},
        "cat": [],
    }.items():
        write(handed_in / who, web=MAP % "x")
        (handed_in / who / "kindlab.json").write_text(json.dumps(told))
    found = read()
    assert found["ann"].nodes == ("n1",)
    assert list(files(found["ann"])) == ["web.yaml"]
    assert found["ann"].submitted == "2026-11-22T10:00:00+00:00"
    assert found["ann"].student == "ann"
    assert SELF_TOLD in found["ann"].notes
    assert SELF_TOLD not in found["ben"].notes
    assert any("03-service-discovery" in note for note in found["ben"].notes)
    assert any("cannot be used" in note for note in found["cat"].notes)


def test_a_whole_course_is_cut_down_to_this_lab(handed_in, read):
    for slug in ("02-services", "05-exposing-services"):
        write(handed_in / "ann" / "work" / slug, **{f"of-{slug[:2]}": MAP % "x"})
    write(handed_in / "ann" / "solutions" / "02-services", cart=MAP % "x")
    write(handed_in / "ben" / "05-exposing-services", other=MAP % "x")
    write(handed_in / "ben" / "02-services", mine=MAP % "x")
    found = read()
    assert list(files(found["ann"])) == ["of-02.yaml"]
    assert list(files(found["ben"])) == ["mine.yaml"]
    assert any("left out" in note for note in found["ben"].notes)


def test_cells_of_a_notebook_are_manifests(handed_in, read, lab):
    def cell(text: str) -> dict[str, object]:
        return {"cell_type": "code", "source": text.splitlines(keepends=True), "outputs": [], "metadata": {}}

    cells = ["%%apply web.yaml\n" + MAP % "old", "%kubectl get pods", "%%apply\n" + MAP % "loose"]
    cells += ["%%apply web.yaml\n" + MAP % "new", "%%apply ../../cart.yaml # c\n" + MAP % "cell"]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell(one) for one in cells]}
    write(handed_in / "ann", cart=MAP % "file")
    (handed_in / "ann" / "mine.ipynb").write_text(json.dumps(notebook))
    write(handed_in / "ben", web=MAP % "x")
    (handed_in / "ben" / "broken.ipynb").write_text("[" * 100_000)
    (handed_in / "ben" / lab.notebook.name).write_bytes(lab.notebook.read_bytes())
    found = read()
    assert files(found["ann"]) == {
        "cart.yaml": MAP % "file",
        "mine-cell-003.yaml": MAP % "loose",
        "web.yaml": MAP % "new",
    }
    assert list(files(found["ben"])) == ["web.yaml"]
    assert found["ben"].refused[0].file == "broken.ipynb"


def test_what_the_labs_own_notebook_shows_is_not_the_students(tmp_path, handed_in):
    from kindlab import labs

    five = labs.find("05")
    write(handed_in / "ann", web=MAP % "x")
    (handed_in / "ann" / five.notebook.name).write_bytes(five.notebook.read_bytes())
    (found,) = intake.read(handed_in, five, tmp_path / "scratch")
    assert list(files(found)) == ["web.yaml"]


def test_clashes_of_names_are_resolved_and_said(handed_in, read):
    write(handed_in / "ann", web=MAP % "a")
    write(handed_in / "ann" / "old", web=MAP % "b")
    write(handed_in / "ann" / "copy", WEB=MAP % "c")
    (handed_in / "ann" / "WEB.yaml").write_text(MAP % "c")
    found = read()["ann"]
    assert files(found) == {"WEB.yaml": MAP % "c", "old-web.yaml": MAP % "b", "web-2.yaml": MAP % "a"}
    assert "old/web.yaml is called old-web.yaml here." in found.notes


def test_text_of_powershell_is_read(handed_in, read):
    folder = write(handed_in / "ann")
    (folder / "web.yaml").write_text(MAP % "x", encoding="utf-16")
    (folder / "bom.yaml").write_text(MAP % "y", encoding="utf-8-sig")
    assert files(read()["ann"]) == {"bom.yaml": MAP % "y", "web.yaml": MAP % "x"}


def test_steps_of_an_answer_come_along(handed_in, read):
    folder = write(handed_in / "ann", web=MAP % "x")
    (folder / "steps.toml").write_text('steps = ["apply web.yaml"]\n')
    assert sorted(files(read()["ann"])) == ["steps.toml", "web.yaml"]


def test_zip_names_in_utf8_without_the_flag(handed_in, read):
    path = handed_in / "ann.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("cafX.yaml"), MAP % "x")
    path.write_bytes(path.read_bytes().replace(b"cafX.yaml", "ca\u00e9.yaml".encode()))
    assert list(files(read()["ann"])) == ["ca\u00e9.yaml"]
