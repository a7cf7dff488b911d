"""The Dockerfile of the grader's image, as far as it can be read: nobody could build it here."""

import re
from pathlib import Path

import pytest

from kindlab import paths
from kindlab.batch.elsewhere import objects

ROOT = paths.course()
FOLDER = ROOT / "cluster-config" / "grader"
TEXT = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
LINES = [line for line in TEXT.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
IGNORED = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()


def copied() -> list[tuple[str, str]]:
    """(source in the checkout, where to)."""
    copies = [line.split()[1:] for line in LINES if line.startswith("COPY ") and "--from" not in line]
    return [(source, to) for *sources, to in copies for source in sources]


@pytest.mark.parametrize("source", [source for source, _ in copied()])
def test_what_is_copied_is_there_and_is_sent_to_the_builder(source: str) -> None:
    assert (ROOT / source).exists()
    assert f"!{source}" in IGNORED


def test_nothing_else_is_sent_to_the_builder() -> None:
    assert {line[1:] for line in IGNORED if line.startswith("!")} == {source for source, _ in copied()}
    assert "*" in IGNORED
    assert not {"solutions", "work", "."} & {source for source, _ in copied()}


def test_packages_come_from_the_lock_file_by_hash() -> None:
    [install] = [line for line in LINES if "pip install" in line]
    assert "--require-hashes" in install
    assert "--requirement /requirements.lock" in install
    assert ("requirements.lock", "/requirements.lock") in copied()
    assert TEXT.count("install") - TEXT.count("pip install") == 0, "nothing is installed in another way"


def test_the_base_is_a_fixed_one() -> None:
    [base] = [line.partition("=")[2] for line in LINES if line.startswith("ARG PYTHON=")]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-\w+", base)
    assert {line.split()[1] for line in LINES if line.startswith("FROM ")} == {"${PYTHON}"}


def test_it_runs_as_nobody_by_number_and_finds_the_course_and_the_worker() -> None:
    [user] = [line.split()[1] for line in LINES if line.startswith("USER ")]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user), "kubelet's runAsNonRoot wants a number"
    assert LINES.index(f"USER {user}") > max(LINES.index(line) for line in LINES if line.startswith("RUN "))
    environment = " ".join(line for line in LINES if line.startswith("ENV "))
    assert "KINDLAB_COURSE=/course" in environment
    assert "PYTHONPATH=/course/src" in environment
    assert Path(ROOT, "src", *objects.COMMAND[2].split(".")).with_suffix(".py").is_file()
