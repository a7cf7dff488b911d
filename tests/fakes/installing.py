"""Puts the stand-ins for kind and the container engines where a PATH finds them."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"kind": "kind", "docker": "engine", "podman": "engine"}


def install(folder: Path, *programs: str) -> dict[str, str]:
    """Programs in `folder`/bin that keep their state in `folder`/state. Returns the environment in which they are
    found and no others: a machine of CI has engines of its own."""
    (bin_folder := folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "state").mkdir(exist_ok=True)
    for program in programs:
        script = bin_folder / program
        script.write_text(
            f"#!/bin/sh\nFAKE_NAME={program} PYTHONPATH={ROOT} exec {sys.executable} -m tests.fakes.{MODULES[program]} "
            '"$@"\n'
        )
        script.chmod(0o755)
    if ps := shutil.which("ps"):
        (bin_folder / "ps").symlink_to(ps)
    return {
        "PATH": str(bin_folder),
        "FAKE_STATE": str(folder / "state"),
        "FAKE_PYTHON": sys.executable,
    }
