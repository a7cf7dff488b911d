"""What was found out before, by digests: fingerprints for as long as the answer, the lab and the oracle are the same,
gradings for as long as the grader and all that it uses are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kindlab import digests, labs, paths
from kindlab.journal import Journal
from kindlab.labs import Lab

SOURCE = Path(__file__).resolve().parents[2]
OF_ORACLE = ("kindlab/mutate", "pocketkube")
OF_GRADER = ("kindlab/checks", "kindlab/grading", "kindlab/trace", "pocketkube")


def _sources(parts: Iterable[str]) -> list[Path]:
    return [file for part in parts for file in (SOURCE / part).rglob("*.py")]


class Kept:
    """Of a lab; each addition is on the disk at once, so that a run that was stopped goes on."""

    def __init__(self, lab: Lab) -> None:
        answer = digests.of([*lab.start_files, lab.folder / "lab.toml", *labs.manifests(lab.solution_folder)])
        self.oracle = f"{answer} {digests.of(_sources(OF_ORACLE))}"
        self.grader = f"{answer} {digests.of([lab.grader, *_sources(OF_GRADER)])}"
        now = (f"{self.oracle} ", f"{self.grader} ")
        file = paths.cache() / "mutate" / f"{lab.slug}.jsonl"
        self._journal = Journal(file, still=lambda key: key.startswith(now))

    def get(self, about: str, key: str) -> Any:
        """None when it is not known. `about`: `oracle` or `grader` of this lab as it is."""
        return self._journal.held.get(f"{about} {key}")

    def keep(self, about: str, key: str, value: Any) -> None:
        self._journal.add(f"{about} {key}", value)
