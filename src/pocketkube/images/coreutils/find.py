"""find: walking directories with tests and actions."""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Awaitable, Callable

from pocketkube.images.coreutils.listing import permissions
from pocketkube.images.coreutils.options import fail, reason
from pocketkube.images.coreutils.permissions import parse_mode
from pocketkube.images.coreutils.regex import basic, unsuitable
from pocketkube.images.coreutils.system import user_name
from pocketkube.images.shell.patterns import matches
from pocketkube.kubelet.filesystem.tree import Stat
from pocketkube.kubelet.process import Command, Process, ProcessExit
from pocketkube.regex import BadPattern, posix

Test = Callable[[str, Stat, int], Awaitable[bool]]


_TYPES = {"f": "file", "d": "directory", "l": "symlink", "c": "device", "b": "block"}


class _Find:
    """The expression of find; each part is a coroutine over (path, stat, depth)."""

    def __init__(self, process: Process, words: list[str]) -> None:
        self.process = process
        self.words = words
        self.at = 0
        self.acts = False
        self.deepest = 10**9
        self.least = 0
        self.contents_first = False
        self.one_device = False
        self.pruned = False
        self.links = "-P"
        self.status = 0
        self.batches: list[tuple[list[str], list[str]]] = []

    def take(self, option: str = "") -> str:
        if self.at >= len(self.words):
            raise ValueError(f"{option}: requires an argument" if option else "bad arg")
        self.at += 1
        return self.words[self.at - 1]

    def either(self) -> Test:
        left = self.both()
        while self.at < len(self.words) and self.words[self.at] in ("-o", "-or"):
            self.at += 1
            left = _or(left, self.both())
        return left

    def both(self) -> Test:
        left = self.one()
        while self.at < len(self.words) and self.words[self.at] not in ("-o", "-or", ")"):
            if self.words[self.at] in ("-a", "-and"):
                self.at += 1
            left = _and(left, self.one())
        return left

    def one(self) -> Test:
        word = self.take()
        if word in ("!", "-not"):
            return _not(self.one())
        if word == "(":
            inner = self.either()
            if self.take() != ")":
                raise ValueError("unmatched '('")
            return inner
        return self.primary(word)

    def primary(self, word: str) -> Test:
        process = self.process
        match word:
            case "-name" | "-iname":
                pattern = self.take(word)
                fold = word == "-iname"
                return _test(
                    lambda path, _, __: matches(
                        pattern.lower() if fold else pattern, _base(path).lower() if fold else _base(path)
                    )
                )
            case "-path" | "-ipath" | "-wholename":
                pattern = self.take(word)
                return _test(lambda path, _, __: matches(pattern, path))
            case "-regex":
                text = self.take(word)
                try:
                    expression = posix(basic(text))
                except BadPattern as error:
                    raise ValueError(f"bad regex '{text}': {unsuitable(error)}") from None
                return _test(lambda path, _, __: bool(expression.fullmatch(path)))
            case "-type":
                letter = self.take(word)
                if letter not in _TYPES:
                    raise ValueError(f"invalid argument '{letter}' to '-type'")
                return _test(lambda _, found, __: found.kind == _TYPES[letter])
            case "-maxdepth" | "-mindepth":
                depth = int(self.take(word))
                if word == "-maxdepth":
                    self.deepest = depth
                else:
                    self.least = depth
                return _test(lambda *_: True)
            case "-mtime" | "-mmin" | "-atime" | "-amin" | "-ctime" | "-cmin":
                unit = 86400 if word.endswith("time") else 60
                field = {"m": "mtime", "a": "atime", "c": "ctime"}[word[1]]
                compare = _comparison(self.take(word))
                now = process.clock.time()
                return _test(lambda _, found, __: compare(int((now - getattr(found, field)) // unit)))
            case "-newer":
                moment = process.fs.stat(self.take(word)).mtime
                return _test(lambda _, found, __: found.mtime > moment)
            case "-size":
                text = self.take(word)
                units = {"c": 1, "w": 2, "b": 512, "k": 1024, "M": 2**20, "G": 2**30}
                size = units.get(text[-1], 0)
                compare = _comparison(text[:-1] if size else text)
                return _test(lambda _, found, __: compare(-(-found.size // (size or 512))))
            case "-empty":
                return _test(
                    lambda path, found, __: (
                        not process.fs.listdir(path) if found.kind == "directory" else not found.size
                    )
                )
            case "-perm":
                text = self.take(word)
                mode = parse_mode(text.lstrip("-/+"), 0, 0)
                if mode is None:
                    raise ValueError(f"invalid mode '{text}'")
                wanted = mode
                if text[0] == "-":
                    return _test(lambda _, found, __: found.mode & wanted == wanted)
                if text[0] in "/+":
                    return _test(lambda _, found, __: bool(found.mode & wanted))
                return _test(lambda _, found, __: found.mode == wanted)
            case "-user" | "-uid":
                text = self.take(word)
                return _test(lambda _, found, __: text in (str(found.uid), user_name(process, found.uid)))
            case "-group" | "-gid":
                text = self.take(word)
                return _test(lambda _, found, __: text == str(found.gid) or (text, found.gid) == ("root", 0))
            case "-links":
                compare = _comparison(self.take(word))
                return _test(lambda _, found, __: compare(found.nlink))
            case "-inum":
                number = int(self.take(word))
                return _test(lambda _, found, __: found.ino == number)
            case "-depth":
                self.contents_first = True
                return _test(lambda *_: True)
            case "-xdev" | "-mount":
                self.one_device = True
                return _test(lambda *_: True)
            case "-follow" | "-noleaf":
                return _test(lambda *_: True)
            case "-true" | "-false":
                return _test(lambda *_: word == "-true")
            case "-prune":
                return self._prune
            case "-quit":
                return self._quit
            case "-print" | "-print0":
                self.acts = True
                end = "\n" if word == "-print" else "\0"
                return lambda path, _, __: self._print(path, end)
            case "-printf":
                self.acts = True
                form = self.take(word)
                return lambda path, found, depth: self._printf(form, path, found, depth)
            case "-ls":
                self.acts = True
                return lambda path, found, _: self._print(
                    f"{found.ino:9d} {found.blocks // 2:6d} {permissions(found)} {found.nlink:3d} "
                    f"{found.size:9d} {path}",
                    "\n",
                )
            case "-delete":
                self.acts = self.contents_first = True
                return self._delete
            case "-exec" | "-ok":
                return self._exec_words()
        raise ValueError(f"unrecognized: {word}")

    async def _prune(self, path: str, found: Stat, depth: int) -> bool:
        self.pruned = True
        return True

    async def _quit(self, path: str, found: Stat, depth: int) -> bool:
        raise ProcessExit(self.status)

    async def _print(self, text: str, end: str) -> bool:
        await self.process.stdout.write((text + end).encode("utf-8", "surrogateescape"))
        return True

    async def _printf(self, form: str, path: str, found: Stat, depth: int) -> bool:
        from pocketkube.images.coreutils.text_output import unescape

        values = {
            "p": path, "f": _base(path), "h": posixpath.dirname(path), "s": str(found.size), "m": f"{found.mode:o}",
            "M": permissions(found), "u": user_name(self.process, found.uid) or str(found.uid), "U": str(found.uid),
            "G": str(found.gid), "i": str(found.ino), "n": str(found.nlink), "d": str(depth), "%": "%",
            "y": next((letter for letter, kind in _TYPES.items() if kind == found.kind), "U"),
            "T@": f"{found.mtime:.10f}",
        }  # fmt: skip
        text, _ = unescape(form, zero_octal=False)
        shown = re.sub(r"%(T@|[a-zA-Z%])", lambda code: values.get(code.group(1), code.group()), text.decode())
        await self.process.stdout.write(shown.encode("utf-8", "surrogateescape"))
        return True

    async def _delete(self, path: str, found: Stat, depth: int) -> bool:
        try:
            (self.process.fs.rmdir if found.kind == "directory" else self.process.fs.unlink)(path)
        except OSError as error:
            await self.process.error(f"find: {path}: {reason(error)}")
            self.status = 1
            return False
        return True

    def _exec_words(self) -> Test:
        self.acts = True
        words: list[str] = []
        while (word := self.take("-exec")) != ";":
            if word == "+" and words and words[-1] == "{}":
                batch: list[str] = []
                self.batches.append((words[:-1], batch))
                return _collect(batch)
            words.append(word)

        async def run(path: str, _: Stat, __: int) -> bool:
            return await self.run([word.replace("{}", path) for word in words]) == 0

        return run

    async def run(self, words: list[str]) -> int:
        try:
            return await self.process.run(words)
        except OSError as error:
            await self.process.error(f"find: {words[0]}: {reason(error)}")
            return 1

    def stat(self, path: str, depth: int) -> Stat:
        """What is there; with -L what a link leads to, with -H only for the places that were named."""
        if self.links == "-L" or (self.links == "-H" and depth == 0):
            with contextlib.suppress(OSError):  # a link that leads nowhere is a link
                return self.process.fs.stat(path)
        return self.process.fs.stat(path, False)

    async def walk(
        self, path: str, test: Test, depth: int, device: int | None = None, above: tuple[tuple[int, int], ...] = ()
    ) -> None:
        """`above`: device and inode of the folders on the way, so that a link to one of them is no way in."""
        await self.process.turn()
        try:
            found = self.stat(path, depth)
        except OSError as error:
            await self.process.error(f"find: {path}: {reason(error)}")
            self.status = 1
            return
        if self.one_device and device not in (None, found.dev):
            return
        if depth >= self.least and not self.contents_first:
            self.pruned = False
            await test(path, found, depth)
            if self.pruned:
                self.pruned = False
                return
        here = (found.dev, found.ino)
        if found.kind == "directory" and depth < self.deepest and here not in above:
            try:
                names = self.process.fs.listdir(path)
            except OSError as error:
                await self.process.error(f"find: {path}: {reason(error)}")
                self.status = 1
                names = []
            for name in names:
                await self.walk(f"{path.rstrip('/')}/{name}", test, depth + 1, found.dev, (*above, here))
        if depth >= self.least and self.contents_first:
            await test(path, found, depth)


def _base(path: str) -> str:
    return posixpath.basename(path.rstrip("/")) or path


def _comparison(text: str) -> Callable[[int], bool]:
    number = int(text.lstrip("+-"))
    if text.startswith("+"):
        return lambda value: value > number
    if text.startswith("-"):
        return lambda value: value < number
    return lambda value: value == number


def _test(check: Callable[[str, Stat, int], bool]) -> Test:
    async def test(path: str, found: Stat, depth: int) -> bool:
        return check(path, found, depth)

    return test


def _and(left: Test, right: Test) -> Test:
    async def test(path: str, found: Stat, depth: int) -> bool:
        return await left(path, found, depth) and await right(path, found, depth)

    return test


def _or(left: Test, right: Test) -> Test:
    async def test(path: str, found: Stat, depth: int) -> bool:
        return await left(path, found, depth) or await right(path, found, depth)

    return test


def _not(inner: Test) -> Test:
    async def test(path: str, found: Stat, depth: int) -> bool:
        return not await inner(path, found, depth)

    return test


def _collect(batch: list[str]) -> Test:
    async def test(path: str, found: Stat, depth: int) -> bool:
        batch.append(path)
        return True

    return test


async def find(process: Process) -> int:
    words = process.argv[1:]
    links = "-P"
    while words and words[0] in ("-L", "-H", "-P"):
        links = words.pop(0)
    paths = []
    while words and not words[0].startswith(("-", "(", "!")):
        paths.append(words.pop(0))
    search = _Find(process, words)
    search.links = links
    try:
        test = search.either() if words else _test(lambda *_: True)
        if search.at < len(words):
            raise ValueError(f"unrecognized: {words[search.at]}")
    except (ValueError, OSError) as error:
        await fail(process, str(error) if isinstance(error, ValueError) else f"{error.filename}: {reason(error)}")
        raise
    if not search.acts:
        test = _and(test, lambda path, _, __: search._print(path, "\n"))
    for path in paths or ["."]:
        await search.walk(path, test, 0)
    for command, batch in search.batches:
        if batch and await search.run([*command, *batch]):
            search.status = 1
    return search.status


COMMANDS: dict[str, Command] = {"find": find}
