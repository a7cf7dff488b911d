"""How deep and how large what users write may become: deeper or wider, and everything that recurses would fail.

Go's stacks grow; Python's do not, and PyYAML's C part ends the process. No object of Kubernetes is nested this deep.
"""

from __future__ import annotations

import re
from typing import Any, Final

DEEPEST: Final = 200
"""Lists and objects in each other."""
_LARGEST: Final = 1_000_000
"""Values of a YAML document once its aliases are written out."""
_INDENT: Final = re.compile(rb"^[ \-?:]*", re.MULTILINE)


class TooLarge(ValueError):
    """The text says, as Go's parsers would, what there is too much of."""


def check_depth(value: Any) -> None:
    """Raises TooLarge for a value nested too deep."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise TooLarge("exceeded max depth")
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]


def may_be_deep(body: bytes) -> bool:
    """Whether a JSON text could be nested too deep."""
    return body.count(b"[") + body.count(b"{") > DEEPEST


def check_yaml(body: bytes) -> None:
    """Before a YAML document is loaded. Raises TooLarge; yaml.YAMLError for a text that is none."""
    deepest = body.count(b"[") + body.count(b"{") + max(len(found[0]) for found in _INDENT.finditer(body))
    if deepest > DEEPEST or (b"*" in body and b"&" in body):
        _follow(body)


def _follow(body: bytes) -> None:
    import yaml

    anchors: dict[str, int] = {}
    sizes: list[tuple[str | None, int]] = []
    for event in yaml.parse(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append((anchor, 0))
            if len(sizes) > DEEPEST:
                raise TooLarge("exceeded max depth")
            continue
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == open_one for open_one, _ in sizes):
                raise TooLarge(f"anchor '{anchor}' value contains itself")
            size = anchors.get(anchor or "", 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            name, size = sizes.pop()
            size += 1
            if name is not None:
                anchors[name] = size
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            if anchor is not None:
                anchors[anchor] = 1
        else:
            continue
        if size > _LARGEST:
            raise TooLarge("document contains excessive aliasing")
        if sizes:
            sizes[-1] = sizes[-1][0], sizes[-1][1] + size
