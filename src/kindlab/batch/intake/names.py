"""Names as strangers chose them: which of them lead anywhere, and which files of a submission count."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

from kindlab import steps
from kindlab.batch.intake import limits
from kindlab.labs import START_SUFFIXES

TOLD = "kindlab.json"
"""What `kindlab submit` writes of itself."""
NOTEBOOK = ".ipynb"
SKIPPED = {"__macosx", "node_modules", "before-reset"}
"""Folders that hold nothing a student wrote for this; hidden ones are skipped too, `.git` among them."""
OPENED = (".zip", ".tar", ".tar.gz", ".tgz")
PACKED = (*OPENED, ".rar", ".7z", ".gz", ".xz", ".bz2", ".zst")
_DRIVE = re.compile(r"[A-Za-z]:")
_UNFIT = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*/\\\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]')
_DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,58}[A-Za-z0-9])?")
"""An id that a file may be called after as it is."""
_LONGEST, _LONGEST_PATH = 200, 1_000


def shown(name: str) -> str:
    """A name as a report may have it: not endless, and without what moves a cursor or turns a line around."""
    text = name.encode("utf-8", "replace").decode()
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", "\ufffd", text)
    return text if len(text) <= 120 else f"{text[:60]}...{text[-50:]}"


def parts(raw: str) -> tuple[str, ...]:
    """The folders and the file that a name in a submission says; `\\` separates as `/` does. Raises ValueError with a
    clause for one that leads out of it."""
    name = unicodedata.normalize("NFC", _utf8(raw)).replace("\\", "/")
    if name.startswith("/") or _DRIVE.match(name):
        raise ValueError("its name is an absolute one, which would lie outside the submission")
    found = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in found:
        raise ValueError("its name leads out of the submission with ..")
    if len(name) > _LONGEST_PATH or len(found) > limits.DEPTH or not found:
        raise ValueError(f"its name is empty, longer than {_LONGEST_PATH} characters or deeper than {limits.DEPTH}")
    return found


def _utf8(raw: str) -> str:
    """Bytes of a name that are no UTF-8 come as lone surrogates, which no file can be called."""
    return raw.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def wanted(found: tuple[str, ...]) -> int:
    """How many bytes of this file may be read; 0 for one that is not graded."""
    *folders, name = found
    if any(is_skipped(folder) for folder in folders) or name.startswith("."):
        return 0
    if name.lower() == TOLD:
        return limits.TOLD
    if name.lower().endswith(NOTEBOOK):
        return limits.NOTEBOOK
    return limits.FILE if name.lower().endswith(START_SUFFIXES) or name == steps.FILE else 0


def is_skipped(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in SKIPPED


def is_packed(name: str) -> bool:
    return name.lower().endswith(PACKED)


def opened(name: str) -> str:
    """The name without the suffix of an archive that is opened; "" for any other file."""
    for suffix in sorted(OPENED, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return ""


def fit(name: str) -> str:
    """A file name that any system takes and that stays in its folder."""
    clean = _UNFIT.sub("_", _utf8(name)).strip(" .") or "file"
    stem, dot, suffix = clean.rpartition(".")
    if (stem or clean).partition(".")[0].lower() in _DEVICES:
        clean = f"_{clean}"
    if len(clean.encode()) > _LONGEST:
        room = (stem or suffix).encode()[: _LONGEST - 20].decode("utf-8", "ignore")
        clean = f"{room}{dot}{suffix}" if stem and len(suffix) < 8 else room
    return clean


def unique(name: str, is_taken: Callable[[str], bool], folder: str = "") -> str:
    """The name, or one made from it that is not taken: with the folder's name before it, or with a number."""
    path = PurePosixPath(name)
    tried = [name, *([fit(f"{folder}-{name}")] if folder else [])]
    tried += [f"{path.stem}-{n}{path.suffix}" for n in range(2, limits.FILES + 3)]
    return next(one for one in tried if not is_taken(one.casefold()))


def label(text: str) -> str:
    """An id as a file may be called after it."""
    return text if _ID.fullmatch(text) and ".." not in text else identity(text)


def identity(text: str) -> str:
    """Somebody's name or number as a short file name in plain letters."""
    plain = unicodedata.normalize("NFKD", _utf8(text)).encode("ascii", "ignore").decode().lower()
    clean = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
    if not clean:  # a name in another script is told apart by its own letters
        clean = "-".join(f"{ord(letter):x}" for letter in text if letter.isalnum())[:60].strip("-") or "student"
    return f"{clean}-1" if clean in _DEVICES else clean
