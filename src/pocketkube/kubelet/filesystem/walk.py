"""Path lookup inside a container: mounts, `..`, symbolic links and permissions, one name at a time.

Models namei(7)/path_resolution(7): a link's target is resolved inside the container, `..` above the root is the root,
40 links are the limit. A container's paths never reach the host: trees only ever see single names.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pocketkube.kubelet.filesystem.tree import DIRECTORY, SYMLINK, Stat, Tree, failure

if TYPE_CHECKING:
    from pocketkube.kubelet.pid_namespace import PidNamespace
    from pocketkube.kubelet.process import Process

LINKS_MAX: Final = 40
NAME_MAX: Final = 255
PATH_MAX: Final = 4096
READ, WRITE, SEARCH = 4, 2, 1


@dataclass(slots=True)
class Mount:
    """A tree (or one node of it: a file, or a subPath) visible at `target`."""

    target: str
    tree: Tree
    root: Any
    read_only: bool = False
    source: str = ""
    options: str = "relatime"


class Entry:
    """Where a lookup stands: a node, its mount, and the way there. A root needs the `table` whose root it is."""

    __slots__ = ("_kind", "mount", "name", "node", "parent", "path", "table")

    def __init__(
        self, mount: Mount, node: Any, parent: Entry | None, name: str, table: MountTable | None = None
    ) -> None:
        self.mount = mount
        self.node = node
        self.parent = parent
        self.name = name
        self.table: MountTable | None = table if parent is None else parent.table
        """A link of /proc leads into another container's."""
        self.path: str = "/" if parent is None else f"{parent.path}/{name}" if parent.parent else f"/{name}"
        """The canonical path."""
        self._kind = ""

    @property
    def kind(self) -> str:
        """What it was when it was first asked: an entry lives as long as one call."""
        if not self._kind:
            self._kind = self.mount.tree.kind(self.node)
        return self._kind

    @property
    def is_mount_root(self) -> bool:
        return self.parent is None or self.parent.mount is not self.mount

    def up(self) -> Iterator[Entry]:
        """This entry, then its parents."""
        at: Entry | None = self
        while at is not None:
            yield at
            at = at.parent


@dataclass(slots=True)
class Seer:
    """Who looks: the process (None: the kubelet itself, as root) and the processes around it, for /proc."""

    process: Process | None = None
    namespace: PidNamespace | None = None

    @property
    def uid(self) -> int:
        return self.process.uid if self.process else 0

    @property
    def gids(self) -> frozenset[int]:
        return frozenset((self.process.gid, *self.process.groups)) if self.process else frozenset((0,))

    def may(self, stat: Stat, wanted: int) -> bool:
        """Whether the permission bits allow it. Root may all, but execute what nobody may."""
        if self.uid == 0:
            return not wanted & SEARCH or stat.kind == DIRECTORY or bool(stat.mode & 0o111)
        if stat.uid == self.uid:
            bits = stat.mode >> 6
        elif stat.gid in self.gids:
            bits = stat.mode >> 3
        else:
            bits = stat.mode
        return bits & wanted == wanted


