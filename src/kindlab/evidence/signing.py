"""Signatures: put under bundles by whoever grades, when the grading has ended. The key never gets near a submission:
bundles are written in the processes that work on those, and signed in the one that began them."""

from __future__ import annotations

from pathlib import Path

from kindlab import paths
from kindlab.errors import UsageProblem
from kindlab.evidence.bundle import MANIFEST, SIGNATURE, signature, zipped
from kindlab.evidence.opening import opened

FEWEST = 16
"""Bytes of a key that nobody guesses."""


def key_of(file: Path) -> bytes:
    """The key in a file, without the white space around it. Raises UsageProblem for none that protects anything."""
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        why = f"{error.strerror or error}."
        raise UsageProblem(f"The key in {file} cannot be read.", why, "Name a file of yours with the key.") from error
    if len(key) < FEWEST:
        raise UsageProblem(
            f"{file} holds no key.",
            f"A key has {FEWEST} bytes at least, so that nobody guesses it.",
            f"Make one: openssl rand -hex 32 > {file}",
        )
    return key


def sign(path: Path, key: bytes) -> None:
    """Put the signature under a bundle, in place of one that is there. Raises Problem for what is no bundle, or was
    changed since it was written."""
    found = opened(path)
    signed = {**found.files, SIGNATURE: signature(found.files[MANIFEST], key).encode()}
    paths.write_atomically(path, zipped(signed), mode=0o600)


def sign_all(folder: Path, key: bytes) -> int:
    """Sign the bundles of a run; how many."""
    bundles = sorted(folder.glob("*.zip"))
    for path in bundles:
        sign(path, key)
    return len(bundles)
