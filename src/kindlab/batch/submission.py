"""What a student handed in, as `kindlab grade` works with it: data, never code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SELF_TOLD = "When it was handed in is said by its own kindlab.json only, which the student could change."
"""The note on such a time."""


@dataclass(frozen=True)
class Refused:
    """Something of a submission that was left out; the rest is graded. `what` is an object (`pod/shell`) or a file."""

    what: str
    why: str
    then: str = ""
    file: str = ""
    """The file an object stands in, as the student called it."""


@dataclass(frozen=True)
class Submission:
    """One student's. `id` is unique in a run and fit for a file name; `student` is who it is, as the class calls them.

    `folder` holds copies of the files that are graded and nothing else: regular files, names without folders, within
    the limits of intake; None where nothing of it can be read, and then `problem` says why.
    """

    id: str
    student: str
    folder: Path | None
    submitted: str = ""
    """When it was handed in, ISO 8601 with an offset; "" where nothing says so."""
    refused: tuple[Refused, ...] = ()
    """Files that were left out."""
    notes: tuple[str, ...] = ()
    """What an instructor should know of how it was read, each a sentence."""
    problem: str = ""
    ours: bool = False
    """The problem is not the student's (a full disk, a fault of kindlab's): no grade, and no zero either."""
    source: str = ""
    """Where in the folder of submissions it was found."""
    nodes: tuple[str, ...] = ()
    """The names of the nodes of the cluster it was made on, where the submission says so."""