class MountTable:
    """The mounts of one container; lookups start at its root."""

    def __init__(self, root: Tree, node: Any = None) -> None:
        self._mounts: dict[str, Mount] = {"/": Mount("/", root, root.root if node is None else node)}
        self._below: dict[str, set[str]] = {}

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts.values())

    @property
    def root(self) -> Mount:
        return self._mounts["/"]

    def add(self, mount: Mount) -> None:
        self._mounts[mount.target] = mount
        folder, _, name = mount.target.rpartition("/")
        self._below.setdefault(folder or "/", set()).add(name)

    @property
    def top(self) -> Entry:
        """Where absolute paths start."""
        return Entry(self.root, self.root.root, None, "", self)

    def holds(self, path: str) -> bool:
        """Whether a mount lies at or below the path."""
        return any(target == path or target.startswith(f"{path.rstrip('/')}/") for target in self._mounts)

    def find(self, path: str, seer: Seer, *, follow: bool = True) -> Entry:
        """The entry a path leads to. Raises FileNotFoundError, NotADirectoryError, PermissionError, OSError(ELOOP)."""
        _, _, found = self.walk(path, seer, follow=follow)
        if found is None:
            raise failure(errno.ENOENT)
        return found

    def walk(self, path: str, seer: Seer, *, follow: bool = True) -> tuple[Entry, str, Entry | None]:
        """(directory, last name, what is there or None); with `follow` a link in last place is followed too.

        The root has no last name: then it is "" and the root itself comes first and third.
        """
        trees = [self.root.tree]
        trees[0].enter()
        try:
            return self._walk(path, seer, follow, trees)
        finally:
            for tree in trees:
                tree.leave()

    def _walk(self, path: str, seer: Seer, follow: bool, trees: list[Tree]) -> tuple[Entry, str, Entry | None]:
        if "\0" in path:
            raise failure(errno.EINVAL)
        if not path:
            raise failure(errno.ENOENT)
        if len(path) >= PATH_MAX:
            raise failure(errno.ENAMETOOLONG)
        links = 0
        at = root = self.top
        todo = _names(path)
        while todo:
            name = todo.pop()
            self._searchable(at, seer)
            if name == ".":
                continue
            if name == "..":
                at = at.parent or at
                continue
            if len(os.fsencode(name)) > NAME_MAX:
                raise failure(errno.ENAMETOOLONG)
            child = self.child(at, name, seer)
            if child is not None and child.mount.tree is not trees[-1]:
                trees.append(child.mount.tree)
                trees[-1].enter()
            if child is None:
                if not todo or set(todo) == {"."}:
                    return at, name, None
                raise failure(errno.ENOENT)
            if child.kind == SYMLINK and (todo or follow) and not child.mount.tree.is_magic(child.node):
                links += 1
                if links > LINKS_MAX:
                    raise failure(errno.ELOOP)
                jump = child.mount.tree.leads_to(child.node, seer)
                if jump is not None:
                    trees.append(jump.mount.tree)
                    trees[-1].enter()
                    if not todo:
                        return jump.parent or jump, jump.name, jump
                    at = jump
                    continue
                target = child.mount.tree.readlink(child.node, seer)
                if not target:
                    raise failure(errno.ENOENT)
                if target.startswith("/"):
                    at = root
                todo += _names(target)
            elif todo:
                at = child
            else:
                return at, name, child
        if at.parent is not None:
            return at.parent, at.name, at
        return at, "", at

    def child(self, at: Entry, name: str, seer: Seer) -> Entry | None:
        """The child of a directory, a mount there taking precedence."""
        table = at.table or self
        if name in table._below.get(at.path, ()):
            mount = table._mounts[f"{at.path.rstrip('/')}/{name}"]
            return Entry(mount, mount.root, at, name)
        node = at.mount.tree.lookup(at.node, name, seer)
        return None if node is None else Entry(at.mount, node, at, name)

    def names(self, at: Entry, seer: Seer) -> list[str]:
        """What a directory lists, sorted; mount points included."""
        return sorted({*at.mount.tree.names(at.node, seer), *(at.table or self)._below.get(at.path, ())})

    def _directory(self, at: Entry) -> None:
        if at.kind != DIRECTORY:
            raise failure(errno.ENOTDIR)

    def _searchable(self, at: Entry, seer: Seer) -> None:
        self._directory(at)
        if seer.uid and not seer.may(at.mount.tree.stat(at.node, seer), SEARCH):
            raise failure(errno.EACCES)


def _names(path: str) -> list[str]:
    """The names of a path, last first; a slash at the end stands for `.`: what precedes it must be a directory."""
    names = [name for name in path.split("/") if name]
    if path.endswith("/"):
        names.append(".")
    return names[::-1]
