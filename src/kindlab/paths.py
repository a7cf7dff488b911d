"""Where things live: the course (labs, solutions, graders), the learner's work, and the clusters' state.

The course is the folder that holds `labs/`: $KINDLAB_COURSE, else the nearest one at or above the working directory,
else the checkout this package was installed from. State is $KINDLAB_HOME, else the platform's state folder.
"""

import os
from pathlib import Path

from kindlab.errors import UsageProblem


def course() -> Path:
    """The course's folder. Raises UsageProblem when there is none."""
    named = os.environ.get("KINDLAB_COURSE")
    if named:
        found = Path(named).expanduser().resolve()
        if (found / "labs").is_dir():
            return found
        raise UsageProblem(
            f"There is no course in {found}.",
            "KINDLAB_COURSE names that folder, but it has no labs/ in it.",
            "Set KINDLAB_COURSE to the folder that holds labs/, solutions/ and graders/, or unset it.",
        )
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / "labs").is_dir() and (folder / "graders").is_dir():
            return folder
    raise UsageProblem(
        "There is no course here.",
        "kindlab looks for a folder with labs/ and graders/ in it, from the working directory upwards.",
        "Change into your kindlab checkout and try again, or set KINDLAB_COURSE.",
    )


def work() -> Path:
    """The learner's folder: $KINDLAB_WORK, else work/ in the course."""
    named = os.environ.get("KINDLAB_WORK")
    return Path(named).expanduser().resolve() if named else course() / "work"


def home() -> Path:
    """Where clusters keep their state."""
    named = os.environ.get("KINDLAB_HOME")
    if named:
        return Path(named).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_state_dir("kindlab"))


def cache() -> Path:
    """Where downloaded files are kept, to be used again: $KINDLAB_CACHE, else the platform's cache folder."""
    named = os.environ.get("KINDLAB_CACHE")
    if named:
        return Path(named).expanduser().resolve()
    import platformdirs

    return Path(platformdirs.user_cache_dir("kindlab"))


def tools() -> Path:
    """Where `kindlab tools install` puts kind and kubectl: $KINDLAB_TOOLS, else .tools/ in the course."""
    named = os.environ.get("KINDLAB_TOOLS")
    return Path(named).expanduser().resolve() if named else course() / ".tools"


def write_atomically(path: Path, text: str | bytes, *, mode: int = 0o644) -> None:
    """Replace a file as a whole: a reader, or a crash, sees the old content or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # left by a process of that number, or a link put there: its mode is not ours
        opened = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        if isinstance(text, bytes):
            with open(opened, "wb") as raw:
                raw.write(text)
        else:
            with open(opened, "w", encoding="utf-8") as file:
                file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
