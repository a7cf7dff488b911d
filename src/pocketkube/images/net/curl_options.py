"""curl's command line: its options, short and long, into one record for each part between --next.

Left out, and refused as curl refuses what it does not know: everything about protocols other than HTTP(S), proxies,
client certificates, parallel transfers and configuration files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# long name -> letter ("" for none); the first group takes a value, the second does not
VALUES = {
    "request": "X", "header": "H", "data": "d", "data-ascii": "", "data-raw": "", "data-binary": "",
    "data-urlencode": "", "json": "", "form": "F", "output": "o", "write-out": "w", "max-time": "m",
    "connect-timeout": "", "resolve": "", "connect-to": "", "retry": "", "retry-delay": "", "retry-max-time": "",
    "user-agent": "A", "user": "u", "cookie": "b", "cookie-jar": "c", "referer": "e", "max-redirs": "",
    "dump-header": "D", "upload-file": "T", "range": "r", "cacert": "", "url": "", "interface": "",
    "oauth2-bearer": "", "limit-rate": "", "keepalive-time": "", "output-dir": "",
    "max-filesize": "", "time-cond": "z", "request-target": "", "continue-at": "C",
}  # fmt: skip
FLAGS = {
    "silent": "s", "show-error": "S", "verbose": "v", "include": "i", "head": "I", "insecure": "k", "location": "L",
    "fail": "f", "fail-with-body": "", "remote-name": "O", "get": "G", "ipv4": "4", "ipv6": "6", "http1.0": "0",
    "http1.1": "", "http2": "", "no-buffer": "N", "compressed": "", "progress-bar": "#", "globoff": "g",
    "retry-connrefused": "", "retry-all-errors": "", "no-keepalive": "", "fail-early": "", "create-dirs": "",
    "version": "V", "help": "h", "post301": "", "post302": "", "location-trusted": "", "remote-name-all": "",
    "no-progress-meter": "", "tcp-nodelay": "", "path-as-is": "", "disable": "q", "basic": "",
    "junk-session-cookies": "j", "styled-output": "",
    "remote-time": "R", "remote-header-name": "J", "post303": "",
}  # fmt: skip
_LETTERS = {letter: name for table in (VALUES, FLAGS) for name, letter in table.items() if letter}
_NUMBERS = {"max-time", "connect-timeout", "retry", "retry-delay", "retry-max-time", "max-redirs", "max-filesize"}
_GLOBAL = {"silent", "show-error", "verbose", "fail-early", "no-progress-meter", "progress-bar", "styled-output"}


class Usage(Exception):
    """The text curl prints before it points to its manual; exit status 2."""


@dataclass
class Options:
    """`values` keeps the last of each option, `lists` all of those that add up, `data` (option, value) in order."""

    urls: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    headers: list[str] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    """What -b gave: cookies, or files to read."""
    resolves: list[str] = field(default_factory=list)
    connects: list[str] = field(default_factory=list)
    outputs: list[str | None] = field(default_factory=list)
    """One entry per -o (its file) or -O (None)."""

    def number(self, name: str, default: float = 0.0) -> float:
        return float(self.values.get(name, default))


def parse(argv: list[str]) -> list[Options]:
    """One for each part between --next. Raises Usage."""
    options, words = Options(), list(argv)
    parts = [options]
    while words:
        word = words.pop(0)
        if word == "--":
            options.urls += words
            break
        if word in ("--next", "-:"):
            if not options.urls:
                raise Usage("missing URL before --next")
            options = Options(flags=options.flags & _GLOBAL)
            parts.append(options)
        elif word.startswith("--"):
            _long(options, word[2:], words)
        elif word.startswith("-") and word != "-":
            _short(options, word[1:], words)
        else:
            options.urls.append(word)
    for part in parts:
        part.flags |= parts[-1].flags & _GLOBAL
    return parts


def _long(options: Options, name: str, words: list[str]) -> None:
    known = [n for n in (*VALUES, *FLAGS) if n == name] or [n for n in (*VALUES, *FLAGS) if n.startswith(name)]
    if name.startswith("no-") and name not in FLAGS and name[3:] in FLAGS:
        options.flags.discard(name[3:])
    elif not known:
        raise Usage(f"option --{name}: is unknown")
    elif len(known) > 1:
        raise Usage(f"option --{name}: is ambiguous")
    elif known[0] in FLAGS:
        _flag(options, known[0], f"--{name}")
    elif not words:
        raise Usage(f"option --{name}: requires parameter")
    else:
        _value(options, known[0], words.pop(0), f"--{name}")


def _short(options: Options, cluster: str, words: list[str]) -> None:
    while cluster:
        letter, cluster = cluster[0], cluster[1:]
        name = _LETTERS.get(letter)
        if name is None:
            raise Usage(f"option -{letter}: is unknown")
        if name in FLAGS:
            _flag(options, name, f"-{letter}")
            continue
        if not cluster and not words:
            raise Usage(f"option -{letter}: requires parameter")
        _value(options, name, cluster or words.pop(0), f"-{letter}")
        cluster = ""


def _flag(options: Options, name: str, spelled: str) -> None:
    if {name} | options.flags >= {"fail", "fail-with-body"}:
        raise Usage(f"option {spelled}: is badly used here")
    options.flags.add(name)
    if name == "remote-name":
        options.outputs.append(None)


def _value(options: Options, name: str, value: str, spelled: str) -> None:
    if name in _NUMBERS and re.fullmatch(r"-\d+", value):
        raise Usage(f"option {spelled}: expected a positive numerical parameter")
    if name in _NUMBERS and not re.fullmatch(r"\d+(\.\d*)?|\.\d+", value):
        raise Usage(f"option {spelled}: expected a proper numerical parameter")
    if name == "header":
        options.headers.append(value)
    elif name.startswith("data") or name == "json":
        options.data.append((name, value))
    elif name == "form":
        options.forms.append(value)
    elif name == "resolve":
        options.resolves.append(value)
    elif name == "connect-to":
        options.connects.append(value)
    elif name == "output":
        options.outputs.append(value)
    elif name == "cookie":
        options.cookies.append(value)
    elif name == "url":
        options.urls.append(value)
    else:
        options.values[name] = value
