"""Names of devices and of what is said about them, and lists of limited length.

Models what validation.go of pkg/apis/resource says of names, and its validateSlice, validateSet and validateMap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.volume_sources import csi_driver_name
from pocketkube.selectors import label_value_errors

EFFECTS: Final = ("NoExecute", "NoSchedule", "None")
LONGEST_ID, LONGEST_DOMAIN = 32, 63
_IDENTIFIER: Final = "[A-Za-z_][A-Za-z0-9_]*"
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

driver = csi_driver_name
"""Field errors of a driver's name, which is as that of a CSI driver."""


def label(path: str, name: str) -> Iterator[Cause]:
    """Field errors of the name of a request, a device or a counter."""
    yield from (fields.invalid(path, name, problem) for problem in formats.dns1123_label(name))


def subdomain(path: str, name: str) -> Iterator[Cause]:
    yield from (fields.invalid(path, name, problem) for problem in formats.dns1123_subdomain(name))


def device_class(path: str, name: str) -> Iterator[Cause]:
    if name:
        yield from subdomain(path, name)
    else:
        yield fields.required(path)


def pool(path: str, name: str) -> Iterator[Cause]:
    if not name:
        yield fields.required(path)
        return
    if len(name.encode()) > 253:
        yield fields.too_long(path, 253)
    for part in name.split("/"):
        yield from subdomain(path, part)


def uid(path: str, value: str) -> Iterator[Cause]:
    if len(value) not in (32, 36, 38, 45):
        yield fields.invalid(path, value, f"error validating uid: invalid UUID length: {len(value)}")
    elif not _UUID.fullmatch(value):
        why = (
            "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase "
            "hexadecimal characters"
        )
        yield fields.invalid(path, value, why)


def qualified(path: str, name: str) -> Iterator[Cause]:
    """Field errors of the name of an attribute or a capacity: `memory` or `gpu.example.com/memory`."""
    parts = name.split("/")
    if len(parts) == 1:
        yield from _identifier(path, name)
    elif len(parts) == 2:
        if parts[0]:
            yield from driver(path, parts[0])
        else:
            yield fields.invalid(path, "", "the domain must not be empty")
        if parts[1]:
            yield from _identifier(path, parts[1])
        else:
            yield fields.invalid(path, "", "the name must not be empty")


def fully_qualified(path: str, name: str) -> Iterator[Cause]:
    yield from qualified(path, name)
    if "/" not in name:
        why = "a fully qualified name must be a domain and a name separated by a slash"
        yield fields.invalid(path, name, why)


def _identifier(path: str, name: str) -> Iterator[Cause]:
    if len(name.encode()) > LONGEST_ID:
        yield fields.too_long(path, LONGEST_ID)
    if not re.fullmatch(_IDENTIFIER, name):
        text = (
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
            f"characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
            f"'{_IDENTIFIER}')"
        )
        yield fields.invalid(path, name, text)


def label_key(path: str, name: str) -> Iterator[Cause]:
    yield from (fields.invalid(path, name, problem) for problem in formats.qualified_name(name))


def label_value(path: str, value: str) -> Iterator[Cause]:
    yield from (fields.invalid(path, value, problem) for problem in label_value_errors(value))


# -- several of them

Rule = Callable[[str, Any], Iterable[Cause]]


def each(path: str, items: Sequence[Any] | None, most: int, rule: Rule) -> Iterator[Cause]:
    """Field errors of a list: of its length, else of its items."""
    items = items or ()
    if 0 <= most < len(items):
        yield fields.too_many(path, len(items), most)
        return
    for index, item in enumerate(items):
        yield from rule(f"{path}[{index}]", item)


def distinct(
    path: str,
    items: Sequence[Any] | None,
    most: int,
    rule: Rule,
    key: Callable[[Any], Any] = lambda item: item,
    shown: Any = None,
) -> Iterator[Cause]:
    """As `each`, of a list in which no key is twice. `shown`: what an error shows in place of the key."""
    yield from each(path, items, most, rule)
    items = items or ()
    seen: list[Any] = []
    for index, item in enumerate(items if not 0 <= most < len(items) else ()):
        if (found := key(item)) in seen:
            yield fields.duplicate(f"{path}[{index}]", found if shown is None else shown)
        seen.append(found)


def entries(path: str, held: Mapping[str, Any] | None, most: int, name: Rule, rule: Rule) -> Iterator[Cause]:
    """Field errors of a map: of its size, else of its keys and values."""
    held = held or {}
    if 0 <= most < len(held):
        yield fields.too_many(path, len(held), most)
        return
    longest = LONGEST_DOMAIN + 1 + LONGEST_ID
    for key, value in sorted(held.items()):
        yield from name(path, key)
        yield from rule(f"{path}[{_shortened(key, longest)}]", value)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    left = most - 3
    return f"{text[: (left + 1) // 2]}...{text[len(text) - left // 2 :]}"


# -- taints


def taint(path: str, held: Obj) -> Iterator[Cause]:
    yield from label_key(f"{path}.key", held.get("key", ""))
    if held.get("value"):
        yield from label_value(f"{path}.value", held["value"])
    effect = held.get("effect", "")
    if not effect:
        yield fields.required(f"{path}.effect")
    elif effect not in EFFECTS:
        yield fields.not_supported(f"{path}.effect", effect, EFFECTS)


def toleration(path: str, held: Obj) -> Iterator[Cause]:
    key, operator, value, effect = (held.get(name, "") for name in ("key", "operator", "value", "effect"))
    if key:
        yield from label_key(f"{path}.key", key)
    if operator == "Exists":
        if value:
            yield fields.invalid(f"{path}.value", value, "must be empty for operator `Exists`")
    elif operator == "Equal":
        yield from label_value(f"{path}.value", value)
    elif not operator:
        yield fields.required(f"{path}.operator")
    else:
        yield fields.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in EFFECTS:
        yield fields.not_supported(f"{path}.effect", effect, EFFECTS)
