"""What is each student's own: chosen by the class's seed, filled into the lab's files and into nothing else."""

import base64
import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindlab import handouts, labs, manifests, variants
from kindlab.batch.intake.roster import Student
from kindlab.errors import Problem, UsageProblem
from kindlab.variants import Declared

SEED = b"0123456789abcdef0123456789abcdef"
CLASS = [Student("s1", "Jane Doe"), Student("s2", "Kim Lee"), Student("Zoë 3", "Zoë")]


@pytest.fixture
def lab():
    return labs.find("09")


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


def test_who_works_alone_has_the_lab_as_it_is_written(lab):
    assert lab.variant == {"token": "green-4-heron"}
    assert "green-4-heron" in lab.task("till-secret").title
    assert "green-4-heron" in lab.text(lab.folder / "start" / "till-key.yaml")
    assert labs.find("05").variant == {"port": "30042"}
    assert labs.find("01").variant == {"sold": "12"}


def test_values_never_change(lab):
    """The same seed gives the same values in every version of kindlab: hand-outs are out there."""
    assert variants.of(lab, SEED, "s1") == {"token": "acorn-raven-acorn"}
    assert variants.of(labs.find("05"), SEED, "s1") == {"port": "32533"}
    assert variants.of(labs.find("01"), SEED, "s1") == {"sold": "892489"}
    assert len(variants.WORDS) == len(set(variants.WORDS)) == 179


def test_values_differ_by_seed_lab_student_and_name(lab):
    own = variants.of(lab, SEED, "s1")
    assert variants.of(lab, SEED + b"0", "s1") != own
    assert variants.of(lab, SEED, "s2") != own
    everybody = {variants.of(lab, SEED, f"s{n}")["token"] for n in range(300)}
    assert len(everybody) == 300


def test_an_id_means_the_same_however_it_is_spelled(lab):
    """The roster's `Zoë 3` is `zoe-3` in the results."""
    assert variants.of(lab, SEED, "Zoë 3") == variants.of(lab, SEED, "zoe-3") == variants.of(lab, SEED, "ZOE-3")


@pytest.mark.parametrize("slug", ["01", "05", "09"])
def test_a_students_lab_has_their_values_everywhere(slug):
    lab = labs.find(slug)
    mine = lab.given_to(variants.of(lab, SEED, "s1"))
    (name,) = mine.variant
    files = [*mine.start_files, *labs.manifests(mine.solution_folder), mine.folder / "lab.md", mine.notebook]
    texts = [mine.text(file) for file in files]
    assert not any(re.search(r"\{\{ ?" + name, text) for text in texts)
    assert sum(mine.variant[name] in text for text in texts) >= 2
    assert not any(lab.variant[name] in text for text in texts if len(lab.variant[name]) > 2)
    for file in (*mine.start_files, *labs.manifests(mine.solution_folder)):
        assert manifests.parse(mine.text(file), file.name)
    assert mine.given_to(lab.variant).tasks == lab.tasks


def test_prefix_and_values_go_together(lab):
    mine = lab.under("alice").given_to(variants.of(lab, SEED, "s1"))
    assert mine.namespace == "alice-09-config-and-rollout"
    assert mine.variant["token"] in mine.task("till-secret").title


def test_what_a_student_wrote_is_never_filled_in(lab, tmp_path):
    file = tmp_path / "web.yaml"
    file.write_text("text: '{{ token }}'")
    assert lab.text(file) == "text: '{{ token }}'"


@given(st.text(), st.dictionaries(st.sampled_from(["token", "port"]), st.sampled_from(["a-b", "8080"])))
def test_only_declared_names_are_filled_in(text, values):
    assert variants.filled(text, values) == text or "{{" in text
    assert variants.filled(f"{text}{{{{ other }}}}", values).endswith("{{ other }}")
    assert (
        variants.filled("{{ .Values.x }} {{token|b}} {{ Token }}", {"token": "x"})
        == "{{ .Values.x }} {{token|b}} {{ Token }}"
    )


DECLARED = [
    Declared("x", words=2),
    Declared("x", hex=8),
    Declared("1", numbers=(8000, 8999)),
    Declared("maple", of=("maple", "cedar")),
]


@given(st.sampled_from(DECLARED), st.data())
def test_every_value_can_be_told(one, data):
    number = data.draw(st.integers(0, one.count - 1))
    assert one.can_be(one.value(number))
    assert variants._VALUE.fullmatch(one.value(number))
    assert not one.can_be("../x")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"words": 2},
        {"default": "a"},
        {"default": "a", "words": 2, "hex": 3},
        {"default": "a: b", "words": 2},
        {"default": "a", "of": ["one"]},
        {"default": "a", "of": ["b c", "d"]},
        {"default": "1", "from": 5, "to": 4},
        {"default": "a", "hex": 99},
    ],
)
def test_a_declaration_that_cannot_be_is_refused(told):
    with pytest.raises((ValueError, KeyError)):
        variants.declared({"token": told})


