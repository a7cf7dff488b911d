"""Variants on a cluster: what is right for one student is wrong for another, in the check that asks for their own."""

from pathlib import Path

import pytest
from tests.course.command import Run

from kindlab import handouts, labs, variants, workspace
from kindlab.api import Api
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome

SEED = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("slug", "task", "check"),
    [
        ("01", "other-pods", "test_other_pods_read_the_ledger"),
        ("05", "kiosk-node-port", "test_kiosk_answers_at_every_node"),
        ("09", "till-secret", "test_till_finds_its_key"),
    ],
)
def test_an_answer_fits_nobody_else(api: Api, slug: str, task: str, check: str) -> None:
    lab = labs.find(slug)
    anns, bens = (lab.given_to(variants.of(lab, SEED, who)) for who in ("ann", "ben"))
    workspace.remove_namespaces(api, lab)
    workspace.solve(anns, api)
    for_ann = runner.grade(anns, api, only=task)
    assert for_ann.outcome is Outcome.PASSED, for_ann
    for_ben = runner.grade(bens, api, only=task)
    assert for_ben.outcome is Outcome.FAILED
    (value,) = anns.variant.values()
    (wanted,) = bens.variant.values()
    failed = [one for result in for_ben.tasks for one in result.checks if one.outcome is Outcome.FAILED]
    assert check in [one.name for one in failed]
    assert not any("{{" in one.sentence for one in failed)
    assert any(wanted in one.expected for one in failed if one.name == check) or slug == "01"
    assert value != wanted
    workspace.remove_namespaces(api, lab)


def test_from_the_hand_out_to_the_start(kindlab: Run, work: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text("id,name\ns1,Jane Doe\ns2,Kim Lee\n")
    given = [f"--roster={roster}", f"--seed={tmp_path / 'seed.txt'}", f"--out={tmp_path / 'out'}"]
    done = kindlab("handout", "01", *given)
    assert done.returncode == 0, done.stderr
    assert "2 hand-outs" in done.stdout
    assert "seed" in done.stdout
    lab = labs.find("01")
    own = variants.of(lab, variants.seed(tmp_path / "seed.txt"), "s1")["sold"]
    started = kindlab("start", "01", "--from", str(tmp_path / "out" / "s1.zip"))
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith("This is the hand-out of s1.\n")
    assert f"sold today: {own}" in (work / lab.slug / "ledger.yaml").read_text()
    assert own in (work / handouts.KEPT).read_text()
    assert kindlab("start", "05", "--from", str(tmp_path / "out" / "s1.zip")).returncode == 2
    assert kindlab("start", "01", "--from", str(tmp_path / "s1.zip")).returncode == 2
    others = kindlab("start", "01", "--from", str(tmp_path / "out" / "s2.zip"))
    assert others.stdout.startswith("This is the hand-out of s2.\n")
    assert "kindlab reset 01 puts them aside and gives you new ones." in others.stdout
