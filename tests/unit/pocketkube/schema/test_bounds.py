"""Attacks by depth and by aliases: what would end the process or fill its memory is refused where it is read."""

from __future__ import annotations

import pytest

from pocketkube import patch
from pocketkube.errors import Invalid
from pocketkube.schema import ParseError, loads_json, loads_yaml
from pocketkube.schema.bounds import DEEPEST

ROWS = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n'
BOMB = ROWS + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 1000, 100_000])
def test_attack_deep_json(depth: int) -> None:
    with pytest.raises(ParseError, match="exceeded max depth"):
        loads_json(b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b"{a: " * 100_000 + b"}" * 100_000,
        b"- " * 100_000 + b"x",
        b"? " * 100_000 + b"x",
        b"".join(b" " * n + b"a:\n" for n in range(1500)),
        b"a: " + b"[" * 300 + b"]" * 300,
    ],
)
def test_attack_deep_yaml_does_not_end_the_process(body: bytes) -> None:
    with pytest.raises(ParseError):
        loads_yaml(body)


def test_attack_aliases_of_aliases() -> None:
    with pytest.raises(ParseError, match="document contains excessive aliasing"):
        loads_yaml(BOMB.encode())
    with pytest.raises(ParseError, match="anchor 'a' value contains itself"):
        loads_yaml(b"a: &a [*a]")


def test_what_people_write_is_read() -> None:
    assert loads_yaml(b"a: &x {b: 1}\nc: *x\n")[0] == {"a": {"b": 1}, "c": {"b": 1}}
    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert loads_json(deep) is not None
    assert loads_yaml(deep)[0] is not None
    assert loads_yaml(b"[[],[]," * 100 + b"1" + b"]" * 100)[0]  # many, but not deep
    with pytest.raises(ParseError, match="undefined alias"):
        loads_yaml(b"a: *b & c")


def test_attack_json_patch_that_doubles_or_deepens_at_every_step() -> None:
    copies = [{"op": "copy", "from": "/a", "path": f"/a/x{n}"} for n in range(40)]
    with pytest.raises(Invalid):
        patch.json_patch({"a": {"b": "x" * 1000}}, copies)
    deeper = [{"op": "add", "path": "/a" * n, "value": {"a": {}}} for n in range(1, 300)]
    with pytest.raises(Invalid):
        patch.json_patch({"a": {}}, deeper)
    assert patch.json_patch({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}]) == {"a": 1, "b": 1}
