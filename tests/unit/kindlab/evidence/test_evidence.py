"""A grading recorded, written as a bundle and repeated from it, with no cluster but a tiny one of the test's."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.kindlab.evidence.tiny import GRADER, SECRET, Tiny, course

from kindlab import evidence
from kindlab.batch.graded import Graded
from kindlab.batch.submission import Refused
from kindlab.checks.programs import PATH
from kindlab.commands.grade import regrade as command
from kindlab.errors import Problem
from kindlab.evidence import bundle as bundles
from kindlab.evidence import showing
from kindlab.evidence import tape as tapes
from kindlab.evidence.tape import Tape
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome, Report
from kindlab.labs import Lab

KEY = b"a key of thirty-two bytes at all"


@dataclass
class Recorded:
    """A grading and its bundle."""

    lab: Lab
    api: Tiny
    tape: Tape
    graded: Graded
    path: Path

    def write(self, path: Path, key: bytes | None = None) -> Path:
        files = self.path.parent / "files"
        files.mkdir(exist_ok=True)
        manifest = {"kind": "Secret", "metadata": {"name": "seal"}, "stringData": {"word": SECRET}}
        (files / "seal.yaml").write_text(json.dumps(manifest), encoding="utf-8")
        evidence.write(
            path, tape=self.tape, graded=self.graded, submission_folder=files, lab=self.lab, api=self.api, key=key
        )
        return path


def verdicts(report: Report) -> list[tuple[str, Outcome, str, str]]:
    return [(c.name, c.outcome, c.expected, c.seen) for task in report.tasks for c in task.checks]


Record = Callable[..., Recorded]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    def recorded(*, pods: int = 2, word: str = "hello", seal: str = SECRET, pace: float = 0.0) -> Recorded:
        folder = tmp_path_factory.mktemp("evidence")
        lab, api = course(folder), Tiny(pods, word=word, seal=seal, pace=pace)
        watched, tape = evidence.recorded(api)
        report = runner.grade(lab, watched, cluster="tiny")
        graded = Graded("jdoe", "Jane Döe", report, refused=(Refused("pod/x", "it is privileged"),))
        made = Recorded(lab, api, tape, graded, folder / "jdoe.zip")
        made.write(made.path)
        return made

    return recorded


@pytest.fixture(scope="module")
def good(record: Record) -> Recorded:
    return record()


@pytest.fixture(scope="module")
def bad(record: Record) -> Recorded:
    return record(pods=1, word="h3llo", pace=0.2)


def changed(tmp_path: Path, old: str, new: str) -> Lab:
    """The lab with another grader."""
    assert old in GRADER
    return course(tmp_path, GRADER.replace(old, new))


def inside(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# -- the same grader


def test_a_right_answer_is_repeated_without_asking_anybody(good: Recorded) -> None:
    report = good.graded.report
    assert (report.outcome, report.points) == (Outcome.PASSED, 40), verdicts(report)
    asked = len(good.api.asked)
    again = evidence.regrade(good.path, lab=good.lab)
    assert verdicts(again.report) == verdicts(report)
    assert (again.report.points, again.cannot, again.differs, again.notes) == (40, {}, [], ())
    assert len(good.api.asked) == asked


def test_a_wrong_answer_is_repeated_to_the_word(bad: Recorded) -> None:
    report = bad.graded.report
    failed = {name: seen for name, outcome, _, seen in verdicts(report) if outcome is Outcome.FAILED}
    assert failed == {"test_pods": "1 Pods", "test_prepared": "h3llo", "test_prepared_too": "h3llo"}
    again = evidence.regrade(bad.path, lab=bad.lab)
    assert verdicts(again.report) == verdicts(report)
    assert (again.cannot, again.differs) == ({}, [])
    hops = [[check.broken_hop for task in r.tasks for check in task.checks] for r in (report, again.report)]
    assert hops[0] == hops[1]
    assert any(hops[0])


def test_waiting_is_not_repeated(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three questions with pauses: time is what it was, and nobody sleeps."""
    slow = record(pace=0.15)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    again = evidence.regrade(slow.path, lab=slow.lab)
    assert (again.cannot, again.differs) == ({}, [])
    assert slept == []


# -- another grader


def test_another_threshold_gives_another_verdict(good: Recorded, tmp_path: Path) -> None:
    again = evidence.regrade(good.path, lab=changed(tmp_path, "len(lab.pods()) >= 2", "len(lab.pods()) >= 3"))
    assert again.differs == [
        "test_pods: passed then, failed now: 2 Pods",
        "task first: 10 of 10 points then, 0 of 10 points now",
    ]
    assert again.cannot == {}
    assert again.notes == ("The grader has changed since.",)


def test_less_patience_gives_another_verdict(good: Recorded, tmp_path: Path) -> None:
    again = evidence.regrade(good.path, lab=changed(tmp_path, "timeout=60.0", "timeout=0.1"))
    assert [sentence.partition(":")[0] for sentence in again.differs] == ["test_patience", "task second"]


