"""A context put into the user's kubeconfig and taken out again."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from kindlab.clusters import kubeconfigs
from kindlab.errors import Problem


def config(*names: str, current: str = "") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}"}} for name in names],
        "users": [{"name": name, "user": {"token": name}} for name in names],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}} for name in names],
        "current-context": current,
    }


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The cluster's kubeconfig."""
    file = tmp_path / "kind"
    file.write_text(yaml.safe_dump(config("kind-kindlab", current="kind-kindlab")))
    return file


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "users"
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def test_added_and_taken_out_leaves_what_was(own: Path, users: Path) -> None:
    before = {**config("work", "home", current="work"), "preferences": {}}
    users.write_text(yaml.safe_dump(before))
    users.chmod(0o600)
    file, was, said = kubeconfigs.merge(own)
    assert (file, was) == (users, "work")
    assert "context kind-kindlab added and made the current one (it was work; the file as it was: " in said
    backup = users.with_name("users.before-kindlab")
    assert str(backup) in said
    assert yaml.safe_load(backup.read_text()) == before
    merged = yaml.safe_load(users.read_text())
    assert [entry["name"] for entry in merged["contexts"]] == ["work", "home", "kind-kindlab"]
    assert merged["current-context"] == "kind-kindlab"
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert "kind-kindlab removed" in kubeconfigs.unmerge(users, "kind-kindlab", "work")
    assert yaml.safe_load(users.read_text()) == before
    assert kubeconfigs.unmerge(users, "kind-kindlab", "work") == ""


MINE = """# mine
kind: Config
clusters: [{name: work, cluster: {server: "https://work"}}]  # the company's
users: [{name: work, user: {token: secret}}]
contexts: [{name: work, context: {cluster: work, user: work}}]
current-context: work
"""


def test_what_comes_back_is_the_file_as_it_was_to_the_byte(own: Path, users: Path) -> None:
    users.write_text(MINE)
    kubeconfigs.merge(own)
    kubeconfigs.unmerge(users, "kind-kindlab", "work")
    assert users.read_text() == MINE
    assert list(users.parent.glob("users*")) == [users], "nothing is left beside it"


def test_what_was_changed_meanwhile_stays_and_so_does_the_copy(own: Path, users: Path) -> None:
    users.write_text(MINE)
    kubeconfigs.merge(own)
    changed = yaml.safe_load(users.read_text())
    changed["users"][0]["user"]["token"] = "another"
    users.write_text(yaml.safe_dump(changed))
    kubeconfigs.unmerge(users, "kind-kindlab", "work")
    left = yaml.safe_load(users.read_text())
    assert (left["users"], left["current-context"]) == ([{"name": "work", "user": {"token": "another"}}], "work")
    assert users.with_name("users.before-kindlab").read_text() == MINE


def test_a_context_that_was_chosen_since_stays_the_current_one(own: Path, users: Path) -> None:
    users.write_text(yaml.safe_dump(config("work", "home", current="work")))
    kubeconfigs.merge(own)
    users.write_text(yaml.safe_dump({**yaml.safe_load(users.read_text()), "current-context": "home"}))
    kubeconfigs.unmerge(users, "kind-kindlab", "work")
    assert yaml.safe_load(users.read_text())["current-context"] == "home"


def test_without_a_kubeconfig_one_is_made_that_nobody_else_can_read(own: Path, users: Path) -> None:
    kubeconfigs.merge(own)
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert yaml.safe_load(users.read_text())["current-context"] == "kind-kindlab"
    kubeconfigs.unmerge(users, "kind-kindlab", "")
    assert yaml.safe_load(users.read_text())["current-context"] == ""


def test_an_old_cluster_of_that_name_is_replaced_and_twice_is_once(own: Path, users: Path) -> None:
    users.write_text(yaml.safe_dump({**config("kind-kindlab"), "clusters": [{"name": "kind-kindlab", "cluster": {}}]}))
    assert "put in place of the old one" in kubeconfigs.merge(own)[2]
    first = users.read_text()
    assert "has the context kind-kindlab already" in kubeconfigs.merge(own)[2]
    assert users.read_text() == first
    assert yaml.safe_load(first)["clusters"] == config("kind-kindlab")["clusters"]


def test_a_link_stays_a_link(own: Path, users: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(yaml.safe_dump(config("work", current="work")))
    users.symlink_to(real)
    kubeconfigs.merge(own)
    assert users.is_symlink()
    assert len(yaml.safe_load(real.read_text())["contexts"]) == 2


def test_the_first_file_that_is_there_as_kubectl_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("KUBECONFIG", f"{first}:{second}")
    assert kubeconfigs.users_own() == second
    first.touch()
    assert kubeconfigs.users_own() == first
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kubeconfigs.users_own() == tmp_path / ".kube" / "config"


@pytest.mark.parametrize("text", ["clusters: [", "- a list", "contexts: [x]"])
def test_what_is_no_kubeconfig_is_not_touched(own: Path, users: Path, text: str) -> None:
    users.write_text(text)
    with pytest.raises(Problem, match="cannot be used"):
        kubeconfigs.merge(own)
    assert users.read_text() == text


def test_one_that_another_program_changes_is_waited_for_and_said(
    own: Path, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeconfigs, "PATIENCE", 0.1)
    lock = users.with_name("users.lock")
    lock.touch()
    with pytest.raises(Problem, match="is being changed by another program") as refused:
        kubeconfigs.merge(own)
    assert str(lock) in refused.value.then
    assert not users.exists()
    lock.unlink()
    kubeconfigs.merge(own)
    assert not lock.exists()
