"""Builtins that steer the shell: exit, return, break, eval, exec, `.`, set, shift, command, type, true, false."""

from __future__ import annotations

from pocketkube.images.shell.descriptors import decode, reason
from pocketkube.images.shell.interpreter import SPECIAL, Shell
from pocketkube.images.shell.state import Leave, LoopJump, Return, ShellFailure

OPTIONS = {
    "errexit": "e", "noglob": "f", "ignoreeof": "I", "monitor": "m", "noexec": "n", "xtrace": "x", "verbose": "v",
    "noclobber": "C", "allexport": "a", "notify": "b", "nounset": "u", "vi": "V", "pipefail": "pipefail",
}  # fmt: skip
_KEYWORDS = frozenset(
    ["if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in", "{", "}", "!"]
)


async def true(shell: Shell, argv: list[str]) -> int:
    return 0


async def false(shell: Shell, argv: list[str]) -> int:
    return 1


def _number(argv: list[str], default: int) -> int:
    if len(argv) < 2:
        return default
    if not argv[1].lstrip("-").isdecimal() or int(argv[1]) < 0:
        raise ShellFailure(f"{argv[0]}: line 0: Illegal number: {argv[1]}")
    return int(argv[1])


async def leave(shell: Shell, argv: list[str]) -> int:
    raise Leave(_number(argv, shell.status) & 0xFF)


async def return_(shell: Shell, argv: list[str]) -> int:
    raise Return(_number(argv, shell.status) & 0xFF)


async def break_(shell: Shell, argv: list[str]) -> int:
    loops = _number(argv, 1)
    if loops < 1:
        raise ShellFailure(f"{argv[0]}: line 0: Illegal number: {argv[1]}")
    if shell.loops:
        raise LoopJump(min(loops, shell.loops), argv[0] == "continue")
    return 0


async def eval_(shell: Shell, argv: list[str]) -> int:
    return await shell.run_text(" ".join(argv[1:]), tested=shell.tested) if argv[1:] else 0


async def source(shell: Shell, argv: list[str]) -> int:
    if len(argv) < 2:
        await shell.say("filename argument required", argv[0])
        return 2
    name = argv[1]
    path = _find_file(shell, name)
    try:
        text = decode(shell.process.fs.read_bytes(path))
    except OSError as error:
        text = "no such file" if isinstance(error, FileNotFoundError) else reason(error)
        raise ShellFailure(f"{argv[0]}: line 0: can't open '{name}': {text}") from None
    positional = shell.positional
    if argv[2:]:
        shell.positional = argv[2:]
    try:
        return await shell.run_text(text)
    except Return as returned:
        return returned.status
    finally:
        if argv[2:]:
            shell.positional = positional


def _find_file(shell: Shell, name: str) -> str:
    if "/" not in name:
        for folder in shell.variables.get("PATH", "").split(":"):
            path = f"{folder.rstrip('/')}/{name}"
            if shell.process.fs.is_file(path):
                return path
    return shell.process.path(name)


