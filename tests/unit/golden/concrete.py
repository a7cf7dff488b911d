"""What a cluster that behaves exactly as recorded would answer: golden values with their placeholders filled in."""

from __future__ import annotations

import random
import re
from typing import Any

_TOKEN = re.compile(r"<([A-Za-z]+(?: [A-Za-z]+)*)(?:\.(\d+))?(?::(dashed|reversed))?>")
_MORE = re.compile(r"<(\d+) more")
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_FIXED = {
    "time": "2026-01-02T03:04:05Z",
    "age": "2m10s",
    "bridgeIP": "10.244.0.1",
    "hostResolver": "192.0.2.53",
    "port": "4242",
    "id": "12345",
    "cookie": "abcdef0123456789",
    "n": "7",
    "serial": "1767322845",
    "version": "9.18.33",
    "klog": "I0102 03:04:05.123456       1",
    "memory": "12Mi",
    "cpu": "3m",
    "quantity": "10m",
    "duration": "15.1s",
    "mmdd": "0102",
    "tmp": "/tmp/abc",
    "cwd": "/tmp/x",
    "kubeletRoot": "/var/lib/kubelet",
    "driverData": "/csi-data-dir",
    "runtime": "containerd://2.1.0",
    "kernel": "6.1.0",
    "osImage": "Some Linux 12",
    "host": "node-1",
    "token": "abc.def.ghi",
    "continue": "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ",
    "registry client text": "anything: at all",
    "object JSON": '{"a":1}',
}


class Concrete:
    """Fills placeholders in; numbered ones always with the same value."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._known: dict[str, str] = {}

    def text(self, golden: str) -> str:
        return _TOKEN.sub(self._value, golden)

    def value(self, golden: Any) -> Any:
        if isinstance(golden, str):
            whole = re.fullmatch(r"<nodePort(\.\d+)?>", golden)
            return int(self.text(golden)) if whole else self.text(golden)
        if isinstance(golden, dict):
            return {key: self.value(item) for key, item in golden.items()}
        if not isinstance(golden, list):
            return golden
        items: list[Any] = []
        for item in golden:
            more = _MORE.match(item) if isinstance(item, str) else None
            items += [items[-1]] * int(more[1]) if more else [self.value(item)]
        return items

    def _value(self, token: re.Match[str]) -> str:
        kind, number, form = token.groups()
        name = f"{kind}.{number}" if number else kind
        consistent = kind in ("hash", "podIP", "clusterIP", "nodeIP", "nodePort") or (kind == "rand" and number)
        if consistent and name in self._known:
            value = self._known[name]
        else:
            value = self._make(kind, token[0])
            if consistent:
                self._known[name] = value
        if form == "dashed":
            return value.replace(".", "-")
        return ".".join(reversed(value.split("."))) if form == "reversed" else value

    def _make(self, kind: str, literally: str) -> str:
        pick = self._random
        if kind == "uid":
            digits = f"{pick.getrandbits(128):032x}"
            return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])
        if kind == "rv":
            return str(pick.randrange(1, 100_000))
        if kind in ("podIP", "clusterIP", "nodeIP"):
            return f"10.{pick.randrange(256)}.{pick.randrange(256)}.{pick.randrange(256)}"
        if kind == "nodePort":
            return str(pick.randrange(30_000, 32_768))
        if kind in ("hash", "rand"):
            return "".join(pick.choice(_SAFE) for _ in range(10 if kind == "hash" else 5))
        return _FIXED.get(kind, literally)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of the scalars in a value."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


def changed(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy of `value` with another scalar at `path`, of the same type."""
    if not path:
        if isinstance(value, bool):
            return not value
        if isinstance(value, int | float):
            return value + 40_000  # out of the range of node ports
        return "something else entirely" if value != "" else "not empty"
    if isinstance(value, dict):
        return {key: changed(item, path[1:]) if key == path[0] else item for key, item in value.items()}
    return [changed(item, path[1:]) if index == path[0] else item for index, item in enumerate(value)]
