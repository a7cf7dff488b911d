"""One notebook's session with the course: which lab it is about, and where its answers appear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kindlab import labs, progress, shown
from kindlab.api import Api
from kindlab.clusters import base
from kindlab.labs import Lab
from kindlab.shown import Shown


class Session:
    """One notebook: which lab it is about, and where its answers appear."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.slug = ""
        self._handle: Any = None

    def lab(self, name: str | None = None) -> Lab:
        """The lab named, else this notebook's. Raises UsageProblem when there is none to take."""
        found = labs.mine(name or self.slug or self._folder() or progress.latest())
        self.slug = found.slug
        return found.under(base.prefix())

    def _folder(self) -> str:
        here = Path.cwd().name
        return here if any(lab.slug == here for lab in labs.all_labs()) else ""

    def api(self) -> Api:
        return status().api()

    def step(self, text: str) -> None:
        """Say what is being done; the answer then takes its place."""
        if hasattr(self.shell, "kernel"):
            self._display(shown.note(f"{text} ..."), more=True)

    def so_far(self, answer: Shown) -> None:
        """Show what there is until now; what comes later takes its place."""
        if hasattr(self.shell, "kernel"):
            self._display(answer, more=True)

    def show(self, answer: Shown) -> None:
        self._display(answer, more=False)

    def _display(self, answer: Shown, *, more: bool) -> None:
        from IPython.display import display

        if self._handle is not None:
            self._handle.update(answer)
        elif more:
            self._handle = display(answer, display_id=True)  # type: ignore[no-untyped-call]
        else:
            display(answer)  # type: ignore[no-untyped-call]
        if not more:
            self._handle = None


def status() -> base.Status:
    """The cluster in use. Raises Problem when it is not ready."""
    return base.ready()
