"""Builtins about variables and input: export, readonly, local, unset, read, getopts, cd, pwd, umask."""

from __future__ import annotations

import posixpath

from pocketkube.images.shell.descriptors import decode, reason
from pocketkube.images.shell.interpreter import Shell
from pocketkube.images.shell.state import ShellFailure


def _name(word: str, command: str) -> tuple[str, str | None]:
    name, equals, value = word.partition("=")
    if not name.isidentifier() or not name.isascii():
        raise ShellFailure(f"{command}: line 0: {word}: bad variable name")
    return name, value if equals else None


async def export(shell: Shell, argv: list[str]) -> int:
    command = argv[0]
    kept = shell.variables.exported if command == "export" else shell.variables.readonly
    words = argv[1:]
    remove = False
    while words and words[0].startswith("-"):
        remove = remove or (command == "export" and "n" in words.pop(0))
        if remove:
            break
        if argv[1] != "--":
            words = words if argv[1] != "-p" else []
            break
    if not words:
        for name in sorted(kept):
            value = f"={_single_quoted(shell.variables[name])}" if name in shell.variables else ""
            await shell.write(1, f"{command} {name}{value}\n")
        return 0
    for word in words:
        name, given = _name(word, command)
        if given is not None:
            shell.assign(name, given)
        (kept.discard if remove else kept.add)(name)
    return 0


def _single_quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


async def local(shell: Shell, argv: list[str]) -> int:
    if not shell.scopes:
        raise ShellFailure("local: line 0: not in a function")
    scope = shell.scopes[-1]
    for word in argv[1:]:
        name, value = _name(word, "local")
        scope.setdefault(name, (shell.variables.get(name), name in shell.variables.exported))
        if value is not None:
            shell.assign(name, value)
    return 0


