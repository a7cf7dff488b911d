"""What is handed to a Pod, and what comes back: zips, as bytes. No pickles: who reads them runs nothing."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kindlab.batch.graded import Graded
from kindlab.batch.intake import limits
from kindlab.batch.submission import Refused, Submission
from kindlab.labs import Lab
from kindlab.zips import zipped

FILES, ORDER, GRADED, EVIDENCE = "files/", "order.json", "graded.json", "evidence.zip"
MOST = 64 << 20
"""Bytes that are read out of an answer; the largest evidence is far smaller."""


@dataclass(frozen=True)
class Order:
    """What grade_one is asked (Order.of takes what it takes), to be answered elsewhere."""

    submission: Submission
    lab: str
    variant: dict[str, str] = field(default_factory=dict)
    tasks: list[str] | None = None
    evidence: str = ""
    """The file name of its bundle; "" for none."""
    seconds: float = 600.0
    """After which it could not be graded."""

    @classmethod
    def of(
        cls,
        api: Any,
        submission: Submission,
        *,
        lab: Lab,
        cluster: str,
        tasks: Collection[str] | None = None,
        evidence: Path | None = None,
    ) -> Order:
        name = evidence.name if evidence else ""
        return cls(submission, lab.slug, dict(lab.variant), list(tasks) if tasks is not None else None, name)

    def packed(self) -> bytes:
        said = {**asdict(self), "submission": {**asdict(self.submission), "folder": None}}
        folder = self.submission.folder
        files = sorted(folder.iterdir()) if folder else []
        return zipped({ORDER: _json(said)} | {f"{FILES}{file.name}": file.read_bytes() for file in files})


def unpacked(data: bytes, folder: Path) -> Order:
    """The order, with the submission's files in `folder`. Raises ValueError for what is none."""
    parts = _parts(data, limits.ALL + MOST)
    said = json.loads(parts.pop(ORDER))
    for name, content in parts.items():
        (folder / Path(name).name).write_bytes(content)
    one = said["submission"]
    lists = {key: tuple(one[key]) for key in ("notes", "nodes")}
    refused = tuple(Refused(**what) for what in one["refused"])
    return Order(**{**said, "submission": Submission(**{**one, **lists, "folder": folder, "refused": refused})})


@dataclass(frozen=True)
class Answer:
    """As Finished: what was graded, or a `problem`; and the evidence, b"" without any."""

    graded: Graded | None
    problem: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    evidence: bytes = b""
    overran: bool = False

    def packed(self) -> bytes:
        said = {"problem": self.problem, "seconds": self.seconds, "cpu": self.cpu, "overran": self.overran}
        graded = {"graded": self.graded.to_json() if self.graded else None}
        return zipped({GRADED: _json(said | graded)} | ({EVIDENCE: self.evidence} if self.evidence else {}))

    @classmethod
    def unpacked(cls, data: bytes) -> Answer:
        """What `packed` made. Raises ValueError, KeyError, TypeError, AttributeError for anything else."""
        parts = _parts(data, MOST)
        said = json.loads(parts[GRADED])
        graded = Graded.from_json(said["graded"]) if said["graded"] else None
        problem = str(said["problem"])
        numbers = float(said["seconds"]), float(said["cpu"])
        return cls(graded, problem, *numbers, parts.get(EVIDENCE, b""), bool(said["overran"]))


def _parts(data: bytes, most: int) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > most:
                raise ValueError(f"it holds more than {most >> 20} MB")
            return {info.filename: archive.read(info) for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _json(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")
