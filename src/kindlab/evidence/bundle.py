"""The evidence bundle of a submission: one zip file, the same bytes for the same grading."""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from kindlab import __version__, digests, paths, zips
from kindlab.api import Api
from kindlab.batch.graded import Graded
from kindlab.evidence import objects, telling
from kindlab.evidence.purging import purged, redaction
from kindlab.evidence.readme import readme
from kindlab.evidence.tape import Tape
from kindlab.labs import Lab

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "signature.txt"
MAX_FILE, MAX_OBJECTS = 4 << 20, 16 << 20
"""Bytes of one file of the submission, and of all objects, that are kept."""
_BEGINNING = (1980, 1, 1, 0, 0, 0)


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
    lost: list[str] = []
    handed_in = _submission(submission_folder, lost)
    there = dict(objects.seen(api, lab, lost))
    happened = objects.events(api, lab, lost)
    without = redaction(tape, handed_in, (one for found in there.values() for one in found), lab)

    def text(data: Any) -> bytes:
        return without(_json(data)) + b"\n"

    files = {f"submission/{name}": without(content) for name, content in handed_in.items()}
    files["refused.json"] = text([vars(one) for one in graded.refused])
    files["report.json"] = text(replace(graded, notes=()).to_json())  # a student reads it, and notes name others
    files |= _within(MAX_OBJECTS, {f"objects/{name}.json": text(found) for name, found in there.items()}, lost)
    files["events.json"] = text(happened)
    for name, items in telling.by_check(tape.items).items():
        lines = (telling.line(purged(item, without)) for item in items)
        files[f"transcripts/{name}.jsonl"] = "\n".join((*lines, "")).encode("utf-8", "surrogatepass")
    files["README.txt"] = readme(graded, lab).encode()
    manifest = {
        "format": FORMAT,
        "lab": {"slug": lab.slug, "owner": lab.owner},
        "id": graded.id,
        "student": graded.student,
        "submitted": graded.submitted,
        "graded": (tape.since + timedelta(seconds=1)).isoformat(timespec="seconds"),
        "clock": tape.since.isoformat(),
        "versions": {**graded.versions, "kindlab": __version__, "python": platform.python_version()},
        "grader": grader(lab),
        "handed_in": {name: digest(content) for name, content in sorted(handed_in.items())},
        "files": {name: digest(content) for name, content in sorted(files.items())},
        "left_out": lost,
    }
    files[MANIFEST] = json.dumps(manifest, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
    if key is not None:
        files[SIGNATURE] = signature(files[MANIFEST], key).encode()
    paths.write_atomically(path, zipped(files), mode=0o600)


def _json(data: Any) -> bytes:
    """A list with a line for each of its elements: they can be told apart, and Python writes that several times faster
    than anything indented."""
    if isinstance(data, list):
        return b"[\n" + b",\n".join(map(_json, data)) + b"\n]"
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass")


def grader(lab: Lab) -> str:
    """A digest of what decides the verdicts: the lab's grader, and the words that all graders are written with."""
    words = Path(__file__).parents[1]
    return digests.of([lab.grader, words / "checks", words / "trace"])


def signature(manifest: bytes, key: bytes) -> str:
    """Of the manifest, which has the digests of everything else."""
    return hmac.new(key, manifest, hashlib.sha256).hexdigest()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip file of them, the manifest first; the same for the same files."""
    order = sorted(files, key=lambda one: (one != MANIFEST, one))
    return zips.zipped({name: files[name] for name in order}, when=_BEGINNING)


def _submission(folder: Path | None, lost: list[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")) if folder else ():
        if file.is_file() and not file.is_symlink():
            if file.stat().st_size > MAX_FILE:
                lost.append(f"submission/{file.name}: larger than {MAX_FILE >> 20} MB")
                continue
            found[file.relative_to(folder or file).as_posix()] = file.read_bytes()
    return found


def _within(most: int, files: dict[str, bytes], lost: list[str]) -> dict[str, bytes]:
    """As many of the files as are no more than so many bytes together."""
    kept, size = {}, 0
    for name, content in files.items():
        if size + len(content) > most:
            lost.append(f"{name}: all objects are more than {most >> 20} MB")
            continue
        kept[name] = content
        size += len(content)
    return kept


def digest(content: bytes) -> str:
    """Of a file, as the manifest has it."""
    return hashlib.sha256(content).hexdigest()
