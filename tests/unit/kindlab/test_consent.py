"""Consent to work on a cluster that kindlab has not made, as it is kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from kindlab.clusters import base, consent
from kindlab.clusters.base import Status
from kindlab.clusters.current import Current
from kindlab.errors import UsageProblem
from kindlab.session import Session


class Elsewhere:
    def __init__(self, server: str) -> None:
        self.server = server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(Status, "api", lambda self: Elsewhere(self.detail))
    return tmp_path


def at(server: str, context: str = "class") -> Status:
    return Status(context, "current", None, context, True, server)


def test_a_yes_holds_for_that_server_and_context_only(home: Path) -> None:
    consent.ensure(at("https://one"), yes=True)
    consent.ensure(at("https://one"))
    for other in (at("https://two"), at("https://one", "production")):
        with pytest.raises(UsageProblem, match="is not kindlab's"):
            consent.ensure(other)
    consent.ensure(at("https://two"), yes=True)
    consent.ensure(at("https://one"))


@pytest.mark.parametrize("damage", ["", "{", "3", '["https://one", "class"]', '[["https://one"]]', "null"])
def test_a_damaged_file_says_no_and_is_written_anew(home: Path, damage: str) -> None:
    (home / consent.FILE).write_text(damage, encoding="utf-8")
    with pytest.raises(UsageProblem):
        consent.ensure(at("https://one"))
    consent.ensure(at("https://one"), yes=True)
    assert json.loads((home / consent.FILE).read_text(encoding="utf-8")) == [["https://one", "class"]]
    assert (home / consent.FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["clusters: [{cluster: {server: 'https://one'}}]", "}{", "", "clusters: 3"])
def test_only_a_kubeconfig_of_our_own_that_names_the_server_makes_it_ours(home: Path, text: str) -> None:
    (home / "clusters" / "kind-x").mkdir(parents=True)
    (home / "clusters" / "kind-x" / "kubeconfig").write_text(text, encoding="utf-8")
    if "https://one" in text:
        consent.ensure(at("https://one"))
    else:
        with pytest.raises(UsageProblem):
            consent.ensure(at("https://one"))


def test_current_is_what_up_took_also_when_it_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base.remember(Status("class", "current", None, "class", True, prefix="alice"))
    for kind in (None, "auto", "current"):
        found: Any = base.active(kind)
        assert isinstance(found, Current)
        assert (found.context, found.prefix, base.prefix(kind)) == ("class", "alice", "alice")
    assert (base.active("pocket").kind, base.prefix("pocket")) == ("pocket", "")
    base.remember(Status("pocket", "pocket", None, None, True))
    other: Any = base.active("current")
    assert (other.context, other.prefix) == (None, "")


def test_what_up_is_not_told_again_is_as_it_was(home: Path) -> None:
    base.remember(Status("class", "current", None, "class", True, prefix="alice"))

    def taken(**options: Any) -> tuple[str | None, str]:
        found: Any = base.choose("current", **options)[0]
        return found.context, found.prefix

    assert taken() == taken(context=None, prefix=None) == taken(context="class") == ("class", "alice")
    assert taken(prefix="bob") == ("class", "bob")
    assert taken(prefix="") == ("class", "")
    assert taken(context="production") == ("production", "")
    base.remember(Status("pocket", "pocket", None, None, True))
    assert taken() == (None, "")


def test_a_notebook_is_about_the_learners_own_namespace(home: Path) -> None:
    base.remember(Status("class", "current", None, "class", True, prefix="alice"))
    assert Session(None).lab("02").namespace == "alice-02-services"
    base.remember(Status("pocket", "pocket", None, None, True))
    assert Session(None).lab("02").namespace == "02-services"


def test_a_file_of_before_there_were_prefixes_is_read(home: Path) -> None:
    (home / "active.json").write_text('{"kind": "current", "name": "class", "context": null}', encoding="utf-8")
    assert (base.active().kind, base.prefix()) == ("current", "")


@pytest.mark.parametrize("kind", ["pocket", "kind"])
def test_a_prefix_or_a_context_is_for_a_cluster_of_the_kubeconfig(kind: str) -> None:
    options: list[dict[str, Any]] = [{"prefix": "alice"}, {"context": "class"}]
    for option in options:
        with pytest.raises(UsageProblem, match="for a cluster of your kubeconfig"):
            base.provider(kind, **option)
        assert base.choose("auto", **option)[0].kind == "current"
