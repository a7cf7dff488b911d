"""POSIX regular expressions, basic and extended, in the syntax of RE2 and Python.

Back-references are refused: what finds them may take forever, and the cluster with it (`pocketkube.regex`).
"""

from __future__ import annotations

import re

from pocketkube.regex import BadPattern


def unsuitable(error: BadPattern) -> str:
    """What a tool says about a pattern."""
    if re.search(r"invalid escape sequence: `\\\d", str(error)):
        return "back-references are not supported by this cluster's tools"
    return "Invalid regular expression"


def basic(pattern: str) -> str:
    """A POSIX basic regular expression as a Python one; `^` anchors are left to the caller."""
    out = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern):
            following = pattern[at + 1]
            at += 2
            if following == "{" and pattern[at : at + 1] == ",":
                out.append("{0")
            elif following in "(){}|+?":
                out.append(following)
            elif following in "<>":
                out.append(r"\b")
            elif following in "wWsSbB" or following.isdigit():
                out.append("\\" + following)
            elif following in "nt":
                out.append({"n": "\n", "t": "\t"}[following])
            else:
                out.append(re.escape(following))
            continue
        if character == "[":
            text, at = bracket(pattern, at)
            out.append(text)
            continue
        at += 1
        if character in "(){}|+?":
            out.append("\\" + character)
        elif character == "*" and (not out or out[-1] in ("^", "(", "|")):
            out.append(r"\*")
        elif character == "^" and at > 1 and not (out and out[-1] in ("(", "|")):
            out.append(r"\^")
        elif character == "$" and at < len(pattern) and not pattern.startswith(("\\)", "\\|"), at):
            out.append(r"\$")
        else:
            out.append(character)
    return "".join(out)


def extended(pattern: str) -> str:
    """A POSIX extended regular expression as a Python one."""
    out = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "[":
            text, at = bracket(pattern, at)
            out.append(text)
        elif character == "\\" and at + 1 < len(pattern):
            following = pattern[at + 1]
            if following in "<>":
                out.append(r"\b")
            elif following in "wWsSbBdD" or following.isdigit():
                out.append("\\" + following)
            elif following in "nt":
                out.append({"n": "\n", "t": "\t"}[following])
            else:
                out.append(re.escape(following))
            at += 2
        else:
            literal = character == "{" and not re.compile(r"\{\d*,?\d*\}").match(pattern, at)
            out.append("\\{" if literal else "{0" if pattern.startswith("{,", at) else character)
            at += 1
    return "".join(out)


def bracket(pattern: str, at: int) -> tuple[str, int]:
    """`[...]` from its opening: as Python writes it, and where it ends."""
    stop = at + 1
    if pattern[stop : stop + 1] == "^":
        stop += 1
    if pattern[stop : stop + 1] == "]":
        stop += 1
    while stop < len(pattern) and pattern[stop] != "]":
        if pattern.startswith("[:", stop) and (close := pattern.find(":]", stop)) > 0:
            stop = close + 1
        stop += 1
    if stop >= len(pattern):
        raise BadPattern("error parsing regexp: missing closing ]")
    inside = pattern[at + 1 : stop]
    negated = inside.startswith("^")
    inside = inside[negated:]
    named = {"space": r"\s", "digit": "0-9", "alpha": "a-zA-Z", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
             "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f"}  # fmt: skip
    out = []
    position = 0
    while position < len(inside):
        found = re.compile(r"\[:(\w+):\]").match(inside, position)
        if found:
            out.append(named.get(found.group(1), ""))
            position = found.end()
            continue
        character = inside[position]
        if character == "\\" and inside[position + 1 : position + 2] in ("n", "t", "]", "\\"):
            out.append("\\" + inside[position + 1])
            position += 2
            continue
        out.append("\\" + character if character in "\\[]^&|~" else character)
        position += 1
    return f"[{'^' if negated else ''}{''.join(out)}]", stop + 1
