"""Consent to work on a cluster that kindlab has not made, as it is kept."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kindlab.clusters import base, consent
from kindlab.clusters.base import Status
from kindlab.clusters.current import Current
from kindlab.errors import UsageProblem
from kindlab.session import Session


class Elsewhere:
    def __init__(self, server: str, authority: str = "") -> None:
        self.server, self.authority = server, authority


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


def test_another_cluster_behind_the_same_address_is_asked_about(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every k3s is context default at https://127.0.0.1:6443, and so is a tunnel to somebody else's."""
    monkeypatch.setattr(Status, "api", lambda self: Elsewhere("https://127.0.0.1:6443", self.detail))
    consent.ensure(at("mine"), yes=True)
    consent.ensure(at("mine"))
    with pytest.raises(UsageProblem, match="is not kindlab's"):
        consent.ensure(at("theirs"))


def test_a_server_that_is_not_verified_is_not_ours(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig of a cluster that was killed is still there, and its port may be anybody's now."""
    folder = home / "clusters" / "pocket-x"
    folder.mkdir(parents=True)
    ours, theirs = (base64.b64encode(text).decode() for text in (b"our authority", b"theirs"))
    entry = {"server": "https://127.0.0.1:40000", "certificate-authority-data": ours}
    config = {
        "clusters": [{"name": "c", "cluster": entry}],
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "current-context": "c",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.undo()
    monkeypatch.setenv("KINDLAB_HOME", str(home))

    def seen(name: str, **changed: Any) -> Status:
        entry.clear()
        entry.update({"server": "https://127.0.0.1:40000", **changed})
        (tmp_path / name).write_text(yaml.safe_dump(config), encoding="utf-8")
        return Status("c", "current", str(tmp_path / name), "c", True)

    consent.ensure(seen("same", **{"certificate-authority-data": ours}))
    for other in (
        seen("theirs", **{"certificate-authority-data": theirs}),
        seen("nobody", **{"insecure-skip-tls-verify": True}),
        seen("public"),
    ):
        with pytest.raises(UsageProblem, match="is not kindlab's"):
            consent.ensure(other)


@pytest.mark.parametrize("damage", ["", "{", "3", '["https://one", "class"]', '[["https://one"]]', "null"])
def test_a_damaged_file_says_no_and_is_written_anew(home: Path, damage: str) -> None:
    (home / consent.FILE).write_text(damage, encoding="utf-8")
    with pytest.raises(UsageProblem):
        consent.ensure(at("https://one"))
    consent.ensure(at("https://one"), yes=True)
    assert json.loads((home / consent.FILE).read_text(encoding="utf-8")) == [["https://one", "class", ""]]
    assert (home / consent.FILE).stat().st_mode & 0o777 == 0o600


WHOLE = """
clusters: [{name: c, cluster: {server: 'https://one'}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
"""


@pytest.mark.parametrize("text", [WHOLE, "clusters: [{cluster: {server: 'https://two'}}]", "}{", "", "clusters: 3"])
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
