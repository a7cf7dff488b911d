"""Names: making, linking, moving and removing files and directories."""

from __future__ import annotations

import errno
import os

from pocketkube.kubelet.filesystem.tree import DIRECTORY, SYMLINK, failure
from pocketkube.kubelet.filesystem.view import View, about
from pocketkube.kubelet.filesystem.walk import NAME_MAX, PATH_MAX, SEARCH, WRITE, Entry


class Names(View):
    """The calls that change directories."""

    def mkdir(self, path: str, mode: int = 0o777, *, parents: bool = False) -> None:
        """With `parents`, missing ones are made, and a directory that exists is fine."""
        if parents:
            if self.is_dir(path):
                return
            self._make_parents(path)
        with about(path):
            entry, name = self._free(path)
            self._create(entry, name, DIRECTORY, mode & ~self.umask & 0o1777)

    def _make_parents(self, path: str) -> None:
        """Make what is missing above a path. Long paths must not cost the square of their length."""
        with about(path):
            if "\0" in path:
                raise failure(errno.EINVAL)
            start = "/" if path.startswith("/") else ""
            names = [name for name in path.split("/") if name][:-1]
            if len(path) >= PATH_MAX or any(len(os.fsencode(name)) > NAME_MAX for name in names):
                raise failure(errno.ENAMETOOLONG)
            known, most = 0, len(names)
            while known < most:  # how many of them are there already
                middle = (known + most + 1) // 2
                if self.is_dir(start + "/".join(names[:middle])):
                    known = middle
                else:
                    most = middle - 1
            at = self._find(start + "/".join(names[:known]) or ".")
            for name in names[known:]:
                if name == ".":
                    continue
                if name == "..":
                    at = at.parent or at
                    continue
                found = self._table.child(at, name, self._seer)
                at = found or self._create(at, name, DIRECTORY, 0o777 & ~self.umask & 0o1777)
                if at.kind != DIRECTORY:
                    raise failure(errno.ENOTDIR)

    def symlink(self, target: str, path: str) -> None:
        """Make `path` a link to `target`, which is not looked at."""
        with about(target, path):
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
        with about(existing, path):
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
        with about(path):
            entry, name, found = self._there(path)
            if found.kind == DIRECTORY:
                raise failure(errno.EISDIR)
            if path.endswith("/"):
                raise failure(errno.ENOTDIR)
            self._change_names(entry, found)
            entry.mount.tree.remove(entry.mount.tree.own(entry), name)

    def rmdir(self, path: str) -> None:
        with about(path):
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
        with about(old, new):
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
                if (moved.table or self._table).holds(inside):
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

    # -- inside

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

    def _replaceable(self, moved: Entry, replaced: Entry) -> None:
        if moved.kind == DIRECTORY:
            if replaced.kind != DIRECTORY:
                raise failure(errno.ENOTDIR)
            if self._table.names(replaced, self._seer):
                raise failure(errno.ENOTEMPTY)
        elif replaced.kind == DIRECTORY:
            raise failure(errno.EISDIR)
