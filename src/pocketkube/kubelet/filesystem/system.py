"""`FileSystem`: the files of one container as one of its processes sees them, with the calls Python's `os` has.

Models the file system calls of Linux with their errors: every failure is the OSError subclass with the errno and the
path(s) as they were given. Paths that do not start with `/` are relative to the process's working directory. All calls
are synchronous and atomic on the event loop; reading and writing open files are coroutines.

Left out: extended attributes, ACLs, locks, memory mapping, device nodes and FIFOs (EPERM), set-user-ID.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.filesystem.file import File, StreamFile
from pocketkube.kubelet.filesystem.memory import MemoryTree
from pocketkube.kubelet.filesystem.tree import (
    DEVICE,
    DIRECTORY,
    FILE,
    SYMLINK,
    Stat,
    Tree,
    Usage,
    failure,
)
from pocketkube.kubelet.filesystem.walk import READ, SEARCH, WRITE, Entry, Mount, MountTable, Seer

if TYPE_CHECKING:
    from pocketkube.kubelet.process import PidNamespace, Process

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


class FileSystem:
    """As root and outside any process, unless it is a view (`for_process`). Views share everything but who looks.

    `root` (or one `node` of it) is mounted at `/`; without it there is an empty tree in memory.
    """

    def __init__(
        self,
        root: Tree | None = None,
        *,
        node: Any = None,
        now: Callable[[], float] = time.time,
        table: MountTable | None = None,
        seer: Seer | None = None,
    ) -> None:
        self.now = now
        self._table = table or MountTable(root or MemoryTree(now=now), node)
        self._seer = seer or Seer()
        self._umask = 0o022

    def for_process(self, process: Process) -> FileSystem:
        """The same files as this process sees them: its user, its umask, its working directory, its /proc/self."""
        return FileSystem(now=self.now, table=self._table, seer=Seer(process, process.namespace))

    def attach(self, namespace: PidNamespace) -> None:
        """The processes that /proc shows."""
        self._seer = Seer(self._seer.process, namespace)

    @property
    def umask(self) -> int:
        return self._seer.process.umask if self._seer.process else self._umask

    @umask.setter
    def umask(self, value: int) -> None:
        if self._seer.process:
            self._seer.process.umask = value & 0o777
        else:
            self._umask = value & 0o777

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
        with _about(path):
            return self._find(path).node

    def make_read_only(self, target: str = "/") -> None:
        """Remount: from now on writing there is refused with EROFS."""
        for mount in self._table:
            if mount.target == target:
                mount.read_only = True

    def mounts(self) -> list[tuple[str, str, str, str]]:
        """(source, target, file system type, options) in the order they were mounted."""
        return [
            (m.source or m.tree.source, m.target, m.tree.fstype, f"{'ro' if m.read_only else 'rw'},{m.options}")
            for m in self._table
        ]

    def _make_target(self, target: str, *, folder: bool) -> str:
        at = ""
        names = [name for name in target.split("/") if name and name != "."]
        for number, name in enumerate(names):
            at = f"{at}/{name}"
            try:
                at = self.realpath(at)
            except FileNotFoundError:
                parent, last, _ = self._table.walk(at, self._seer)
                kind = DIRECTORY if folder or number < len(names) - 1 else FILE
                node = parent.mount.tree.own(parent)
                with suppress(PermissionError):  # /dev is not a real directory: the mount itself shows there
                    parent.mount.tree.create(node, last, kind, 0o755 if kind == DIRECTORY else 0o644, 0, 0)
                at = f"{parent.path.rstrip('/')}/{last}"
        return at or "/"

    # -- whole files

    def open(self, path: str, mode: str = "r", *, permissions: int = 0o666) -> File:
        """Mode as Python's (`r r+ w w+ a a+ x x+`, binary always); a new file gets `permissions` less the umask."""
        flags = MODES[mode.replace("b", "")]
        with _about(path):
            entry, fresh = self._open_entry(path, flags, permissions)
            kind = entry.kind
            if kind == DIRECTORY:
                raise failure(errno.EISDIR)
            reads, writes = flags & os.O_ACCMODE != os.O_WRONLY, flags & os.O_ACCMODE != os.O_RDONLY
            if not fresh:
                self._permit(entry, (READ if reads else 0) | (WRITE if writes else 0))
            if kind == DEVICE:
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

    def read_bytes(self, path: str) -> bytes:
        """The whole file. Of a device: nothing."""
        with self._content(path, "r") as content:
            size = content.size()
            data: bytes = content.read_at(0, size)
            return data

    def write_bytes(self, path: str, data: bytes) -> None:
        """Make or replace the content of a file."""
        with self._content(path, "w") as content:
            content.write_at(0, data)

    def append_bytes(self, path: str, data: bytes) -> None:
        with self._content(path, "a") as content:
            content.write_at(content.size(), data)

    def truncate(self, path: str, size: int) -> None:
        """Cut or extend with zeros. The file must exist."""
        with _about(path):
            if size < 0:
                raise failure(errno.EINVAL)
            with self._content(path, "r+") as content:
                content.truncate(size)

    # -- looking

    def stat(self, path: str, follow: bool = True) -> Stat:
        with _about(path):
            return self._stat(self._find(path, follow=follow))

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted, without `.` and `..`."""
        with _about(path):
            entry = self._find(path)
            if entry.kind != DIRECTORY:
                raise failure(errno.ENOTDIR)
            self._permit(entry, READ)
            return self._table.names(entry, self._seer)

    def readlink(self, path: str) -> str:
        with _about(path):
            entry = self._find(path, follow=False)
            if entry.kind != SYMLINK and not hasattr(entry.node, "target"):
                raise failure(errno.EINVAL)
            return entry.mount.tree.readlink(entry.node, self._seer)

    def realpath(self, path: str) -> str:
        """The canonical path of something that exists."""
        with _about(path):
            return self._find(path).path

    def exists(self, path: str) -> bool:
        return self._kind(path) is not None

    def lexists(self, path: str) -> bool:
        """As `exists`, but a dangling symbolic link exists too."""
        return self._kind(path, follow=False) is not None

    def is_dir(self, path: str) -> bool:
        return self._kind(path) == DIRECTORY

    def is_file(self, path: str) -> bool:
        return self._kind(path) == FILE

    def is_symlink(self, path: str) -> bool:
        return self._kind(path, follow=False) == SYMLINK

    def access(self, path: str, mode: int) -> bool:
        """access(2) with os.F_OK, or os.R_OK | os.W_OK | os.X_OK."""
        try:
            entry = self._find(path)
            if mode & os.W_OK:
                self._writable(entry)
            return not mode or self._seer.may(self._stat(entry), mode & 7)
        except OSError:
            return False

    def statvfs(self, path: str) -> Usage:
        with _about(path):
            return self._find(path).mount.tree.usage()

    # -- names

    def mkdir(self, path: str, mode: int = 0o777, *, parents: bool = False) -> None:
        """With `parents`, missing ones are made, and a directory that exists is fine."""
        if parents:
            if self.is_dir(path):
                return
            above = os.path.dirname(path.rstrip("/"))
            if above and not self.is_dir(above):
                self.mkdir(above, parents=True)
        with _about(path):
            entry, name = self._free(path)
            self._create(entry, name, DIRECTORY, mode & ~self.umask & 0o1777)

    def symlink(self, target: str, path: str) -> None:
        """Make `path` a link to `target`, which is not looked at."""
        with _about(target, path):
            if not target:
                raise failure(errno.ENOENT)
            if "\0" in target:
                raise failure(errno.EINVAL)
            entry, name = self._free(path)
            if path.endswith("/"):
                raise failure(errno.ENOENT)
            self._create(entry, name, SYMLINK, 0o777, target)

    def link(self, existing: str, path: str) -> None:
        """A hard link; refused across mounts (EXDEV) and for directories (EPERM)."""
        with _about(existing, path):
            source = self._find(existing, follow=False)
            entry, name = self._free(path)
            if entry.mount is not source.mount:
                raise failure(errno.EXDEV)
            if source.kind == DIRECTORY:
                raise failure(errno.EPERM)
            self._change_names(entry)
            tree = entry.mount.tree
            node = tree.own(source)
            # walked again: owning the file may have replaced directories on this way too
            tree.link(node, tree.own(self._free(path)[0]), name)

    def unlink(self, path: str) -> None:
        with _about(path):
            entry, name, found = self._there(path)
            if found.kind == DIRECTORY:
                raise failure(errno.EISDIR)
            if path.endswith("/"):
                raise failure(errno.ENOTDIR)
            self._change_names(entry, found)
            entry.mount.tree.remove(entry.mount.tree.own(entry), name)

    def rmdir(self, path: str) -> None:
        with _about(path):
            if os.path.basename(path.rstrip("/")) == ".":
                raise failure(errno.EINVAL)
            entry, name, found = self._there(path)
            if found.kind != DIRECTORY:
                raise failure(errno.ENOTDIR)
            self._change_names(entry, found)
            if os.path.basename(path.rstrip("/")) == ".." or self._table.names(found, self._seer):
                raise failure(errno.ENOTEMPTY)
            entry.mount.tree.remove(entry.mount.tree.own(entry), name)

    def rename(self, old: str, new: str) -> None:
        """Move within a mount, replacing a file by a file or an empty directory by a directory."""
        with _about(old, new):
            old_parent, old_name, moved = self._there(old)
            new_parent, new_name, replaced = self._table.walk(self._absolute(new), self._seer, follow=False)
            for name in (old_name, new_name, *(os.path.basename(path.rstrip("/")) for path in (old, new))):
                if name in ("", ".", ".."):
                    raise failure(errno.EBUSY)
            if old_parent.mount is not new_parent.mount:
                raise failure(errno.EXDEV)
            self._change_names(old_parent, moved)
            self._change_names(new_parent, replaced)
            directory = moved.kind == DIRECTORY
            if not directory and (new.endswith("/") or old.endswith("/")):
                raise failure(errno.ENOTDIR)
            if directory:
                inside = moved.path
                if any(entry.path == inside for entry in new_parent.up()):
                    raise failure(errno.EINVAL)
                if self._table.holds(inside):
                    raise failure(errno.EBUSY)
            if replaced is not None:
                self._replaceable(moved, replaced)
                if replaced.path == moved.path or self._stat(replaced).ino == self._stat(moved).ino:
                    return
            tree = old_parent.mount.tree
            owned = tree.own(old_parent)
            tree.own(moved)
            # the walk to the new parent is made again: owning may have replaced nodes on its way
            target = self._table.walk(self._absolute(new), self._seer, follow=False)[0]
            tree.rename(owned, old_name, tree.own(target), new_name)

    # -- attributes

    def chmod(self, path: str, mode: int) -> None:
        with _about(path):
            entry = self._owned(path)
            entry.mount.tree.change(entry.mount.tree.own(entry), mode=mode & 0o7777)

    def chown(self, path: str, uid: int, gid: int, follow: bool = True) -> None:
        """-1 leaves one as it is. Root only, but owners may choose among their groups."""
        with _about(path):
            entry = self._find(path, follow=follow)
            self._writable(entry)
            seer, has = self._seer, self._stat(entry)
            if seer.uid and (uid not in (-1, has.uid) or has.uid != seer.uid or gid not in (-1, *seer.gids)):
                raise failure(errno.EPERM)
            node = entry.mount.tree.own(entry)
            entry.mount.tree.change(node, uid=None if uid < 0 else uid, gid=None if gid < 0 else gid)

    def utime(self, path: str, times: tuple[float, float] | None = None) -> None:
        """Set (atime, mtime); None means now."""
        with _about(path):
            entry = self._find(path)
            self._writable(entry)
            if self._seer.uid and self._stat(entry).uid != self._seer.uid:
                if times is not None:
                    raise failure(errno.EPERM)
                self._permit(entry, WRITE)
            atime, mtime = times or (self.now(), self.now())
            entry.mount.tree.change(entry.mount.tree.own(entry), atime=atime, mtime=mtime)

    # -- inside

    def _absolute(self, path: str) -> str:
        if path.startswith("/") or not path or self._seer.process is None:
            return path
        return f"{self._seer.process.cwd}/{path}"

    def _find(self, path: str, *, follow: bool = True) -> Entry:
        return self._table.find(self._absolute(path), self._seer, follow=follow)

    def _kind(self, path: str, *, follow: bool = True) -> str | None:
        try:
            return self._find(path, follow=follow).kind
        except OSError:
            return None

    def _stat(self, entry: Entry) -> Stat:
        return entry.mount.tree.stat(entry.node, self._seer)

    def _permit(self, entry: Entry, wanted: int) -> None:
        if self._seer.uid and not self._seer.may(self._stat(entry), wanted):
            raise failure(errno.EACCES)

    def _writable(self, entry: Entry) -> None:
        if entry.mount.read_only and entry.kind != DEVICE:
            raise failure(errno.EROFS)

    def _there(self, path: str) -> tuple[Entry, str, Entry]:
        """(directory, name, entry) of something that exists, links not followed."""
        parent, name, found = self._table.walk(self._absolute(path), self._seer, follow=False)
        if found is None:
            raise failure(errno.ENOENT)
        if not name:
            raise failure(errno.EBUSY)
        return parent, name, found

    def _free(self, path: str) -> tuple[Entry, str]:
        """(directory, name) for something new."""
        parent, name, found = self._table.walk(self._absolute(path), self._seer, follow=False)
        if found is not None:
            raise failure(errno.EEXIST)
        return parent, name

    def _change_names(self, folder: Entry, victim: Entry | None = None) -> None:
        """Whether names in a directory may change; `victim` is what loses its name."""
        if victim is not None and victim.is_mount_root:
            raise failure(errno.EBUSY)
        self._writable(folder)
        self._permit(folder, WRITE | SEARCH)
        seer = self._seer
        if victim is not None and seer.uid:
            above = self._stat(folder)
            sticky = above.mode & 0o1000 and seer.uid not in (above.uid, self._stat(victim).uid)
            if sticky:
                raise failure(errno.EPERM)

    def _create(self, folder: Entry, name: str, kind: str, mode: int, target: str = "") -> Entry:
        self._change_names(folder)
        tree, process = folder.mount.tree, self._seer.process
        uid, gid = (process.uid, process.gid) if process else (0, 0)
        above = self._stat(folder)
        if above.mode & 0o2000:  # set-group-ID directories pass their group on: that is how fsGroup works
            gid = above.gid
            if kind == DIRECTORY:
                mode |= 0o2000
        node = tree.create(tree.own(folder), name, kind, mode, uid, gid, target)
        return Entry(folder.mount, node, folder, name)

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

    def _replaceable(self, moved: Entry, replaced: Entry) -> None:
        if moved.kind == DIRECTORY:
            if replaced.kind != DIRECTORY:
                raise failure(errno.ENOTDIR)
            if self._table.names(replaced, self._seer):
                raise failure(errno.ENOTEMPTY)
        elif replaced.kind == DIRECTORY:
            raise failure(errno.EISDIR)

    def _owned(self, path: str) -> Entry:
        entry = self._find(path)
        self._writable(entry)
        if self._seer.uid and self._stat(entry).uid != self._seer.uid:
            raise failure(errno.EPERM)
        return entry

    @contextmanager
    def _content(self, path: str, mode: str) -> Iterator[Any]:
        """The bytes of a regular file, for the calls that take or give all of them at once."""
        with self.open(path, mode) as file, _about(path):
            yield file.content


class _about:
    """Failures inside name the path(s) the caller gave, whatever the tree below said."""

    __slots__ = ("_paths",)

    def __init__(self, *paths: str) -> None:
        self._paths = paths

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError) and error.errno is not None and error.filename != self._paths[0]:
            raise failure(error.errno, *self._paths) from None
