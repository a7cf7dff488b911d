"""How a shell starts programs: what their descriptors become, children, and taking its own place."""

from __future__ import annotations

from typing import Any

from pocketkube.images.shell import expand, syntax
from pocketkube.images.shell.core import Core
from pocketkube.images.shell.descriptors import Document, OpenFile, encode, reason
from pocketkube.images.shell.state import ShellFailure
from pocketkube.kubelet.process import ProcessExit, hold, release


class Launcher(Core):
    """Redirections, children, exec."""

    async def open_redirects(self, redirects: tuple[syntax.Redirect, ...]) -> dict[int, Any] | None:
        """Descriptor -> what it becomes, None to close it. None altogether when one failed; that was told."""
        opened: dict[int, Any] = {}
        for redirect in redirects:
            try:
                opened[redirect.descriptor] = await self._open(redirect, opened)
            except OSError as error:
                await self.say(error.args[1] if len(error.args) > 1 else str(error))
                for stream in opened.values():
                    if isinstance(stream, OpenFile):
                        stream.close()
                return None
        return opened

    async def _open(self, redirect: syntax.Redirect, opened: dict[int, Any]) -> Any:
        if redirect.operator == "<<":
            return Document(encode(await expand.single(self, redirect.word)))
        target = await expand.single(self, redirect.word)
        if redirect.operator in ("<&", ">&"):
            if target in ("-", ""):
                return None
            if target.isdecimal():
                number = int(target)
                stream = opened[number] if number in opened else self.process.fds.get(number)
                if stream is None:
                    raise OSError(9, f"dup2({number},{redirect.descriptor}): Bad file descriptor")
                return stream
            if redirect.operator == "<&":
                raise ShellFailure("syntax error: bad fd number")
        path = target
        fs = self.process.fs
        mode = {"<": "r", ">>": "a", "<>": "r+"}.get(redirect.operator, "w")
        if redirect.operator == ">" and "C" in self.options and fs.is_file(self.process.path(path)):
            raise OSError(17, f"can't create {path}: File exists")
        try:
            if mode == "r+" and not fs.exists(self.process.path(path)):
                fs.open(self.process.path(path), "a").close()
            return OpenFile(fs.open(self.process.path(path) if path else path, mode))
        except FileNotFoundError:
            text = f"can't open {path}: no such file" if mode == "r" else f"can't create {path}: nonexistent directory"
            raise OSError(2, text) from None
        except OSError as error:
            verb = "open" if mode == "r" else "create"
            raise OSError(error.errno, f"can't {verb} {path}: {reason(error)}") from None

    def lay(self, opened: dict[int, Any]) -> dict[int, Any]:
        """Put descriptors in place for a while; gives what `restore` needs."""
        saved = {number: self.process.fds.get(number) for number in opened}
        for number, stream in opened.items():
            if stream is None:
                self.process.fds.pop(number, None)
            else:
                hold(stream)
                self.process.fds[number] = stream
        return saved

    def restore(self, saved: dict[int, Any]) -> None:
        for number, stream in saved.items():
            current = self.process.fds.pop(number, None)
            if current is not None:
                release(current)
            if stream is not None:
                self.process.fds[number] = stream

    async def start(self, argv: list[str], environment: dict[str, str], opened: dict[int, Any]) -> int:
        """Run a program as a child."""
        for stream in opened.values():
            hold(stream)
        try:
            child = self.process.spawn(argv, env=environment, fds=opened)
        except BlockingIOError as error:
            raise ShellFailure(f"can't fork: {reason(error)}") from None
        except OSError as error:
            saved = self.lay({number: stream for number, stream in opened.items() if number == 2})
            status = await self.not_started(argv[0], error)
            self.restore(saved)
            return status
        finally:
            for stream in opened.values():
                release(stream)
        self.lead(child)
        return await self.ended(child)

    async def not_started(self, name: str, error: OSError) -> int:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        await self.say(f"{name}: {'not found' if missing else reason(error)}")
        return 127 if missing else 126

    async def replace(self, argv: list[str], environment: dict[str, str], opened: dict[int, Any]) -> int:
        """execve: this process becomes the program. Returns only when it cannot be started."""
        process = self.process
        saved = self.lay(opened)
        try:
            main = process.become(argv, environment)
        except OSError as error:
            status = await self.not_started(argv[0], error)
            self.restore(saved)
            return status
        for stream in saved.values():
            release(stream)
        for number, action in self.traps.items():
            if number and action:
                process.default_signal(number)
        raise ProcessExit(await main(process))
