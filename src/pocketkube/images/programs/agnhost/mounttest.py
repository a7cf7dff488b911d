"""agnhost mounttest: makes files of given permissions and tells of volumes: type, owner, mode, content.

What upstream's storage tests run in their Pods. The order of the tests is the program's own, whatever the flags'.
"""

from __future__ import annotations

from collections.abc import Callable

from pocketkube.images import golang
from pocketkube.images.coreutils.listing import fstype_of
from pocketkube.images.golang import Flags
from pocketkube.images.programs.agnhost.netexec import flag_error
from pocketkube.kubelet.filesystem import DIRECTORY, Stat
from pocketkube.kubelet.process import Process

CONTENT = "mount-tester new file\n"
_PAUSE = 2.0
"""Seconds between two looks of --file_content_in_loop."""
_MAGIC = {"ext4": 0xEF53, "overlay": 0x794C7630, "proc": 0x9FA0, "sysfs": 0x62656572}
"""What statfs(2) gives for a type; the program has a word for tmpfs only."""
_SPECIAL = ((0o4000, "u"), (0o2000, "g"), (0o1000, "t"))
_PERMISSIONS = (0o644, 0o666, 0o660, 0o777)


async def mounttest(process: Process, words: list[str]) -> int:
    paths = ("fs_type", "file_mode", "file_perm", "file_owner", "file_content", "file_content_in_loop")
    news = {f"new_file_0{mode:o}": mode for mode in _PERMISSIONS}
    flags = Flags({name: "" for name in (*paths, *news)} | {"retry_time": 180, "break_on_expected_content": True})
    if problem := flags.parse(words):
        return await flag_error(process, problem)
    process.fs.umask = 0
    test = _Test(process)
    tests: list[tuple[str, Callable[[str], str]]] = [("fs_type", test.fs_type)]
    tests += [(name, test.new_file(mode)) for name, mode in news.items()]
    tests += [("file_mode", test.file_mode), ("file_perm", test.file_perm), ("file_owner", test.file_owner)]
    tests.append(("file_content", test.file_content))
    failed = False
    for name, run in tests:
        if flags[name]:
            try:
                await process.print(run(flags[name]))
            except _Failed as failure:
                await process.print(str(failure))
                failed = True
    if flags["file_content_in_loop"]:
        failed |= not await _loop(process, flags["file_content_in_loop"], flags)
    return 1 if failed else 0


class _Failed(Exception):
    """What is printed of a test that failed."""


class _Test:
    """Each test gives what it prints. Raises _Failed."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def fs_type(self, path: str) -> str:
        self._stat("statfs", path)
        kind = fstype_of(self._process, path)
        return f'mount type of "{path}": {kind if kind == "tmpfs" else _MAGIC.get(kind, 0)}'

    def new_file(self, permissions: int) -> Callable[[str], str]:
        def make(path: str) -> str:
            try:
                self._process.fs.open(path, "a", permissions=permissions).close()
                self._process.fs.write_bytes(path, CONTENT.encode())
            except OSError as error:
                raise _Failed(f'error writing new file "{path}": open {path}: {golang.errno_text(error)}') from None
            return self.file_content(path)

        return make

    def file_mode(self, path: str) -> str:
        found = self._stat("Stat", path)
        letters = ("d" if found.kind == DIRECTORY else "") + "".join(
            letter for bit, letter in _SPECIAL if found.mode & bit
        )
        return f'mode of file "{path}": {letters or "-"}{_rwx(found.mode)}'

    def file_perm(self, path: str) -> str:
        return f'perms of file "{path}": -{_rwx(self._stat("Stat", path).mode)}'

    def file_owner(self, path: str) -> str:
        found = self._stat("stat", path)
        return f'owner UID of "{path}": {found.uid}\nowner GID of "{path}": {found.gid}'

    def file_content(self, path: str) -> str:
        try:
            content = self._process.fs.read_bytes(path)
        except OSError as error:
            text = f"open {path}: {golang.errno_text(error)}"
            raise _Failed(f'error reading file content for "{path}": {text}') from None
        return f'content of file "{path}": {content.decode(errors="replace")}'

    def _stat(self, call: str, path: str) -> Stat:
        try:
            return self._process.fs.stat(path)
        except OSError as error:
            text = golang.errno_text(error)
            raise _Failed(f'error from {call}("{path}"): {f"stat {path}: " if call == "Stat" else ""}{text}') from None


async def _loop(process: Process, path: str, flags: Flags) -> bool:
    """Show a file again and again; whether the last reading of it succeeded."""
    end = process.clock.time() + flags["retry_time"]
    read = True
    while process.clock.time() < end:
        try:
            content = process.fs.read_bytes(path).decode(errors="replace")
        except OSError as error:
            read = False
            await process.print(f"Error reading file {path}: open {path}: {golang.errno_text(error)}, retrying")
        else:
            read = True
            await process.print(f'content of file "{path}": {content}')
            if flags["break_on_expected_content"]:
                if content == CONTENT:
                    return True
                await process.print(f"Unexpected content. Expected: {CONTENT}. Retrying")
        await process.clock.sleep(_PAUSE)
    return read


def _rwx(mode: int) -> str:
    return "".join(letter if mode & (0o400 >> at) else "-" for at, letter in enumerate("rwxrwxrwx"))
