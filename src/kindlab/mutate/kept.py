"""What was found out before, by digests: fingerprints for as long as the answer, the lab and the oracle are the same,
gradings for as long as the grader and all that it uses are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kindlab import digests, labs, paths
from kindlab.labs import Lab

SOURCE = Path(__file__).resolve().parents[2]
OF_ORACLE = ("kindlab/mutate", "pocketkube")
OF_GRADER = ("kindlab/checks", "kindlab/grading", "kindlab/trace", "pocketkube")


def _sources(parts: Iterable[str]) -> list[Path]:
    return [file for part in parts for file in (SOURCE / part).rglob("*.py")]


class Kept:
    """Of a lab; written after each addition, so that a run that was stopped goes on."""

    def __init__(self, lab: Lab) -> None:
        self.file = paths.cache() / "mutate" / f"{lab.slug}.json"
        answer = digests.of([*lab.start_files, lab.folder / "lab.toml", *labs.manifests(lab.solution_folder)])
        self.oracle = f"{answer} {digests.of(_sources(OF_ORACLE))}"
        self.grader = f"{answer} {digests.of([lab.grader, *_sources(OF_GRADER)])}"
        try:
            found = json.loads(self.file.read_text("utf-8"))
            self._held: dict[str, Any] = found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            self._held = {}
        now = (f"{self.oracle} ", f"{self.grader} ")
        self._held = {key: one for key, one in self._held.items() if key.startswith(now)}

    def get(self, about: str, key: str) -> Any:
        """None when it is not known. `about`: `oracle` or `grader` of this lab as it is."""
        return self._held.get(f"{about} {key}")

    def keep(self, about: str, key: str, value: Any) -> None:
        self._held[f"{about} {key}"] = value
        paths.write_atomically(self.file, json.dumps(self._held))
