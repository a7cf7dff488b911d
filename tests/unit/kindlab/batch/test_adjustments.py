"""adjustments.csv, as spreadsheets write it."""

from pathlib import Path

import pytest

from kindlab.batch.adjustments import Adjustment, load, parse
from kindlab.errors import UsageProblem

STUDENTS = {"ann": "Ann Müller", "bob-1": "Bob", "bob-2": "Bob", "eve": "eve"}


def test_by_id_or_name_and_two_lines_add_up():
    text = 'student,points,percent,reason\nANN MÜLLER,2,,was ill\nann,-0.5,,"copied, a bit"\neve,,-10%,\n\n'
    assert parse(text, STUDENTS) == {
        "ann": Adjustment(1.5, 0, "was ill; copied, a bit"),
        "eve": Adjustment(0, -10, ""),
    }


def test_as_a_spreadsheet_with_decimal_commas_writes_it(tmp_path: Path):
    file = tmp_path / "a.csv"
    file.write_text("\ufeffStudent;Points;Reason\r\neve;1,5;gut, schnell\r\n", encoding="utf-8")
    assert load(file, STUDENTS) == {"eve": Adjustment(1.5, 0, "gut, schnell")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("student,points\nanna,1\n", "line 2: there is no student 'anna' in this run. Did you mean ann"),
        ("student,points\nbob,1\n", "several students are called bob. Their ids: bob-1, bob-2."),
        ("student,points\neve,much\n", "line 2: points is 'much'."),
        ("student,points\neve,nan\n", "line 2: points is 'nan'."),
        ("student,points\neve,1e30\n", "line 2: points is '1e30'."),
        ("student,point\neve,1\n", "a column 'point'. Did you mean points?"),
        ("student,reason\neve,because\n", "does not say whom it gives how much."),
        ("student,points,points\neve,1,2\n", "each once"),
        ("", "does not say whom it gives how much. Its first line is empty."),
        ("student,points,reason\neve,1,no, yes\n", "not as many columns as the first line"),
        ("student,points,reason\neve,1\n", "not as many columns as the first line"),
        ('student,points\n"eve,1\n', "is not CSV"),
    ],
)
def test_mistakes_are_said(text: str, said: str):
    with pytest.raises(UsageProblem) as raised:
        parse(text, STUDENTS)
    assert said in str(raised.value).replace("\n", " ")


def test_a_file_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(UsageProblem, match=r"no\.csv cannot be read"):
        load(tmp_path / "no.csv", STUDENTS)
