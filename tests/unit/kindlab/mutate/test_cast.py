"""Who and what the oracle asks about, and how long what it found is good for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from kindlab import labs
from kindlab.mutate import cast, kept, oracle
from kindlab.mutate.kept import Kept


def test_ports_are_those_of_all_answers() -> None:
    found = cast.of(labs.find("02"))
    assert found.ports["payment"] == {80, 8081}  # an alternative moves the program
    assert found.ports["catalog"] == {8080}
    assert found.service_ports["payment"] == {80, 8081}  # the second is where it begins


def test_a_namespace_beside_is_called_by_its_short_name() -> None:
    found = cast.of(labs.find("08"))
    assert found.spaces["partner"] == "08-network-policy-partner"
    assert found.spaces[""] == "08-network-policy"
    assert "partner/auditor" in found.ports
    assert found.policies


def test_labels_count_where_a_task_names_them() -> None:
    found = cast.of(labs.find("01"))
    assert {key for key in found.asked_for()} == {("", "app", "stall")}
    assert ("", "app", "hello") in found.by_label


def test_every_rule_is_asked_for_itself_below_and_beside_it() -> None:
    found = cast.of(labs.find("06")).urls
    assert {("apps.06.localhost", path) for path in ("/app1", "/app1/", "/app1/below/it", "/app1beside", "/")} <= found
    assert ("nobody.localhost", "/") in found


def test_every_dimension_looks_in_an_order() -> None:
    names = oracle.dimensions()
    assert [name.rpartition(".")[2] for name in names[-2:]] == ["volumes", "followed"]  # which deletes Pods, then
    assert all(callable(import_module(name).LOOK) for name in names)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINDLAB_CACHE", str(tmp_path))
    return tmp_path


def test_a_grading_is_good_until_the_grader_changes(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = labs.find("02")
    held = Kept(lab)
    held.keep(held.grader, "x", [[], ""])
    held.keep(held.oracle, "x", {"a": ["1", True]})
    held.keep(held.oracle, "solution, once more", {})
    again = Kept(lab)
    assert again.get(again.oracle, "solution, once more") == {}
    assert again.get(again.grader, "x") == [[], ""]
    monkeypatch.setattr(kept, "OF_GRADER", ("kindlab/checks",))
    later = Kept(lab)
    assert later.get(later.grader, "x") is None
    assert later.get(later.oracle, "x") == {"a": ["1", True]}


def test_what_cannot_be_read_is_forgotten(cache: Path) -> None:
    lab = labs.find("02")
    file = cache / "mutate" / f"{lab.slug}.jsonl"
    file.parent.mkdir()
    for text in ("[", "[]", ""):
        file.write_text(text)
        assert Kept(lab).get(Kept(lab).oracle, "x") is None
