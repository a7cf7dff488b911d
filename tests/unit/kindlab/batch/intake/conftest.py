"""Folders of submissions as they come, and what intake makes of them."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kindlab import labs
from kindlab.batch import intake
from kindlab.batch.intake.roster import Student
from kindlab.batch.submission import Submission
from kindlab.labs import Lab

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
Read = Callable[..., dict[str, Submission]]


@pytest.fixture(scope="session")
def lab() -> Lab:
    return labs.find("02")


@pytest.fixture
def handed_in(tmp_path: Path) -> Path:
    """The folder of submissions."""
    folder = tmp_path / "handed-in"
    folder.mkdir()
    return folder


@pytest.fixture
def read(handed_in: Path, tmp_path: Path, lab: Lab) -> Read:
    """Everybody's submission by id."""

    def read(folder: Path = handed_in, roster: tuple[Student, ...] = ()) -> dict[str, Submission]:
        found = list(intake.read(folder, lab, tmp_path / "scratch", roster))
        assert len({one.id for one in found}) == len(found)
        return {one.id: one for one in found}

    return read


def files(submission: Submission) -> dict[str, str]:
    """What will be graded, by name."""
    assert submission.folder is not None, submission.problem
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(submission.folder.iterdir())}


def write(folder: Path, **contents: str) -> Path:
    """Files in a folder: `web="..."` is web.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def zipped(path: Path, contents: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data) if data else None)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info
