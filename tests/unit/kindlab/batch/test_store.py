"""The folder of a run: never another's, always whole, nobody else's to read."""

import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.kindlab.batch.fakes import LAB, graded, submission

from kindlab import paths
from kindlab.batch import store
from kindlab.batch.store import Run
from kindlab.errors import Problem, UsageProblem

RUN = Run(LAB.slug, "/somewhere/class", begun="2026-11-22T10:00:00+00:00")


def test_what_is_kept_is_read_again_and_is_private(tmp_path: Path):
    out = store.new(tmp_path / "a" / "out", RUN)
    one = graded(submission(tmp_path, "änn@x.org"), {})
    out.keep(one)
    out.close()
    again = store.go_on(out.out)
    assert list(again.results()) == [one]
    assert again.run == RUN
    if os.name == "posix":
        assert stat.S_IMODE(out.file(one.id).stat().st_mode) == 0o600
        assert stat.S_IMODE(out.out.stat().st_mode) == 0o700
    again.close()


def test_evidence_of_what_no_longer_holds_is_not_kept(tmp_path: Path):
    out = store.new(tmp_path / "out", RUN)
    one = graded(submission(tmp_path, "ann"), {})
    out.evidence("ann").parent.mkdir()
    out.evidence("ann").write_text("")
    out.keep(replace(one, evidence="ann.zip"))
    assert out.evidence("ann").exists()
    out.keep(one)
    assert not out.evidence("ann").exists()
    out.close()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageProblem, match=r"(?s)is not empty.*thesis\.txt"):
        store.new(tmp_path, RUN)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_came_to_nothing_is_begun_anew(tmp_path: Path):
    store.new(tmp_path / "out", RUN).close()
    again = store.new(tmp_path / "out", replace(RUN, lab="03-service-discovery"))
    assert store.looked_at(again.out).run.lab == "03-service-discovery"
    again.close()


def test_another_run_is_never_overwritten(tmp_path: Path):
    out = store.new(tmp_path / "out", RUN)
    out.keep(graded(submission(tmp_path, "ann"), {}))
    out.close()
    with pytest.raises(UsageProblem, match=r"(?s)holds another run.*--resume") as raised:
        store.new(tmp_path / "out", RUN)
    assert "2026-11-22" in raised.value.why


@pytest.mark.parametrize("change", [{"lab": "03-service-discovery"}, {"cluster": "kind"}, {"seed": "x"}])
def test_what_decides_verdicts_must_stay_when_a_run_goes_on(tmp_path: Path, change: dict[str, str]):
    store.new(tmp_path / "out", RUN).close()
    with pytest.raises(UsageProblem, match="holds another run"):
        store.go_on(tmp_path / "out", replace(RUN, **change))


def test_the_submissions_may_have_moved(tmp_path: Path):
    store.new(tmp_path / "out", RUN).close()
    found = store.go_on(tmp_path / "out", replace(RUN, submissions="/elsewhere", begun="later"))
    assert (found.run.submissions, found.run.begun) == ("/elsewhere", RUN.begun)
    found.close()


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path):
    first = store.new(tmp_path / "out", RUN)
    with pytest.raises(UsageProblem, match="Another run is writing"):
        store.go_on(tmp_path / "out")
    first.close()
    store.go_on(tmp_path / "out").close()


@pytest.mark.parametrize("make", [store.go_on, store.looked_at])
def test_a_folder_without_a_run_is_said(tmp_path: Path, make):
    with pytest.raises(UsageProblem, match="There is no run in"):
        make(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9, "lab": "x"}', '{"format": 1, "what": 1}'])
def test_a_damaged_run_is_said(tmp_path: Path, text: str):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(Problem, match="cannot be read"):
        store.looked_at(tmp_path)


def test_a_damaged_result_is_said_by_name(tmp_path: Path):
    out = store.new(tmp_path / "out", RUN)
    out.keep(graded(submission(tmp_path, "ann"), {}))
    data = json.loads(out.file("ann").read_text())
    out.file("ann").write_text(json.dumps({**data, "report": {}}))
    assert out.get("ann") is None
    with pytest.raises(Problem, match=r"ann\.json cannot be read"):
        list(out.results())
    out.close()


@pytest.mark.parametrize("who", ["../eve", "a/b", ".hidden", "", "a\nb", "x" * 300, "dots...", "a\\b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, who: str):
    out = store.new(tmp_path / "out", RUN)
    for place in (out.file, out.students, out.evidence):
        with pytest.raises(ValueError, match="no name for a file"):
            place(who)
    out.close()


def test_a_full_disk_is_said_and_nothing_half_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = store.new(tmp_path / "out", RUN)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(paths, "write_atomically", full)
    with pytest.raises(Problem, match=r"(?s)cannot be written.*No space left.*Free some disk space.*--resume"):
        out.keep(graded(submission(tmp_path, "ann"), {}))
    assert out.ids() == []
    out.close()


def test_a_disk_that_is_nearly_full_is_said_before_anything_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "LEAST", 1 << 62)
    with pytest.raises(Problem, match="is full"):
        store.refuse_full_disk(tmp_path / "not" / "there" / "yet")


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path: Path):
    (tmp_path / "out").write_text("")
    for place in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(UsageProblem, match="is no folder"):
            store.new(place, RUN)