async def set_(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    if not words:
        for name in sorted(shell.variables):
            await shell.write(1, f"{name}='" + shell.variables[name].replace("'", "'\\''") + "'\n")
        return 0
    while words:
        word = words[0]
        if word in ("--", "-"):
            if word == "--" or words[1:]:
                shell.positional = words[1:]
            return 0
        if word[0] not in "+-":
            shell.positional = words
            return 0
        words.pop(0)
        for letter in word[1:]:
            option = letter
            if letter == "o":
                if not words:
                    for name, short in OPTIONS.items():
                        await shell.write(1, f"{name:<16}{'on' if short in shell.options else 'off'}\n")
                    return 0
                name = words.pop(0)
                option = OPTIONS.get(name, "")
                if not option:
                    raise ShellFailure(f"set: line 0: illegal option {word[0]}o {name}")
            elif letter not in OPTIONS.values():
                raise ShellFailure(f"set: line 0: illegal option {word[0]}{letter}")
            (shell.options.add if word[0] == "-" else shell.options.discard)(option)
        shell.variables.export_all = "a" in shell.options
    return 0


async def shift(shell: Shell, argv: list[str]) -> int:
    count = _number(argv, 1)
    if count > len(shell.positional):
        return 1
    shell.positional = shell.positional[count:]
    return 0


def _resolve(shell: Shell, name: str) -> tuple[str, str] | None:
    """What a command name is: (kind, where)."""
    if name in _KEYWORDS:
        return "keyword", name
    if name in shell.aliases:
        return "alias", shell.aliases[name]
    if name in shell.functions:
        return "function", name
    if name in shell.builtins:
        return "special" if name in SPECIAL else "builtin", name
    try:
        path = shell.process.namespace.find_program(name, cwd=shell.process.cwd, path=shell.variables.get("PATH", ""))
    except OSError:
        return None
    return "file", path


async def command(shell: Shell, argv: list[str]) -> int:
    words = argv[1:]
    look = ""
    while words and words[0].startswith("-") and len(words[0]) > 1:
        option = words.pop(0)
        if option == "--":
            break
        look = option[-1] if option[-1] in "vV" else look
    if not words:
        return 0
    if look:
        status = 0
        for name in words[:1]:
            found = _resolve(shell, name)
            if found is None:
                status = 127
                if look == "V":
                    await shell.write(1, f"{name}: not found\n")
            elif look == "V":
                await shell.write(1, f"{name} is {_describe(*found)}\n")
            else:
                await shell.write(1, f"alias {name}='{found[1]}'\n" if found[0] == "alias" else f"{found[1]}\n")
        return status
    if words[0] == "exec":
        return await shell.replace(words[1:], shell.variables.environment(), {}) if words[1:] else 0
    builtin = shell.builtins.get(words[0])
    if builtin is not None:
        return await builtin(shell, words)
    return await shell.start(words, shell.variables.environment(), {})


def _describe(kind: str, where: str) -> str:
    return {
        "keyword": "a shell keyword",
        "alias": f"an alias for {where}",
        "function": "a shell function",
        "special": "a special shell builtin",
        "builtin": "a shell builtin",
    }.get(kind, where)


async def type_(shell: Shell, argv: list[str]) -> int:
    status = 0
    for name in argv[1:]:
        found = _resolve(shell, name)
        if found is None:
            status = 127
        await shell.write(1, f"{name}: not found\n" if found is None else f"{name} is {_describe(*found)}\n")
    return status


async def exec_(shell: Shell, argv: list[str]) -> int:
    """Never reached: the interpreter handles `exec` itself, because its redirections stay."""
    raise AssertionError(argv)


async def alias(shell: Shell, argv: list[str]) -> int:
    status = 0
    for word in argv[1:] or [f"{name}" for name in sorted(shell.aliases)]:
        name, equals, value = word.partition("=")
        if equals:
            shell.aliases[name] = value
        elif name in shell.aliases:
            await shell.write(1, f"{name}='{shell.aliases[name]}'\n")
        else:
            await shell.write(2, f"{argv[0]}: {name}: not found\n")
            status = 1
    return status


async def unalias(shell: Shell, argv: list[str]) -> int:
    if argv[1:] == ["-a"]:
        shell.aliases.clear()
        return 0
    status = 0
    for name in argv[1:]:
        if shell.aliases.pop(name, None) is None:
            await shell.write(2, f"unalias: {name} not found\n")
            status = 1
    return status


BUILTINS = {
    ":": true, "true": true, "false": false, "exit": leave, "return": return_, "break": break_, "continue": break_,
    "eval": eval_, ".": source, "source": source, "set": set_, "shift": shift, "command": command, "type": type_,
    "exec": exec_, "alias": alias, "unalias": unalias,
}  # fmt: skip
