"""grep, find, xargs: what matches, and running commands for it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Awaitable, Callable

from pocketkube.images.coreutils.changing import parse_mode
from pocketkube.images.coreutils.listing import permissions
from pocketkube.images.coreutils.options import Options, chunks, fail, lines, name_of, parse, reason
from pocketkube.images.coreutils.system import user_name
from pocketkube.images.coreutils.text import basic, extended
from pocketkube.images.shell.patterns import matches
from pocketkube.kubelet.filesystem.tree import Stat
from pocketkube.kubelet.process import Command, Process, ProcessExit


async def grep(process: Process) -> int:
    long = {
        "ignore-case": "i", "invert-match": "v", "count": "c", "line-number": "n", "quiet": "q", "silent": "q",
        "files-with-matches": "l", "files-without-match": "L", "only-matching": "o", "recursive": "r", "regexp": "e",
        "extended-regexp": "E", "fixed-strings": "F", "word-regexp": "w", "line-regexp": "x", "no-messages": "s",
        "no-filename": "h", "with-filename": "H", "max-count": "m", "after-context": "A", "before-context": "B",
        "context": "C", "file": "f", "basic-regexp": "G", "text": "a", "include": "I",
    }  # fmt: skip
    process.argv[1:] = [word for word in process.argv[1:] if not word.startswith("--color")]
    options = await parse(process, "ivcnqlLorRe*EFwxshHm:A:B:C:f:GabzI:", long)
    words = list(options.rest)
    patterns = list(options.get("e", []))
    if "f" in options:
        patterns += [line.decode().rstrip("\n") async for line in lines(process, options.get("f"))]
    elif not patterns:
        if not words:
            await process.error(
                f"Usage: {name_of(process)} [-HhnlLoqvsrRiwFE] [-m N] [-A|B|C N] "
                "{ PATTERN | -e PATTERN... | -f FILE... } [FILE]..."
            )
            return 2
        patterns = [words.pop(0)]
    patterns = [part for pattern in patterns for part in pattern.split("\n")]
    expression = await _compile(process, patterns, options)
    deep = "r" in options or "R" in options
    paths = words or (["."] if deep else ["-"])
    files: list[str] = []
    status = [False, False]
    for path in paths:
        files += await _files(process, path, options, status) if deep else [path]
    named = ("H" in options or len(paths) > 1 or deep) and "h" not in options
    for path in files:
        try:
            if await _grep_file(process, path, expression, options, named):
                status[0] = True
                if "q" in options:
                    return 0
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            status[1] = True
            if "s" not in options:
                await process.error(f"{name_of(process)}: {path}: {reason(error)}")
    return 2 if status[1] and not (status[0] and "q" in options) else 0 if status[0] else 1


async def _compile(process: Process, patterns: list[str], options: Options) -> re.Pattern[str]:
    name = name_of(process)
    if "F" in options or name == "fgrep":
        parts = [re.escape(pattern) for pattern in patterns]
    elif "E" in options or name == "egrep":
        parts = [extended(pattern) if pattern else "" for pattern in patterns]
    else:
        parts = [basic(pattern) for pattern in patterns]
    text = "|".join(f"(?:{part})" for part in parts) if len(parts) > 1 else parts[0]
    if "x" in options:
        text = rf"\A(?:{text})\Z"
    elif "w" in options:
        text = rf"(?<!\w)(?:{text})(?!\w)"
    try:
        return re.compile(text, re.IGNORECASE if "i" in options else 0)
    except re.error:
        await process.error(f"{name}: bad regex '{patterns[0]}': Invalid regular expression")
        raise ProcessExit(2) from None


async def _files(process: Process, path: str, options: Options, status: list[bool]) -> list[str]:
    fs = process.fs
    if not fs.is_dir(path):
        return [path]
    out = []
    for name in fs.listdir(path):
        inner = f"{path.rstrip('/')}/{name}" if path != "." else f"./{name}"
        if fs.is_symlink(inner) and "R" not in options:
            continue
        out += await _files(process, inner, options, status)
    return out


async def _grep_file(process: Process, path: str, expression: re.Pattern[str], options: Options, named: bool) -> bool:
    title = "(standard input)" if path == "-" else path
    prefix = f"{title}:" if named else ""
    limit = int(options.get("m", 10**12))
    before = int(options.get("B", options.get("C", 0)))
    after = int(options.get("A", options.get("C", 0)))
    quiet = bool({"q", "l", "L", "c"} & set(options.given))
    earlier: list[tuple[int, str]] = []
    shown_until = 0
    remaining = count = number = 0
    async for raw in lines(process, path):
        number += 1
        line = raw.decode("utf-8", "surrogateescape").rstrip("\n")
        found = expression.search(line)
        if bool(found) == ("v" in options):
            if remaining:
                remaining -= 1
                await _show(process, prefix, number, line, options, "-")
                shown_until = number
            elif before:
                earlier = [*earlier, (number, line)][-before:]
            continue
        count += 1
        if "q" in options or "l" in options:
            break
        if not quiet:
            if (before or after) and shown_until and (earlier[0][0] if earlier else number) > shown_until + 1:
                await process.print("--")
            for past, text in earlier:
                await _show(process, prefix, past, text, options, "-")
            earlier = []
            if "o" in options:
                for match in expression.finditer(line) if "v" not in options else ():
                    if match.group():
                        await _show(process, prefix, number, match.group(), options, ":")
            else:
                await _show(process, prefix, number, line, options, ":")
            shown_until, remaining = number, after
        if count >= limit:
            break
    if "c" in options:
        await process.print(f"{prefix}{count}")
    elif ("l" in options and count) or ("L" in options and not count):
        await process.print(title)
    return count > 0


async def _show(process: Process, prefix: str, number: int, line: str, options: Options, mark: str) -> None:
    head = prefix[:-1] + mark if prefix else ""
    numbered = f"{number}{mark}" if "n" in options else ""
    await process.stdout.write(f"{head}{numbered}{line}\n".encode("utf-8", "surrogateescape"))


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
                expression = re.compile(basic(self.take(word)))
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

    async def walk(self, path: str, test: Test, depth: int, device: int | None = None) -> None:
        try:
            found = self.process.fs.stat(path, False)
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
        if found.kind == "directory" and depth < self.deepest:
            try:
                names = self.process.fs.listdir(path)
            except OSError as error:
                await self.process.error(f"find: {path}: {reason(error)}")
                self.status = 1
                names = []
            for name in names:
                await self.walk(f"{path.rstrip('/')}/{name}", test, depth + 1, found.dev)
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
    while words and words[0] in ("-L", "-H", "-P"):
        words.pop(0)
    paths = []
    while words and not words[0].startswith(("-", "(", "!")):
        paths.append(words.pop(0))
    search = _Find(process, words)
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


async def xargs(process: Process) -> int:
    options = await parse(process, "0rtn:I:i:L:P:s:d:pxE:e", {"null": "0", "no-run-if-empty": "r", "max-args": "n",
                                                          "max-procs": "P", "replace": "I", "delimiter": "d"},
                                                          stop=True)  # fmt: skip
    command = options.rest or ["echo"]
    data = b"".join([chunk async for chunk in chunks(process, "-")]).decode("utf-8", "surrogateescape")
    replace = options.get("I", options.get("i"))
    if "0" in options or "d" in options:
        glue = "\0" if "0" in options else options.get("d").replace("\\n", "\n").replace("\\t", "\t")
        items = data.removesuffix(glue).split(glue) if data else []
    elif replace is not None:
        items = [line.strip() for line in data.split("\n") if line.strip()]
    else:
        try:
            items = _words(data)
        except ValueError as error:
            await fail(process, str(error))
            raise
    if not items and ("r" in options or replace is not None):
        return 0
    status = 0
    if replace is not None:
        runs = [[word.replace(replace, item) for word in command] for item in items]
    else:
        size = int(options.get("n", options.get("L", 0))) or max(1, len(items))
        runs = [[*command, *items[at : at + size]] for at in range(0, len(items), size)] or [command]
    for words in runs:
        if "t" in options:
            await process.error(" ".join(words))
        try:
            code = await process.run(words, fds={0: None})
        except OSError as error:
            await process.error(f"xargs: {words[0]}: {reason(error)}")
            return 127 if isinstance(error, FileNotFoundError) else 126
        if code == 255:
            await process.error(f"xargs: {words[0]}: exited with status 255; aborting")
            return 124
        if code:
            status = 123
    return status


def _words(text: str) -> list[str]:
    """Blank-separated words with quotes and backslashes. Raises ValueError."""
    out: list[str] = []
    word: list[str] | None = None
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character in " \t\n":
            if word is not None:
                out.append("".join(word))
                word = None
            continue
        word = [] if word is None else word
        if character in "'\"":
            end = text.find(character, at)
            if end < 0:
                raise ValueError(f"unmatched {'single' if character == chr(39) else 'double'} quote")
            word.append(text[at:end])
            at = end + 1
        elif character == "\\" and at < len(text):
            word.append(text[at])
            at += 1
        else:
            word.append(character)
    if word is not None:
        out.append("".join(word))
    return out


COMMANDS: dict[str, Command] = {"grep": grep, "egrep": grep, "fgrep": grep, "find": find, "xargs": xargs}