def test_a_question_that_nobody_asked_cannot_be_answered(good: Recorded, tmp_path: Path) -> None:
    again = evidence.regrade(good.path, lab=changed(tmp_path, '"cat /count"', '"cat /account"'))
    assert again.differs == []
    assert again.cannot == {"test_patience": "nobody asked for it: in Pod web-1: cat /account"}


def test_more_patience_than_there_was_cannot_be_played(good: Recorded, tmp_path: Path) -> None:
    again = evidence.regrade(good.path, lab=changed(tmp_path, 'said == "3"', 'said == "4"'))
    assert again.cannot == {"test_patience": "nobody asked for it so often: in Pod web-1: cat /count"}


def test_what_was_prepared_is_there_when_its_first_check_is_gone(good: Recorded, tmp_path: Path) -> None:
    again = evidence.regrade(good.path, lab=changed(tmp_path, "def test_prepared(", "def test_of_another_name("))
    assert again.cannot == {}
    assert again.differs == [
        "test_prepared: passed then; today's grader has no such check",
        "test_of_another_name: a new check, passed now",
    ]


def test_what_is_prepared_in_another_way_fails_all_that_need_it(good: Recorded, tmp_path: Path) -> None:
    again = evidence.regrade(good.path, lab=changed(tmp_path, '"settings")', '"other")'))
    why = "nobody asked for it: GET /api/v1/namespaces/99-tiny/configmaps/other"
    assert again.cannot == {"test_prepared": why, "test_prepared_too": why}


def test_what_was_too_big_to_keep_cannot_be_repeated(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapes, "MAX_ANSWER", 300)
    cut = record(word="hello" * 100)
    assert cut.graded.report.outcome is Outcome.FAILED  # as it would be without a recording
    again = evidence.regrade(cut.path, lab=cut.lab)
    assert set(again.cannot) >= {"test_prepared", "test_prepared_too"}
    assert all(tapes.TOO_BIG in why for why in again.cannot.values())
    assert again.differs == []


# -- the bundle


def test_what_is_in_it(good: Recorded) -> None:
    files = inside(good.path)
    assert {"manifest.json", "README.txt", "report.json", "refused.json", "events.json"} <= files.keys()
    assert {"submission/seal.yaml", "objects/99-tiny/pods.json", "transcripts/test_pods.jsonl"} <= files.keys()
    manifest = json.loads(files["manifest.json"])
    assert manifest["files"].keys() == files.keys() - {"manifest.json"}
    assert (manifest["student"], manifest["lab"]["slug"]) == ("Jane Döe", "99-tiny")
    lines = [json.loads(line) for line in files["transcripts/test_token.jsonl"].decode().splitlines()]
    assert lines[0]["begins"] == "test_token"
    (command_,) = [line for line in lines if "exec" in line.get("asked", {})]
    assert command_["asked"]["exec"][-1] == f"PATH={PATH}; echo file-{lines[0]['drawn'][0]}"
    assert command_["answer"]["stdout"] == {"bytes": f"file-{lines[0]['drawn'][0]}"}


def test_the_same_grading_makes_the_same_bytes(good: Recorded, tmp_path: Path) -> None:
    assert good.write(tmp_path / "again.zip").read_bytes() == good.path.read_bytes()


def test_nobody_else_may_read_it(good: Recorded) -> None:
    assert good.path.stat().st_mode & 0o777 == 0o600
    assert [f.name for f in good.path.parent.iterdir() if f.name.startswith(".jdoe")] == []


def test_no_secret_is_in_it(good: Recorded) -> None:
    import base64

    assert SECRET in good.api.seal  # it was there to be seen, in a Secret, in a command's output and in a file
    for name, content in inside(good.path).items():
        assert SECRET.encode() not in content, name
        assert base64.b64encode(SECRET.encode()) not in content, name


