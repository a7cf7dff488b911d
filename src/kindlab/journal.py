"""What a long run finds out, kept as it goes: a file with a line of JSON for each finding, added at its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kindlab import paths


class Journal:
    """Key -> what was added last for it (JSON). What an earlier run added is held again, unless it is begun `anew` or a
    key is no longer `still` good. Lines that cannot be read count for nothing: a run that was killed leaves half of
    one. The file changes with an addition only. Raises OSError when it cannot be written."""

    def __init__(self, file: Path, *, anew: bool = False, still: Callable[[str], bool] = lambda key: True) -> None:
        self.file = file
        self.held: dict[str, Any] = {}
        self._as_held = False
        """Whether the file has what is held and nothing else, each line whole."""
        if not anew:
            self._read(still)

    def add(self, key: str, value: Any) -> None:
        self.held[key] = value
        if not self._as_held:
            paths.write_atomically(self.file, "".join(_line(*one) for one in self.held.items()))
            self._as_held = True
            return
        with open(self.file, "a", encoding="utf-8") as stream:
            stream.write(_line(key, value))

    def _read(self, still: Callable[[str], bool]) -> None:
        try:
            lines = self.file.read_bytes().split(b"\n")
        except OSError:
            return
        self._as_held = not lines.pop()
        for line in lines:
            try:
                key, value = json.loads(line)
                good = isinstance(key, str) and still(key)
            except (ValueError, TypeError):
                good = False
            if good:
                self.held[key] = value
            self._as_held &= good


def _line(key: str, value: Any) -> str:
    return json.dumps([key, value]) + "\n"
