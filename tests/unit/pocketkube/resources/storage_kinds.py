"""What the tests of the kinds of storage.k8s.io have in common."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pocketkube.errors import Invalid
from pocketkube.objects import Obj
from pocketkube.registry import Registry


def refused(held: Registry, resource: str, obj: Obj, *, update: bool = False, **arguments: Any) -> list[str]:
    """The field errors of a write that must fail, as `field: message`."""
    write = held.update if update else held.create
    with pytest.raises(Invalid) as caught:
        write(resource, copy.deepcopy(obj), **arguments)
    assert caught.value.details is not None
    return [f"{cause['field']}: {cause['message']}" for cause in caught.value.details["causes"]]


def warned(held: Registry, resource: str, obj: Obj, *, update: bool = False) -> list[str]:
    """The warnings of a write that succeeds."""
    texts: list[str] = []
    write = held.update if update else held.create
    write(resource, copy.deepcopy(obj), warn=texts.append)
    return texts


def row(held: Registry, resource: str, obj: Obj) -> list[Any]:
    """The cells of an object's Table row, without its age."""
    kind = held.resources[resource]
    cells = kind.row(obj)
    assert len(cells) == len(kind.columns)
    return cells[:-1] if kind.columns[-1].name == "Age" else cells
