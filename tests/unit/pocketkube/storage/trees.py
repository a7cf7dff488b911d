"""Trees of files for the tests of copying: generated, made on disk, and told apart by all that a copy has to keep."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st


@dataclass
class File:
    """`hole`: bytes of nothing before the content."""

    content: bytes = b""
    hole: int = 0
    mode: int = 0o644
    mtime: int = 1_700_000_000_000_000_000
    attributes: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Link:
    target: str


@dataclass
class Again:
    """One more name of the first file, in the order of making."""


@dataclass
class Folder:
    entries: dict[str, Node] = field(default_factory=dict)
    mode: int = 0o755
    mtime: int = 1_600_000_000_000_000_000


Node = File | Link | Again | Folder

_NAMES = st.text(alphabet="abc.~\u00e4\udc80 -", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
_TIMES = st.integers(0, 2_000_000_000).map(lambda seconds: seconds * 1_000_000_000 + 123_456_789)
_ATTRIBUTES = st.dictionaries(st.sampled_from(["user.pocketkube.owner", "user.note"]), st.binary(max_size=20))
_FILES = st.builds(
    File,
    content=st.binary(max_size=3000),
    hole=st.sampled_from([0, 0, 1, 65536]),
    mode=st.sampled_from([0o600, 0o644, 0o755, 0o400, 0o4755]),
    mtime=_TIMES,
    attributes=_ATTRIBUTES,
)
_LINKS = st.builds(Link, st.sampled_from(["a", "../..", "/etc/passwd", "nowhere", "."]))
_LEAVES: st.SearchStrategy[Node] = st.one_of(_FILES, _LINKS, st.builds(Again))
FOLDERS: st.SearchStrategy[Folder] = st.recursive(
    st.builds(Folder, st.dictionaries(_NAMES, _LEAVES, max_size=4)),
    lambda inner: st.builds(
        Folder,
        st.dictionaries(_NAMES, st.one_of(_LEAVES, inner), max_size=4),
        mode=st.sampled_from([0o700, 0o755, 0o1777]),
        mtime=_TIMES,
    ),
    max_leaves=12,
)


def make(tree: Folder, path: Path) -> None:
    """`path` must not exist."""
    _make(tree, path, [])


def _make(tree: Folder, path: Path, files: list[Path]) -> None:
    path.mkdir()
    for name, node in tree.entries.items():
        at = path / name
        if isinstance(node, Folder):
            _make(node, at, files)
        elif isinstance(node, Link):
            at.symlink_to(node.target)
        elif isinstance(node, Again):
            if files:
                at.hardlink_to(files[0])
        else:
            with at.open("wb") as file:
                file.truncate(node.hole)
                file.seek(node.hole)
                file.write(node.content)
            for key, value in node.attributes.items():
                os.setxattr(at, key, value)
            at.chmod(node.mode)
            os.utime(at, ns=(node.mtime, node.mtime))
            files.append(at)
    path.chmod(tree.mode)
    os.utime(path, ns=(tree.mtime, tree.mtime))


def picture(path: Path) -> dict[str, object]:
    """Everything a copy has to keep, by name from `path` down; files of several names are told by the first."""
    seen: dict[int, str] = {}
    found: dict[str, object] = {}
    for folder, folders, files in os.walk(path):
        folders.sort()
        for at in (Path(folder), *(Path(folder) / name for name in sorted(files + folders))):
            name, status = str(at.relative_to(path)), at.lstat()
            if stat.S_ISLNK(status.st_mode):
                found[name] = ("link", os.readlink(at), status.st_mtime_ns)
            elif stat.S_ISDIR(status.st_mode):
                found[name] = ("folder", stat.S_IMODE(status.st_mode), status.st_mtime_ns)
            else:
                attributes = {key: os.getxattr(at, key) for key in os.listxattr(at)}
                first = seen.setdefault(status.st_ino, name)
                about = stat.S_IMODE(status.st_mode), status.st_mtime_ns, attributes
                found[name] = ("file", first, at.read_bytes(), *about)
    return found