# -- somebody else's


def test_another_ones_token_is_told(lab):
    theirs, own = variants.of(lab, SEED, "s2")["token"], variants.of(lab, SEED, "s1")["token"]
    (said,) = variants.anothers(f"key: {theirs}\n", lab, SEED, "s1", ["s1", "s2", "Zoë 3"])
    assert said == f"It carries the token of s2, {theirs}: its own would be {own}."
    encoded = base64.b64encode(f"{theirs}\n".encode()).decode()
    assert variants.anothers(f"key: {encoded}", lab, SEED, "s1", ["s2"])
    assert variants.anothers(f"key: {own}", lab, SEED, "s1", ["s1", "S1", "s2"]) == []
    assert variants.anothers(f"key: x{theirs}", lab, SEED, "s1", ["s2"]) == []


def test_the_default_is_told_where_the_own_is_missing(lab):
    (said,) = variants.anothers("key: green-4-heron", lab, SEED, "s1", ["s2"])
    assert "no hand-out" in said


def test_nothing_is_said_of_what_two_may_have_by_chance():
    lab = labs.find("05")
    assert variants.anothers(f"nodePort: {variants.of(lab, SEED, 's2')['port']}", lab, SEED, "s1", ["s2"]) == []


# -- seeds and hand-outs


def test_a_seed_is_made_once_and_for_its_owner(tmp_path):
    file = tmp_path / "class" / "seed.txt"
    assert handouts.make_seed(file)
    first = variants.seed(file)
    assert not handouts.make_seed(file)
    assert variants.seed(file) == first
    assert len(first) == 64
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, "short"])
def test_a_seed_that_cannot_be_used_says_why(tmp_path, content):
    file = tmp_path / "seed.txt"
    if content:
        file.write_text(content)
    with pytest.raises(UsageProblem) as error:
        variants.seed(file)
    assert error.value.why
    assert error.value.then


def test_a_hand_out_gives_a_student_their_values(lab, tmp_path, work):
    written = handouts.write(lab, CLASS, SEED, tmp_path / "out")
    assert [file.name for file in written] == ["s1.zip", "s2.zip", "zoe-3.zip"]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in written)
    with zipfile.ZipFile(written[0]) as archive:
        text = archive.read(f"{lab.slug}/till-key.yaml").decode()
    wanted = variants.of(lab, SEED, "s1")
    assert wanted["token"] in text
    assert handouts.mine(lab) is lab
    assert handouts.take(lab, written[0]).variant == wanted
    assert labs.mine("09").variant == wanted
    assert labs.find("09").variant == lab.variant
    assert handouts.student(lab) == "s1"
    # another lab's is kept beside it
    other = labs.find("05")
    handouts.take(other, handouts.write(other, CLASS[1:2], SEED, tmp_path / "05")[0])
    assert labs.mine("09").variant == wanted
    assert labs.mine("05").variant == variants.of(other, SEED, "s2")


def test_what_is_no_hand_out_of_this_lab_is_said(lab, tmp_path, work):
    (other,) = handouts.write(labs.find("05"), CLASS[:1], SEED, tmp_path / "out")
    with pytest.raises(UsageProblem, match="of lab 05-exposing-services"):
        handouts.take(lab, other)
    for name, content in {"a.zip": b"PK", "b.toml": b"\xff", "c.toml": b"format = 2"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageProblem, match="no hand-out"):
            handouts.take(lab, tmp_path / name)
    with pytest.raises(UsageProblem, match=r"no hand-out at .*nothing\.zip"):
        handouts.take(lab, tmp_path / "nothing.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageProblem, match=r"folder is no hand-out") as error:
        handouts.take(lab, tmp_path / "folder")
    assert error.value.why == "There is no variant.toml in it."
    (tmp_path / "d.toml").write_text(f'format = 1\nlab = "{lab.slug}"\nvalues = {{ token = "x: {{y}}" }}')
    with pytest.raises(Problem, match="not for lab"):
        handouts.take(lab, tmp_path / "d.toml")
    assert not (work / handouts.KEPT).exists()


def test_what_is_kept_may_be_damaged(lab, work):
    work.mkdir()
    for text in ("[", '"09-config-and-rollout" = 3', f'["{lab.slug}"]\nvalues = {{ token = "a\\nb" }}'):
        (work / handouts.KEPT).write_text(text)
        with pytest.raises(Problem) as error:
            labs.mine("09")
        assert error.value.then


def test_hand_outs_need_a_lab_with_variants_and_ids_that_differ(lab, tmp_path):
    with pytest.raises(UsageProblem, match="nothing that differs"):
        handouts.write(labs.find("02"), CLASS, SEED, tmp_path)
    with pytest.raises(UsageProblem, match="same hand-out"):
        handouts.write(lab, [Student("a b", "A"), Student("A-B", "B")], SEED, tmp_path)
