"""docs/clusters.md, README and CONTRIBUTING: their commands exist, with these options, and the files they name too."""

import re

import pytest
from tests.course import spoken
from tests.course.command import ROOT

from kindlab import labs
from kindlab.addons import all_addons

GUIDES = ["README.md", "CONTRIBUTING.md", "docs/clusters.md", "docs/parity.md", "docs/fidelity.md"]
OTHERS = {"kubectl", "export", "source", "pytest"}
"""Programs in blocks that are not ours."""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_exists_with_these_options(name: str) -> None:
    said = text(name)
    quoted = [one.replace("\n", " ") for one in re.findall(r"`((?:\.venv/bin/)?(?:kindlab|make) [^`]+)`", said)]
    lines = [
        *spoken.blocks(said),
        *(q for q in quoted if not re.search(r"NAME|NUMBER|\.\.\.|SLUG|FILE|TEXT|TARGET", q)),
    ]
    commands = [words for line in lines for words in spoken.commands(line)]
    assert len(commands) >= 3 or name == "docs/fidelity.md"
    assert not [problem for words in commands if (problem := spoken.wrong(words))]


def test_every_line_of_the_guide_is_one_we_know() -> None:
    lines = list(spoken.blocks(text("docs/clusters.md")))
    assert not [line for line in lines if not list(spoken.commands(line)) and line.split()[0] not in OTHERS]


@pytest.mark.parametrize("name", GUIDES)
def test_links_lead_to_files(name: str) -> None:
    folder = (ROOT / name).parent
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text(name)) if "://" not in link]
    assert not [link for link in links if link and not (folder / link).exists()]
    named = re.findall(r"`((?:\.github|cluster-config|tests|docs|\.devcontainer)/[\w./-]+)`", text(name))
    assert not [path for path in named if not (ROOT / path.rstrip("/")).exists() and "NAME" not in path]


def test_the_guide_names_every_add_on_and_its_labs() -> None:
    guide = text("docs/clusters.md")
    assert not [addon.name for addon in all_addons() if not re.search(rf"^\| .*\b{addon.name}\b", guide, re.MULTILINE)]
    assert {lab.number for lab in labs.all_labs()} >= set(re.findall(r"kindlab start (\d+)", guide))
