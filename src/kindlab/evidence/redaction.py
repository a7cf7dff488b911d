"""Secrets that reach no bundle: what Secrets hold, private keys, tokens. Each is replaced by other letters of the same
length, the same ones wherever it stood (in Secrets, in the output of commands, in files, as base64 or as a digest), so
that a grader that compares the two finds them equal still. The letters tell nothing of what they stand for.

Left as it is: certificates, which everybody may see; what the lab's own files and its grader say, which everybody has;
and what the grader made up itself. What is shorter than six letters, or a word of the graders' and the API's own
language, is replaced in Secrets only: elsewhere those letters are most likely something else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

SHORT = 6
_WORD = re.compile(rb"[A-Za-z][a-z]*")
_TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_KEY = re.compile(rb"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----)(.*?)(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_OF_A_KEY = re.compile(rb"\\n|[A-Za-z0-9+/=]")
_CERTIFICATE = b"-----BEGIN CERTIFICATE"


class Redaction:
    """`values`: (key, value) that Secrets were seen to hold. `public`: texts that everybody has; `made_up`: tokens of
    the grader's own; `language`: texts whose words mean something to graders."""

    def __init__(
        self,
        values: Iterable[tuple[str, bytes]],
        *,
        public: bytes = b"",
        made_up: Iterable[str] = (),
        language: bytes = b"",
    ) -> None:
        drawn = [one.encode() for one in made_up]
        self._instead: dict[bytes, bytes] = {}
        self._for: dict[bytes, bytes] = {}
        words: set[bytes] | None = None
        for key, value in sorted(set(values)):
            bare = value.strip()
            if not bare or bare in public or bare.startswith(_CERTIFICATE) or any(one in value for one in drawn):
                continue
            other = value.replace(bare, self.instead(bare))
            self._for |= _in_secrets(key, value, other)
            if words is None and _WORD.fullmatch(bare):
                words = set(_WORD.findall(language))
            if len(bare) >= SHORT and bare not in (words or ()):
                self._for |= _anywhere(value, other) | _anywhere(bare, self.instead(bare))
        needles = sorted(self._for, key=lambda one: (-len(one), one))
        self._pattern = re.compile(b"|".join(map(re.escape, needles))) if needles else None

    def __bool__(self) -> bool:
        """Whether any Secret holds anything to be replaced."""
        return bool(self._for)

    def instead(self, value: bytes) -> bytes:
        """As many letters."""
        if value not in self._instead:
            number = len(self._instead) + 1
            name = f"redacted-{number}-" if len(value) > 14 else f"x{number}"
            self._instead[value] = (name.encode() + b"x" * len(value))[: len(value)]
        return self._instead[value]

    def __call__(self, text: bytes) -> bytes:
        """The text without what is secret."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda match: self._for[match[0]], text)
        if b"eyJ" in text:
            text = _TOKEN.sub(lambda match: self.instead(match[0]), text)
        if b"PRIVATE KEY" in text:
            text = _KEY.sub(lambda match: match[1] + _OF_A_KEY.sub(_crossed_out, match[2]) + match[3], text)
        return text

    def deep(self, value: Any) -> Any:
        """The same in everything of a question or an answer."""
        if isinstance(value, bytes):
            return self(value)
        if isinstance(value, str):
            return self(value.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            return {k: self.deep(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.deep(v) for v in value]
        return value


def _crossed_out(match: re.Match[bytes]) -> bytes:
    return match[0] if match[0] == rb"\n" else b"x"


def _in_secrets(key: str, value: bytes, other: bytes) -> dict[bytes, bytes]:
    """`key: value` as Secrets have it, in JSON and in YAML."""
    found = {}
    for spell in (base64.b64encode, bytes):
        for before in (f'"{key}":"', f'"{key}": "', f"{key}: ", f'{key}: "', f"{key}: '"):
            quoted = b'"' if before.endswith('"') else b"'" if before.endswith("'") else b""
            found[before.encode() + spell(value) + quoted] = before.encode() + spell(other) + quoted
    return found


def _anywhere(value: bytes, other: bytes) -> dict[bytes, bytes]:
    """The value in each spelling in which it may turn up, and what stands for it there."""
    found = {value: other, base64.b64encode(value): base64.b64encode(other)}
    found |= {base64.urlsafe_b64encode(value): base64.urlsafe_b64encode(other)}
    for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5):
        found[digest(value).hexdigest().encode()] = digest(other).hexdigest().encode()
    try:
        text, new = value.decode(), other.decode()
    except UnicodeDecodeError:
        return found
    for _ in range(2):  # a string of JSON, and such a string in an annotation
        text, new = json.dumps(text)[1:-1], json.dumps(new)[1:-1]
        found[text.encode()] = new.encode()
    return found


def values_of(thing: Any) -> Iterator[tuple[str, bytes]]:
    """(key, value) of all Secrets in an object, a list of them, or an event of a watch."""
    if not isinstance(thing, dict):
        return
    kind = str(thing.get("kind", ""))
    if "object" in thing and "type" in thing:
        yield from values_of(thing["object"])
    elif kind.endswith("List"):
        for item in thing.get("items") or ():
            if isinstance(item, dict):
                yield from values_of({"kind": kind.removesuffix("List"), **item})
    elif kind == "Secret":
        yield from held(thing)
    elif kind == "TokenRequest":
        yield "token", str((thing.get("status") or {}).get("token", "")).encode()


def held(secret: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """What a Secret, or a change of one, holds."""
    for key, text in _items(secret.get("data")):
        try:
            yield key, base64.b64decode(text)
        except ValueError:
            yield key, text.encode()
    for key, text in _items(secret.get("stringData")):
        yield key, text.encode()


def _items(data: Any) -> Iterator[tuple[str, str]]:
    if isinstance(data, dict):
        yield from ((str(k), str(v)) for k, v in data.items() if isinstance(v, str | int | float))
