"""The evidence bundle of a submission: one zip file."""

from __future__ import annotations

from pathlib import Path

from kindlab.api import Api
from kindlab.batch.graded import Graded
from kindlab.evidence.tape import Tape
from kindlab.labs import Lab


def write(
    path: Path,
    *,
    tape: Tape,
    graded: Graded,
    submission_folder: Path | None,
    lab: Lab,
    api: Api,
    key: bytes | None = None,
) -> None:
    """Write the bundle as a whole or not at all, readable by its owner only. `api` is asked for the lab's objects as
    they are now; `key` signs it. Raises OSError; what the cluster no longer answers is left out and said in it."""
    raise NotImplementedError
