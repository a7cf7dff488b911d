"""Looking at a container's files as one of its processes: what the calls that change nothing need, and who may.

Failures name the path as it was given, whatever the tree below said (`about`).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from pocketkube.kubelet.filesystem.memory import MemoryTree
from pocketkube.kubelet.filesystem.tree import DEVICE, DIRECTORY, FILE, SYMLINK, Stat, Tree, Usage, failure
from pocketkube.kubelet.filesystem.walk import LINKS_MAX, READ, Entry, MountTable, Seer

if TYPE_CHECKING:
    from pocketkube.kubelet.pid_namespace import PidNamespace
    from pocketkube.kubelet.process import Process


class View:
    """The calls that change nothing."""

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

    def for_process(self, process: Process) -> Self:
        """The same files as this process sees them: its user, its umask, its working directory, its /proc/self."""
        return type(self)(now=self.now, table=self._table, seer=Seer(process, process.namespace))

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

    def stat(self, path: str, follow: bool = True) -> Stat:
        with about(path):
            found = self._stat(self._find(path, follow=follow))
        # a link that was not followed leads to an open pipe or terminal
        return replace(found, kind=DEVICE, mode=0o600) if follow and found.kind == SYMLINK else found

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted, without `.` and `..`."""
        with about(path):
            entry = self._find(path)
            if entry.kind != DIRECTORY:
                raise failure(errno.ENOTDIR)
            self._permit(entry, READ)
            return self._table.names(entry, self._seer)

    def readlink(self, path: str) -> str:
        with about(path):
            entry = self._find(path, follow=False)
            if entry.kind != SYMLINK:
                raise failure(errno.EINVAL)
            return entry.mount.tree.readlink(entry.node, self._seer)

    def realpath(self, path: str) -> str:
        """The canonical path of something that exists."""
        with about(path):
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
        with about(path):
            return self._find(path).mount.tree.usage()

    def beneath(self, path: str) -> str:
        """The path without links, as far as it exists, its start and `..` being the root's. Raises OSError when it, or
        a link on the way, leads out of that (EXDEV)."""
        tree = self._table.root.tree
        tree.enter()
        try:
            return self._beneath(path)
        finally:
            tree.leave()

    def _beneath(self, path: str) -> str:
        with about(path):
            if "\0" in path:
                raise failure(errno.EINVAL)
            done, missing, links = [self._table.top], list[str](), 0
            todo = [name for name in path.split("/") if name not in ("", ".")][::-1]
            while todo:
                name = todo.pop()
                if name == "..":
                    if not missing and len(done) == 1:
                        raise failure(errno.EXDEV)
                    (missing or done).pop()
                    continue
                found = None
                if not missing and done[-1].kind == DIRECTORY:
                    found = self._table.child(done[-1], name, self._seer)
                if found is None:
                    missing.append(name)
                elif found.kind == SYMLINK:
                    target = found.mount.tree.readlink(found.node, self._seer)
                    links += 1
                    if target.startswith("/") or links > LINKS_MAX:
                        raise failure(errno.ELOOP if links > LINKS_MAX else errno.EXDEV)
                    todo += [name for name in target.split("/") if name not in ("", ".")][::-1]
                else:
                    done.append(found)
            return "/" + "/".join([*(entry.name for entry in done[1:]), *missing])

    def entry(self, path: str) -> Entry:
        """Where a path leads, for a link of another container's /proc."""
        return self._find(path)

    # -- inside

    def _absolute(self, path: str) -> str:
        if path.startswith("/") or not path or self._seer.process is None:
            return path
        return f"{self._seer.process.cwd}/{path}"

    def _find(self, path: str, *, follow: bool = True) -> Entry:
        return self._table.find(self._absolute(path), self._seer, follow=follow)

    def _kind(self, path: str, *, follow: bool = True) -> str | None:
        try:
            kind = self._find(path, follow=follow).kind
            return DEVICE if follow and kind == SYMLINK else kind
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


class about:
    """Failures inside name the path(s) the caller gave, whatever the tree below said."""

    __slots__ = ("_paths",)

    def __init__(self, *paths: str) -> None:
        self._paths = paths

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError) and error.errno is not None and error.filename != self._paths[0]:
            raise failure(error.errno, *self._paths) from None
