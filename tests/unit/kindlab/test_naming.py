"""A learner's prefix in the course's texts: every name of a lab gets it, and nothing else changes."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kindlab import labs, naming, paths
from kindlab.errors import UsageProblem
from kindlab.labs import CLUSTER_KINDS, Lab
from kindlab.manifests import parse, text_of

ALL = labs.all_labs()
DEPOT = "03-service-discovery-depot"


def texts(lab: Lab) -> Iterator[Path]:
    """Whatever of a lab goes to a learner or to a cluster."""
    yield from (file for file in lab.folder.rglob("*") if file.is_file() and file.name != "mutants.toml")
    yield from (file for file in lab.solution_folder.rglob("*") if file.is_file())
    yield lab.notebook


@pytest.mark.parametrize("lab", ALL, ids=lambda lab: lab.slug)
def test_every_name_in_every_file_of_the_course_gets_the_prefix_once(lab: Lab) -> None:
    mine = lab.under("p9")
    course_s = re.compile(rf"(?<!p9-)\b(?:{lab.slug}|lab{lab.number}-(?=[a-z]))")
    for file in texts(lab):
        text = text_of(file)
        assert lab.spelled(text) == text == lab.under("").spelled(text)
        spelled = mine.spelled(text)
        assert mine.spelled(spelled) == spelled
        assert not course_s.findall(spelled), file
        assert not naming.is_anothers(text, lab.slug, "")
        assert not naming.is_anothers(spelled, lab.slug, "p9")
        assert (
            (spelled != text) == naming.is_anothers(text, lab.slug, "p9") == naming.is_anothers(spelled, lab.slug, "")
        )
        assert spelled.replace("p9-", "") == text.replace("p9-", "")
        match file.suffix:
            case ".ipynb":
                assert json.loads(spelled).keys() == json.loads(text).keys()
            case ".toml":
                tomllib.loads(spelled)


@pytest.mark.parametrize("lab", ALL, ids=lambda lab: lab.slug)
def test_every_manifest_still_parses_and_all_it_names_is_the_learners(lab: Lab) -> None:
    mine = lab.under("p9")
    for file in texts(lab):
        if file.suffix not in (".yaml", ".json"):
            continue
        text = text_of(file)
        if mine.spelled(text) == text:
            continue
        before = parse(text, file.name)
        for obj, was in zip(parse(mine.spelled(text), file.name), before, strict=True):
            meta = obj["metadata"]
            assert yaml.safe_dump(obj).replace("p9-", "") == yaml.safe_dump(was), file
            if "namespace" in meta and meta["namespace"].startswith(("p9", lab.slug)):
                assert meta["namespace"] in mine.spaces, file
            if obj["kind"] in CLUSTER_KINDS and was["metadata"]["name"].startswith(lab.prefix):
                assert meta["name"].startswith(mine.prefix), file


def test_a_lab_under_a_prefix_keeps_its_folder_and_its_files() -> None:
    lab = labs.find("03")
    mine = lab.under("alice")
    assert mine.slug == lab.slug
    assert (mine.folder, mine.grader, mine.notebook) == (lab.folder, lab.grader, lab.notebook)
    assert mine.spaces == ("alice-03-service-discovery", f"alice-{DEPOT}")
    assert mine.prefix == "alice-lab03-"
    assert f"-n alice-{DEPOT}" in mine.tasks[0].hints[0]
    assert lab.under("") is lab
    assert mine.under("alice") is mine


@pytest.mark.parametrize(
    "text",
    [
        "work/02-services/cart.yaml",
        "cd 02-services/ && ls",
        "02-services.ipynb",
        "%check 02",
        "kindlab start 02-services",
        "%reset 02-services",
        "labs/02-services",
        "the slug 102-services",
        "alice-02-services",
        "alice-lab02-web",
        "kindlab solve 02-services --cluster current",
    ],
)
def test_what_only_looks_like_a_name_of_the_lab_stays(text: str) -> None:
    assert naming.spelled(text, "02-services", "al") == text


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("-n 02-services", "-n al-02-services"),
        ("http://cart.02-services/hostname", "http://cart.al-02-services/hostname"),
        ("http://02-services.cart", "http://al-02-services.cart"),
        ("cart.02-services.svc.cluster.local", "cart.al-02-services.svc.cluster.local"),
        ("/api/v1/namespaces/02-services/pods", "/api/v1/namespaces/al-02-services/pods"),
        ("kubectl get ns/02-services-depot", "kubectl get ns/al-02-services-depot"),
        ("system:serviceaccount:02-services:robot", "system:serviceaccount:al-02-services:robot"),
        ("${POD_ADDRESS 02-services app=web}/32", "${POD_ADDRESS al-02-services app=web}/32"),
        ("kindlab why svc/cart -n 02-services", "kindlab why svc/cart -n al-02-services"),
        ("lab02-web and `lab02-`", "al-lab02-web and `al-lab02-`"),
        ("path: /var/lab02-data", "path: /var/al-lab02-data"),
        ("lab03-web of 03-service-discovery", "lab03-web of 03-service-discovery"),
    ],
)
def test_a_name_is_found_where_a_cluster_is_told_it(text: str, spelled: str) -> None:
    assert naming.spelled(text, "02-services", "al") == spelled


PREFIXES = st.from_regex(naming._PREFIX, fullmatch=True).filter(lambda found: not naming._LIKE_OURS.fullmatch(found))


@given(PREFIXES, st.text())
def test_without_a_prefix_nothing_changes_and_twice_is_once(prefix: str, text: str) -> None:
    assert naming.spelled(text, "02-services", "") == text
    once = naming.spelled(text, "02-services", prefix)
    assert naming.spelled(once, "02-services", prefix) == once


@given(PREFIXES, PREFIXES | st.just(""))
def test_no_learner_has_a_name_that_another_one_could_have(one: str, other: str) -> None:
    if one == other:
        return
    mine, theirs = ([lab.under(prefix) for lab in ALL] for prefix in (one, other))
    assert not {s for lab in mine for s in lab.spaces} & {s for lab in theirs for s in lab.spaces}
    begins = [lab.prefix for lab in mine], [lab.prefix for lab in theirs]
    assert not any(a.startswith(b) or b.startswith(a) for a in begins[0] for b in begins[1])
    assert max(len(s) for lab in mine for s in lab.spaces) <= 63


@pytest.mark.parametrize(
    "prefix", ["Alice", "al-02", "al-lab12", "1a", "a" * 21, "a_b", "a.b", "lab12", "-", "ä", "a\n"]
)
def test_what_cannot_be_a_prefix_is_refused_with_an_example(prefix: str) -> None:
    with pytest.raises(UsageProblem, match="cannot be a prefix") as raised:
        labs.find("02").under(prefix)
    assert "--prefix alice" in raised.value.then


def test_graders_name_no_namespace_and_no_object_of_the_lab_literally() -> None:
    """They ask `lab.space` and `lab.own`: learners may have a prefix. Sentences may name both: they are spelled."""
    spaces = {space for lab in ALL for space in lab.spaces}
    for file in sorted((paths.course() / "graders").glob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
                assert not any(space in node.value for space in spaces), f"{file.name}:{node.lineno}: {node.value}"
                assert not re.fullmatch(r"lab\d\d-[\w-]*", node.value), f"{file.name}:{node.lineno}: {node.value}"
