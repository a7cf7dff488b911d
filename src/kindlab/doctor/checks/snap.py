"""Docker from a snap sees only what is below $HOME and not hidden, so files that it is given elsewhere (image archives
in /tmp) are not there for it (kind's known issues)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok


def look(facts: Facts) -> Iterator[Finding]:
    engine = facts.engine
    if engine is None or not engine.path.startswith(("/snap/", "/var/lib/snapd/")):
        return
    home, temporary = facts.environment.get("HOME", ""), facts.environment.get("TMPDIR", "")
    if home and temporary and _seen(PurePosixPath(temporary), PurePosixPath(home)):
        yield ok("Docker from a snap, with a TMPDIR that it sees")
        return
    yield note(
        f"{engine.name} comes from a snap and does not see {temporary or '/tmp'}",
        "loading images into a kind cluster (kind load, add-ons from the cache)",
        "mkdir -p $HOME/tmp && export TMPDIR=$HOME/tmp",
    )


def _seen(folder: PurePosixPath, home: PurePosixPath) -> bool:
    return folder.is_relative_to(home) and not any(part.startswith(".") for part in folder.relative_to(home).parts)


CHECK = Check("snap", 33, ("kind",), look)
