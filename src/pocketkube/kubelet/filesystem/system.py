"""`FileSystem`: the files of one container as one of its processes sees them, with the calls Python's `os` has.

Models the file system calls of Linux with their errors: every failure is the OSError subclass with the errno and the
path(s) as they were given. Paths that do not start with `/` are relative to the process's working directory. All calls
are synchronous and atomic on the event loop; reading and writing open files are coroutines.

Left out: extended attributes, ACLs, locks, memory mapping, device nodes and FIFOs (EPERM), set-user-ID.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pocketkube.kubelet.filesystem.file import File, StreamFile
from pocketkube.kubelet.filesystem.names import Names
from pocketkube.kubelet.filesystem.tree import DEVICE, DIRECTORY, FILE, SYMLINK, Content, Tree, failure, write_all
from pocketkube.kubelet.filesystem.view import about
from pocketkube.kubelet.filesystem.walk import NAME_MAX, PATH_MAX, READ, WRITE, Entry, Mount

MODES = {
    "r": os.O_RDONLY,
    "r+": os.O_RDWR,
    "w": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "w+": os.O_RDWR | os.O_CREAT | os.O_TRUNC,
    "a": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "a+": os.O_RDWR | os.O_CREAT | os.O_APPEND,
    "x": os.O_WRONLY | os.O_CREAT | os.O_EXCL,
    "x+": os.O_RDWR | os.O_CREAT | os.O_EXCL,
}
WHOLE = 64 << 20
"""Bytes of a file that is read at once."""


class FileSystem(Names):
    """As root and outside any process, unless it is a view (`for_process`). Views share everything but who looks.

    `root` (or one `node` of it) is mounted at `/`; without it there is an empty tree in memory.
    """

    # -- mounts

    def mount(
        self,
        target: str,
        tree: Tree,
        root: Any = None,
        *,
        read_only: bool = False,
        source: str = "",
        options: str = "relatime",
    ) -> None:
        """Show a tree, or one node of it, at `target`, which is made where it is missing (links are followed)."""
        node = tree.root if root is None else root
        where = self._make_target(target, folder=tree.kind(node) == DIRECTORY)
        self._table.add(Mount(where, tree, node, read_only, source or tree.source, options))

    def node(self, path: str) -> Any:
        """The node behind a path, for mounting it elsewhere (subPath, hostPath)."""
        with about(path):
            return self._find(path).node

    def make_read_only(self, target: str = "/") -> None:
        """Remount: from now on writing there is refused with EROFS."""
        for mount in self._table:
            if mount.target == target:
                mount.read_only = True

    def mounts(self) -> list[tuple[str, str, str, str]]:
        """(source, target, file system type, options) in the order they were mounted. A device is none of them."""
        return [
            (m.source or m.tree.source, m.target, m.tree.fstype, f"{'ro' if m.read_only else 'rw'},{m.options}")
            for m in self._table
            if m.tree.fstype
        ]

    def _make_target(self, target: str, *, folder: bool) -> str:
        """Long paths must not cost the square of their length: who writes a manifest chooses them."""
        at = "/"
        todo = [name for name in target.split("/") if name and name != "."]
        if "\0" in target:
            raise failure(errno.EINVAL, target)
        if len(target) >= PATH_MAX or any(len(os.fsencode(name)) > NAME_MAX for name in todo):
            raise failure(errno.ENAMETOOLONG, target)
        while todo:
            there = self._there_of(at, todo)
            at, todo = self.realpath(posixpath.join(at, *todo[:there])), todo[there:]
            if not todo:
                break
            entry, name, _ = self._table.walk(posixpath.join(at, todo[0]), self._seer)
            while todo and todo[0] != "..":
                rest = todo[1:]
                kind = DIRECTORY if folder or rest else FILE
                tree = entry.mount.tree
                at, todo = f"{entry.path.rstrip('/')}/{name}", rest
                try:
                    node = tree.create(tree.own(entry), name, kind, 0o755 if kind == DIRECTORY else 0o644, 0, 0)
                except PermissionError:  # /dev is not a real directory: the mount itself shows there
                    break
                entry, name = Entry(entry.mount, node, entry, name), todo[0] if todo else ""
        return at

    def _there_of(self, at: str, names: list[str]) -> int:
        """How many of the names on a way down are there."""
        known, most = 0, len(names)
        while known < most:
            middle = (known + most + 1) // 2
            if self.exists(posixpath.join(at, *names[:middle])):
                known = middle
            else:
                most = middle - 1
        return known

    # -- whole files

    def open(self, path: str, mode: str = "r", *, permissions: int = 0o666) -> File:
        """Mode as Python's (`r r+ w w+ a a+ x x+`, binary always); a new file gets `permissions` less the umask."""
        flags = MODES[mode.replace("b", "")]
        with about(path):
            entry, fresh = self._open_entry(path, flags, permissions)
            kind = entry.kind
            if kind == DIRECTORY:
                raise failure(errno.EISDIR)
            reads, writes = flags & os.O_ACCMODE != os.O_WRONLY, flags & os.O_ACCMODE != os.O_RDONLY
            if not fresh:
                self._permit(entry, (READ if reads else 0) | (WRITE if writes else 0))
            if kind in (DEVICE, SYMLINK):  # the lookup has followed every link but those to open files
                stream = entry.mount.tree.open(entry.node, self._seer)
                return StreamFile(stream, entry.path, lambda: self._stat(entry))
            if writes:
                self._writable(entry)
                entry.mount.tree.own(entry)
            content = entry.mount.tree.open(entry.node, self._seer)
            if flags & os.O_TRUNC and not fresh:
                content.truncate(0)
            return File(
                content,
                entry.path,
                lambda: self._stat(entry),
                readable=reads,
                writable=writes,
                append=bool(flags & os.O_APPEND),
            )

    def read_bytes(self, path: str, most: int | None = None) -> bytes:
        """The whole file, or its first `most` bytes. Of a device: nothing. A file too large to be held in memory is
        refused (EFBIG): a container makes one of any size, without a byte in it."""
        with self._content(path, "r") as content:
            size = content.size()
            if most is None and size > WHOLE:
                raise failure(errno.EFBIG, path)
            data: bytes = content.read_at(0, size if most is None else min(size, most))
            return data

    def write_bytes(self, path: str, data: bytes) -> None:
        """Make or replace the content of a file."""
        with self._content(path, "w") as content:
            self._put(content, 0, data)

    def append_bytes(self, path: str, data: bytes) -> None:
        with self._content(path, "a") as content:
            self._put(content, content.size(), data)

    def _put(self, content: Content, offset: int, data: bytes) -> None:
        if write_all(content, offset, data) < len(data):
            raise failure(errno.ENOSPC)

    def truncate(self, path: str, size: int) -> None:
        """Cut or extend with zeros. The file must exist."""
        with about(path):
            if size < 0:
                raise failure(errno.EINVAL)
            with self._content(path, "r+") as content:
                content.truncate(size)

    # -- attributes

    def chmod(self, path: str, mode: int) -> None:
        with about(path):
            entry = self._owned(path)
            entry.mount.tree.change(entry.mount.tree.own(entry), mode=mode & 0o7777)

    def chown(self, path: str, uid: int, gid: int, follow: bool = True) -> None:
        """-1 leaves one as it is. Root only, but owners may choose among their groups."""
        with about(path):
            entry = self._find(path, follow=follow)
            self._writable(entry)
            seer, has = self._seer, self._stat(entry)
            if seer.uid and (uid not in (-1, has.uid) or has.uid != seer.uid or gid not in (-1, *seer.gids)):
                raise failure(errno.EPERM)
            node = entry.mount.tree.own(entry)
            entry.mount.tree.change(node, uid=None if uid < 0 else uid, gid=None if gid < 0 else gid)

    def utime(self, path: str, times: tuple[float, float] | None = None) -> None:
        """Set (atime, mtime); None means now."""
        with about(path):
            entry = self._find(path)
            self._writable(entry)
            if self._seer.uid and self._stat(entry).uid != self._seer.uid:
                if times is not None:
                    raise failure(errno.EPERM)
                self._permit(entry, WRITE)
            atime, mtime = times or (self.now(), self.now())
            entry.mount.tree.change(entry.mount.tree.own(entry), atime=atime, mtime=mtime)

    # -- inside

    def _open_entry(self, path: str, flags: int, permissions: int) -> tuple[Entry, bool]:
        parent, name, found = self._table.walk(
            self._absolute(path), self._seer, follow=not flags & os.O_EXCL or not flags & os.O_CREAT
        )
        if found is not None:
            if flags & os.O_CREAT and flags & os.O_EXCL:
                raise failure(errno.EEXIST)
            return found, False
        if not flags & os.O_CREAT:
            raise failure(errno.ENOENT)
        if path.endswith("/"):
            raise failure(errno.EISDIR)
        return self._create(parent, name, FILE, permissions & ~self.umask & 0o7777), True

    def _owned(self, path: str) -> Entry:
        entry = self._find(path)
        self._writable(entry)
        if self._seer.uid and self._stat(entry).uid != self._seer.uid:
            raise failure(errno.EPERM)
        return entry

    @contextmanager
    def _content(self, path: str, mode: str) -> Iterator[Any]:
        """The bytes of a regular file, for the calls that take or give all of them at once."""
        with self.open(path, mode) as file, about(path):
            yield file.content