def test_the_cluster_may_be_gone_when_it_is_written(
    good: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kindlab.api import Unreachable

    def gone(*_: object, **__: object) -> None:
        raise Unreachable("The cluster does not answer.", "It is off.", "Start it.")

    monkeypatch.setattr(good.api, "respond", gone)
    again = evidence.regrade(good.write(tmp_path / "gone.zip"), lab=good.lab)
    assert (again.cannot, again.differs) == ({}, [])
    assert any("does not answer" in note for note in again.notes)


# -- whose it is


def rewritten(path: Path, to: Path, **changes: bytes | None) -> Path:
    files = {**inside(path), **{name.replace("__", "/"): content for name, content in changes.items()}}
    to.write_bytes(bundles.zipped({name: content for name, content in files.items() if content is not None}))
    return to


@pytest.mark.parametrize(
    "change",
    [{"events.json": b"[]"}, {"submission/more.yaml": b"kind: Pod"}, {"report.json": None}],
    ids=["changed", "added", "removed"],
)
def test_a_file_that_was_changed_is_told(good: Recorded, tmp_path: Path, change: dict[str, bytes | None]) -> None:
    with pytest.raises(Problem, match=r"was changed after it was written") as told:
        evidence.regrade(rewritten(good.path, tmp_path / "x.zip", **change), lab=good.lab)
    assert next(iter(change)) in told.value.why


def test_a_signature_says_whose_it_is(good: Recorded, tmp_path: Path) -> None:
    signed = good.write(tmp_path / "signed.zip", KEY)
    assert evidence.regrade(signed, key=KEY, lab=good.lab).notes == ("Its signature is good.",)
    with pytest.raises(Problem, match="not known to be yours") as other:
        evidence.regrade(signed, key=KEY + b"!", lab=good.lab)
    assert "another key" in other.value.why
    with pytest.raises(Problem, match="not known to be yours") as none:
        evidence.regrade(good.path, key=KEY, lab=good.lab)
    assert "no signature" in none.value.why


def zip_of(manifest: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", manifest)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x05\x06" + bytes(18), b"not a zip at all", zip_of("[]"), zip_of("[" * 100_000)],
    ids=["nothing", "an empty zip", "no zip", "a list", "too deep"],
)
def test_what_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    with pytest.raises(Problem, match="is no evidence bundle"):
        evidence.regrade(file)


# -- the command


@pytest.fixture
def installed(good: Recorded, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny course is the one that is installed."""
    folder = good.lab.folder.parents[1]
    monkeypatch.setenv("KINDLAB_COURSE", str(folder))
    return folder


def run(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value), done.output


def test_the_command_says_what_is_the_same(good: Recorded, installed: Path) -> None:
    code, said = run("--evidence", good.path)
    assert code == 0
    assert said.splitlines()[1].split() == [
        "Jane",
        "Döe",
        "99-tiny",
        "40",
        "of",
        "40",
        "40",
        "of",
        "40",
        "8",
        "8",
        "0",
        "0",
    ]
    assert "8 of 8 verdicts repeated (100%), without a cluster." in said


def test_notes_are_the_instructors_and_not_in_what_a_student_is_given(good: Recorded, tmp_path: Path) -> None:
    noted = replace(good, graded=replace(good.graded, notes=("It carries the token of s2.",)))
    with zipfile.ZipFile(noted.write(tmp_path / "noted.zip")) as bundle:
        assert not [name for name in bundle.namelist() if b"token of s2" in bundle.read(name)]
        assert json.loads(bundle.read("report.json"))["student"] == "Jane Döe"


def test_a_folder_of_bundles_with_one_that_was_changed(good: Recorded, installed: Path, tmp_path: Path) -> None:
    rewritten(good.path, tmp_path / "b.zip", **{"events.json": b"[]"})
    good.write(tmp_path / "a.zip")
    code, said = run("--evidence", tmp_path)
    assert code == 3
    assert "b.zip: not repeated" in said
    assert "8 of 8 verdicts repeated" in said
    code, said = run("--evidence", tmp_path, "--json")
    found = json.loads(said)
    assert (code, [one["id"] for one in found["bundles"]], list(found["unusable"])) == (3, ["jdoe"], ["b.zip"])


@pytest.mark.parametrize(
    ("old", "new", "exit_code", "words"),
    [
        ("len(lab.pods()) >= 2", "len(lab.pods()) >= 3", 1, "differs: test_pods: passed then, failed now"),
        ('"cat /count"', '"cat /account"', 3, "cannot be repeated: test_patience: nobody asked for it"),
    ],
)
def test_exit_codes(
    good: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, exit_code: int, words: str
) -> None:
    changed(tmp_path, old, new)
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    code, said = run("--evidence", good.path)
    assert code == exit_code
    assert words in said
    assert ("kindlab regrade OUT --tasks TASK" in said) == (exit_code == 3)


def test_a_reason_is_a_line_that_can_be_read() -> None:
    assert showing._short("asked:\n  sh -c x") == "asked: sh -c x"
    assert len(showing._short("curl " * 100)) == showing.LONGEST


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("OUT", "--evidence", "x.zip"), "stands alone"),
        ((), "Which grades"),
        (("OUT", "--evidence-key", "k"), "is for --evidence"),
        (("--evidence", "nothing-here.zip"), "There is no evidence in"),
    ],
)
def test_words_that_do_not_go_together(words: tuple[str, ...], what: str) -> None:
    with pytest.raises(Problem, match=what) as told:
        run(*words)
    assert told.value.exit_code == 2


def test_a_key_that_anybody_guesses_is_none(good: Recorded, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n", encoding="utf-8")
    with pytest.raises(Problem, match="holds no key"):
        run("--evidence", good.path, "--evidence-key", tmp_path / "key")