async def unset(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    functions = False
    while words and words[0] in ("-f", "-v", "-fv", "-vf", "--"):
        functions = words.pop(0) == "-f"
    for name in words:
        if functions:
            shell.functions.pop(name, None)
        else:
            _name(name, "unset")
            shell.variables.unset(name)
    return 0


async def read(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    raw, prompt, timeout, count, silent = False, "", None, 0, False
    delimiter = b"\n"
    while words and words[0].startswith("-") and len(words[0]) > 1:
        cluster = words.pop(0)[1:]
        if cluster == "-":
            break
        while cluster:
            letter, cluster = cluster[0], cluster[1:]
            if letter == "r":
                raw = True
            elif letter == "s":
                silent = True
            elif letter in "ptnd":
                value = cluster or (words.pop(0) if words else "")
                cluster = ""
                if letter == "p":
                    prompt = value
                elif letter == "d":
                    delimiter = value[:1].encode() or b"\0"
                elif letter == "t":
                    timeout = float(value)
                else:
                    count = int(value)
            else:
                await shell.say(f"illegal option -{letter}", "read")
                return 2
    terminal = getattr(shell.process.fds.get(0), "terminal", None)
    if prompt and terminal is not None:
        await shell.write(2, prompt)
    echo = terminal is not None and terminal.echo
    try:
        if silent and terminal is not None and echo:
            terminal.echo = False
        async with shell.process.clock.timeout(timeout):
            line, ended = await _line(shell, raw, delimiter, count)
    except TimeoutError:
        return 1
    finally:
        if silent and terminal is not None and echo:
            terminal.echo = True
    names = words or ["REPLY"]
    for name in names:
        _name(name, "read")
    values = _fields(line, shell.variables.get("IFS", " \t\n"), len(names))
    for name, value in zip(names, values, strict=True):
        shell.assign(name, value)
    return 0 if ended else 1


async def _line(shell: Shell, raw: bool, delimiter: bytes, count: int) -> tuple[list[tuple[str, bool]], bool]:
    """The characters of a line, each with whether it was escaped, and whether the line was ended."""
    source = shell.process.stdin
    out: list[tuple[str, bool]] = []
    pending = b""
    escaped = False
    while True:
        byte = await source.read(1)
        if not byte:
            return out, False
        if pending or byte >= b"\x80":
            pending += byte
            try:
                character = pending.decode()
            except UnicodeDecodeError:
                if len(pending) < 4:
                    continue
                character = decode(pending)
            pending = b""
        else:
            character = byte.decode()
        if character == "\0" and delimiter != b"\0":
            continue
        if escaped:
            escaped = False
            if character != "\n":
                out.append((character, True))
        elif character == "\\" and not raw:
            escaped = True
        elif character.encode("utf-8", "surrogateescape") == delimiter:
            return out, True
        else:
            out.append((character, False))
        if count and len(out) >= count:
            return out, True


def _fields(line: list[tuple[str, bool]], separators: str, wanted: int) -> list[str]:
    """`wanted` fields; the last takes the rest of the line."""
    blanks = [character for character in separators if character in " \t\n"]

    def is_blank(at: int) -> bool:
        return line[at][0] in blanks and not line[at][1]

    def is_separator(at: int) -> bool:
        return line[at][0] in separators and not line[at][1]

    start, end = 0, len(line)
    while start < end and is_blank(start):
        start += 1
    while end > start and is_blank(end - 1):
        end -= 1
    out: list[str] = []
    while len(out) < wanted - 1 and start < end:
        stop = start
        while stop < end and not is_separator(stop):
            stop += 1
        out.append("".join(character for character, _ in line[start:stop]))
        start = stop
        while start < end and is_blank(start):
            start += 1
        if (
            start < end
            and is_separator(start)
            and (start == stop or not is_blank(stop) or line[start][0] not in blanks)
        ):
            start += 1
            while start < end and is_blank(start):
                start += 1
    rest = line[start:end]
    # A single separator that ends the last field is dropped with it.
    if (
        rest
        and rest[-1][0] in separators
        and not rest[-1][1]
        and not any(character in separators and not quoted for character, quoted in rest[:-1])
    ):
        rest = rest[:-1]
    out.append("".join(character for character, _ in rest))
    return out + [""] * (wanted - len(out))


async def getopts(shell: Shell, argv: list[str]) -> int:
    if len(argv) < 3:
        raise ShellFailure("getopts: line 0: Usage: getopts optstring var [arg...]")
    options, name = argv[1], argv[2]
    words = argv[3:] or shell.positional
    index = int(shell.variables.get("OPTIND", "1") or 1)
    offset = shell.option_offset
    word = words[index - 1] if index <= len(words) else ""
    if not offset:
        if not word.startswith("-") or word == "-":
            shell.assign(name, "?")
            return 1
        if word == "--":
            shell.assign("OPTIND", str(index + 1))
            shell.assign(name, "?")
            return 1
        offset = 1
    letter = word[offset]
    offset += 1
    silent = options.startswith(":")
    at = options.find(letter) if letter != ":" else -1
    shell.variables.pop("OPTARG", None)
    result = letter
    if at >= 0:
        shell.assign("OPTARG", "")
    if at < 0:
        result = "?"
        if silent:
            shell.assign("OPTARG", letter)
        else:
            await shell.write(2, f"Illegal option -{letter}\n")
    elif options[at + 1 : at + 2] == ":":
        if offset < len(word):
            shell.assign("OPTARG", word[offset:])
        elif index < len(words):
            index += 1
            shell.assign("OPTARG", words[index - 1])
        else:
            result = ":" if silent else "?"
            shell.variables.pop("OPTARG", None)
            if silent:
                shell.assign("OPTARG", letter)
            else:
                await shell.write(2, f"No arg for -{letter} option\n")
        offset = len(word)
    if offset >= len(word):
        index, offset = index + 1, 0
    shell.assign("OPTIND", str(index))
    shell.option_offset = offset
    shell.assign(name, result)
    return 0


async def cd(shell: Shell, argv: list[str]) -> int:
    words = [word for word in argv[1:] if word not in ("-L", "-P", "--")]
    physical = "-P" in argv
    target = words[0] if words else shell.variables.get("HOME", "")
    process = shell.process
    show = target == "-"
    if show:
        target = shell.variables.get("OLDPWD", "")
        if not target:
            target = process.cwd
    if not target:
        return 0
    path = posixpath.normpath(posixpath.join(process.cwd, target))
    if path.startswith("//"):
        path = path[1:]
    try:
        if not process.fs.is_dir(path):
            process.fs.stat(path)
            raise NotADirectoryError(20, "Not a directory")
        process.fs.listdir(path) if process.uid == 0 else process.fs.stat(f"{path}/.")
    except OSError as error:
        await shell.say(f"can't cd to {target}: {reason(error)}", "cd")
        return 2
    if physical:
        path = process.fs.realpath(path)
    shell.assign("OLDPWD", process.cwd)
    process.cwd = path
    shell.assign("PWD", path)
    if show:
        await shell.write(1, path + "\n")
    return 0


async def pwd(shell: Shell, argv: list[str]) -> int:
    path = shell.process.cwd
    await shell.write(1, (shell.process.fs.realpath(path) if "-P" in argv else path) + "\n")
    return 0


async def umask(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    if not words:
        await shell.write(1, f"{shell.process.umask:04o}\n")
        return 0
    if words[0] == "-S":
        mask = ~shell.process.umask & 0o777
        bits = [
            "".join(letter for bit, letter in ((4, "r"), (2, "w"), (1, "x")) if mask >> shift & bit)
            for shift in (6, 3, 0)
        ]
        await shell.write(1, ",".join(f"{who}={has}" for who, has in zip("ugo", bits, strict=True)) + "\n")
        return 0
    try:
        shell.process.umask = int(words[0], 8) & 0o777
    except ValueError:
        await shell.say(f"illegal mode: {words[0]}", "umask")
        return 2
    return 0


BUILTINS = {
    "export": export, "readonly": export, "local": local, "unset": unset, "read": read, "getopts": getopts, "cd": cd,
    "chdir": cd, "pwd": pwd, "umask": umask,
}  # fmt: skip
