"""Every add-on of the course is sound, and a mistake in one is said with its file and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kindlab import addons, labs, manifests
from kindlab.addons import model
from kindlab.addons.model import Addon
from kindlab.errors import Problem, UsageProblem
from kindlab.needs import NEEDS, named

EVERY = addons.all_addons()
BUILT_IN = {"ingress", "gateway", "metrics", "hostpath", "snapshots", "expansion", "volume-limits", "load-balancer"}
"""Words that the embedded cluster has because of what it comes with, not because it is a cluster."""
HEAD = 'format = 1\ntitle = "X"\nversion = "1.0"\nabout = "x"\n'


def each(addon: Addon) -> str:
    return addon.name


@pytest.mark.parametrize("addon", EVERY, ids=each)
def test_it_is_pinned(addon: Addon) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", addon.version)
    assert addon.sources or addon.manifests
    for source in addon.sources:  # their checksums' form is the source's own affair
        assert re.match(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/v\d+\.\d+\.\d+/", source.url), source.url
    for image in addon.images:
        assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+/[a-z0-9/_-]+:v\d+\.\d+\.\d+", image), image
    assert len({source.url for source in addon.sources}) == len(addon.sources)


@pytest.mark.parametrize("addon", EVERY, ids=each)
def test_its_words_are_words_and_what_it_requires_is_there(addon: Addon) -> None:
    assert set(addon.gives) <= NEEDS.keys()
    assert set(addon.requires) <= {other.name for other in EVERY}
    assert all(patch.why for patch in addon.patches)
    assert all(trap.endswith(".") for trap in addon.traps)
    assert addon.gives or any(addon.name in other.requires for other in EVERY), "nobody needs it"


def test_what_the_embedded_cluster_brings_a_real_one_gets_by_an_add_on() -> None:
    given = {word for addon in EVERY for word in addon.gives}
    assert given >= BUILT_IN & NEEDS.keys()
    wanted = {word for lab in labs.all_labs() for word in named(lab)}
    assert wanted & BUILT_IN <= given


@pytest.mark.parametrize("addon", [addon for addon in EVERY if addon.manifests], ids=each)
def test_its_own_manifests_use_the_images_that_it_names(addon: Addon) -> None:
    pods = [o["spec"]["template"]["spec"] for o in manifests.read(addon.manifests) if "template" in o.get("spec", {})]
    assert {container["image"] for pod in pods for container in pod["containers"]} <= set(addon.images)


def test_requirements_come_first_and_once() -> None:
    names = [addon.name for addon in addons.for_needs(["snapshots", "ingress", "expansion", "no such word"])]
    assert names == ["snapshotter", "csi-hostpath", "gateway-api", "traefik"]
    assert addons.for_needs([]) == []


def test_a_name_that_is_none_is_said_with_the_near_one() -> None:
    with pytest.raises(UsageProblem) as found:
        addons.find("trafik")
    assert "Did you mean traefik?" in str(found.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("format = ", "cannot be read"),
        ("format = 2\n" + HEAD[11:], "format: 2 is not 1"),
        (HEAD.replace('version = "1.0"\n', ""), "The key 'version' is missing."),
        (HEAD.replace('"1.0"', "1.0"), "version: a text is needed, not 1.0"),
        (HEAD + "image = []\n", "image: no such key"),
        (HEAD + 'images = "one"\n', "images: a list of texts is needed"),
        (HEAD + '[[sources]]\nurl = "https://x"\n', "sources.sha256 is missing or empty"),
        (HEAD + '[[sources]]\nurl = "https://x"\nsha256 = ""\n', "sources.sha256 is missing or empty"),
        (HEAD + '[[sources]]\nurl = "https://x"\nsha256 = "abc"\n', "is no sha256"),
        (HEAD + '[[patches]]\nkind = "Pod"\nname = "x"\nwhy = "x"\n', "patches.operations is missing or empty"),
        (HEAD + 'ready = [{ kind = "Pod" }]\n', "ready: it needs a kind, and a condition"),
        (HEAD + 'ready = [{ kind = "Pod", field = "spec" }]\n', "ready: it needs a kind, and a condition"),
        (HEAD + 'ready = [{ kind = "Pod", names = "x" }]\n', "ready.names: no such key"),
    ],
)
def test_a_mistake_is_said_with_its_file_and_key(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "addon.toml").write_text(text)
    with pytest.raises(Problem) as found:
        model.read(tmp_path)
    assert str(tmp_path / "addon.toml") in found.value.what
    assert why in str(found.value)
    assert "a fault of the course" in found.value.then


def course_of(folder: Path, **requires: str) -> None:
    (folder / "labs").mkdir()
    for name, required in requires.items():
        (folder / "cluster-config" / "addons" / name).mkdir(parents=True)
        text = f'{HEAD}requires = ["{required}"]\n' if required else HEAD
        (folder / "cluster-config" / "addons" / name / "addon.toml").write_text(text)


@pytest.mark.parametrize(
    ("requires", "why"),
    [({"a": "b", "b": "a"}, "requires: a requires it, too"), ({"a": "b"}, "requires: there is no add-on b")],
)
def test_what_cannot_be_required_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requires: dict[str, str], why: str
) -> None:
    course_of(tmp_path, **requires)
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    with pytest.raises(Problem, match=why):
        addons.with_requirements([addons.find("a")])


def test_what_is_put_on_a_cluster_decides_the_digest(tmp_path: Path) -> None:
    (tmp_path / "addon.toml").write_text(HEAD)
    before = model.read(tmp_path).digest
    assert model.read(tmp_path).digest == before
    (tmp_path / "more.yaml").write_text("# nothing\n")
    assert model.read(tmp_path).digest != before
