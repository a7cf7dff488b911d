"""A bundle, opened: it comes from anybody, so it is looked at before it is believed, and nothing of it is unpacked."""

from __future__ import annotations

import hmac
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kindlab.errors import Problem
from kindlab.evidence.bundle import FORMAT, MANIFEST, SIGNATURE, digest, signature

MAX_BYTES, MAX_FILES = 512 << 20, 10_000
"""Of a bundle, unpacked."""


@dataclass(frozen=True)
class Opened:
    """`files`: name -> content, of which each is what the manifest says. `signed`: by the key that was asked for;
    None: nobody asked, or nobody signed."""

    manifest: dict[str, Any]
    files: dict[str, bytes]
    signed: bool | None


def opened(path: Path, key: bytes | None = None) -> Opened:
    """The bundle's files. Raises Problem for what is none, was changed since it was written, or does not bear the
    signature of `key`."""
    files = _read(path)
    try:
        manifest = json.loads(files[MANIFEST])
        digests = dict(manifest["files"])
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']} is not {FORMAT}")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _no_bundle(path, f"its {MANIFEST} is not usable ({type(error).__name__}: {error})") from error
    there = files.keys() - {MANIFEST, SIGNATURE}
    changed = sorted(there ^ digests.keys())
    changed += sorted(name for name in there & digests.keys() if digest(files[name]) != digests[name])
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise Problem(
            f"{path.name} was changed after it was written.",
            f"These are not what its manifest says: {', '.join(changed[:3])}{more}.",
            "It proves nothing as it is: take the copy that the grading wrote (OUT/evidence).",
        )
    return Opened(manifest, files, _signed(path, files, key))


def _signed(path: Path, files: dict[str, bytes], key: bytes | None) -> bool | None:
    found = files.get(SIGNATURE)
    if key is None:
        return None
    if found is None:
        why = "It bears no signature."
    elif not hmac.compare_digest(found.strip(), signature(files[MANIFEST], key).encode()):
        why = "Its signature is not one of this key: another key signed it, or it was changed since."
    else:
        return True
    raise Problem(
        f"{path.name} is not known to be yours.",
        why,
        "Take the copy that the grading wrote (OUT/evidence), or leave --evidence-key out to look at it all the same.",
    )


def _read(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            size, names = sum(one.file_size for one in entries), {one.filename for one in entries}
            if len(entries) > MAX_FILES or size > MAX_BYTES:
                raise _no_bundle(path, f"it has {len(entries)} files of {size >> 20} MB together, more than any bundle")
            if len(names) != len(entries):
                raise _no_bundle(path, "it has two files of one name")
            return {one.filename: archive.read(one) for one in entries}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise _no_bundle(path, f"{type(error).__name__}: {error}") from error


def _no_bundle(path: Path, why: str) -> Problem:
    then = "Name a file that kindlab grade wrote (OUT/evidence/NAME.zip), or a folder of them."
    return Problem(f"{path.name} is no evidence bundle.", f"{why[:1].upper()}{why[1:]}.", then)
