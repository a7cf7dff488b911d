"""What `kindlab rights` prints for whoever runs a shared cluster."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from kindlab import labs, naming
from kindlab.api import Obj
from kindlab.commands.rights import rights
from kindlab.errors import UsageProblem
from kindlab.manifests import parse


def printed(*words: str) -> tuple[str, list[Obj]]:
    """(the text, its objects)"""
    done = CliRunner().invoke(rights, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output, parse(done.output, "rights")


def named(objects: list[Obj], kind: str) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects if obj["kind"] == kind]


def subjects(objects: list[Obj]) -> set[tuple[str, str]]:
    return {(s["kind"], s["name"]) for obj in objects for s in obj.get("subjects", ())}


def test_each_namespace_of_the_labs_is_made_with_its_labels_and_bound_to_admin() -> None:
    text, objects = printed("--prefix", "alice", "--labs", "02,08")
    spaces = [space for n in ("02", "08") for space in labs.find(n).under("alice").spaces]
    assert named(objects, "Namespace") == spaces
    partner = next(o for o in objects if o["metadata"]["name"] == "alice-08-network-policy-partner")
    wanted = next(n.labels for n in labs.find("08").namespaces if n.name.endswith("-partner"))
    assert wanted
    assert wanted.items() <= partner["metadata"]["labels"].items()
    bound = [(o["metadata"]["namespace"], o["roleRef"]["name"]) for o in objects if o["kind"] == "RoleBinding"]
    assert set(bound) == {(space, role) for space in spaces for role in ("admin", "kindlab-learner")}
    assert subjects(objects) == {("User", "alice")}
    assert "kubectl apply -f FILE" in text
    assert "&id" not in text


def test_everywhere_there_is_nothing_but_reading_and_not_even_that_unless_it_is_wanted() -> None:
    _, objects = printed("--prefix", "alice")
    reader = next(o for o in objects if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "kindlab-reader")
    assert {verb for rule in reader["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert "secrets" not in yaml.safe_dump(reader)
    (everywhere,) = (o for o in objects if o["kind"] == "ClusterRoleBinding")
    assert everywhere["roleRef"]["name"] == "kindlab-reader"
    assert named(printed("--prefix", "alice", "--no-reading")[1], "ClusterRoleBinding") == []


def test_what_reaches_beyond_a_namespace_is_given_in_the_labs_that_use_it_only() -> None:
    """Who writes EndpointSlices may send a shared ingress controller to others' Pods; who sets limits may keep the
    grader's Pods out."""
    text, objects = printed("--prefix", "alice")
    rules = {o["metadata"]["name"]: o["rules"] for o in objects if o["kind"] == "ClusterRole"}
    given = {
        (o["metadata"]["namespace"], resource)
        for o in objects
        if o["kind"] == "RoleBinding"
        for rule in rules.get(o["roleRef"]["name"], ())
        for resource in rule["resources"]
        if set(rule["verbs"]) - {"get", "list", "watch"}
    }
    for resource, number in (("endpointslices", "04"), ("endpoints", "04"), ("limitranges", "10")):
        spaces = labs.find(number).under("alice").spaces
        assert {space for space, what in given if what == resource} == set(spaces)
    assert "CVE-2021-25740" in text
    for one in ("endpointslices", "limitranges", "CVE-2021-25740"):
        assert one not in printed("--prefix", "alice", "--labs", "02", "--no-reading")[0]
    assert all(o["roleRef"]["name"] in {*rules, "admin"} for o in objects if "roleRef" in o)


def test_labs_that_need_more_than_a_namespace_are_named() -> None:
    assert "12 (PersistentVolume, StorageClass)" in printed("--prefix", "alice", "--labs", "11,12")[0]
    assert "Not granted" not in printed("--prefix", "alice", "--labs", "11")[0]


def test_labs_in_which_a_prefix_keeps_nobody_apart_are_named() -> None:
    assert "labs 05, 06, 07, 16 use host names or node ports" in printed("--prefix", "alice")[0]


def test_a_class_is_a_list_or_a_file_of_prefixes(tmp_path: Path) -> None:
    file = tmp_path / "class.txt"
    file.write_text("alice\n# who has left: carol\nbob  # the new one\n\nalice\n", encoding="utf-8")
    listed = printed("--prefixes", "alice,bob", "--labs", "02", "--user", "{prefix}@school.example")[1]
    assert listed == printed("--prefixes", str(file), "--labs", "02", "--user", "{prefix}@school.example")[1]
    assert named(listed, "Namespace") == ["alice-02-services", "bob-02-services"]
    assert subjects(listed) == {("User", "alice@school.example"), ("User", "bob@school.example")}
    assert len(named(listed, "ClusterRole")) == 2


def test_a_class_may_be_large() -> None:
    names = [f"pupil{number}" for number in range(60)]
    assert len(named(printed("--prefixes", ",".join(names), "--labs", "02")[1], "Namespace")) == len(names)


def test_a_group_and_an_account_are_subjects_too_and_a_file_is_written(tmp_path: Path) -> None:
    assert subjects(printed("--group", "class-7", "--labs", "02")[1]) == {("Group", "class-7")}
    account = printed("--prefix", "al", "--serviceaccount", "school:{prefix}", "--labs", "02")[1]
    assert next(o for o in account if "subjects" in o)["subjects"] == [
        {"kind": "ServiceAccount", "namespace": "school", "name": "al"}
    ]
    done = CliRunner().invoke(rights, ["--prefix", "al", "--labs", "02", "-o", str(tmp_path / "al.yaml")])
    assert "kubectl apply -f" in done.output
    assert named(parse((tmp_path / "al.yaml").read_text(encoding="utf-8"), "al"), "Namespace") == ["al-02-services"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Rights for whom"),
        (["--prefix", "a-b"], "cannot be a prefix"),
        (["--prefixes", "alice,Bob"], "'Bob' cannot be a prefix"),
        (["--prefixes", ",", "--user", "x"], "There is no prefix"),
        (["--prefixes", "class.txt"], "There is no file class.txt"),
        (["--prefix", "a", "--prefixes", "b"], "--prefix and --prefixes"),
        (["--prefix", "a", "--user", "x", "--group", "y"], "A user, a group or"),
        (["--prefixes", "a,b", "--user", "both"], "would have the namespaces of 2 learners"),
        (["--prefix", "a", "--serviceaccount", "robot"], "is no ServiceAccount"),
        (["--prefix", "a", "--labs", "99"], "There is no lab"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words: list[str], says: str) -> None:
    with pytest.raises(UsageProblem, match=says):
        CliRunner().invoke(rights, words, catch_exceptions=False)


def test_the_longest_prefix_is_taken() -> None:
    longest = "a" * naming.LONGEST
    assert all(len(name) <= 63 for name in named(printed("--prefix", longest)[1], "Namespace"))


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (["--user", "one"], "--user '{prefix}@"),
        (["--serviceaccount", "class:one"], "--serviceaccount 'class:{prefix}'"),
    ],
)
def test_who_gave_one_account_for_many_is_told_how_that_option_names_each(words: list[str], way: str) -> None:
    with pytest.raises(UsageProblem) as refused:
        CliRunner().invoke(rights, ["--prefixes", "alice,bob", *words], catch_exceptions=False)
    assert way in refused.value.then
