"""matchConditions: names and expressions (CEL), as far as the fields go.

Models validateMatchConditions of pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

MOST: Final = 64


def validate(conditions: list[Obj], at: str) -> Iterator[Cause]:
    if len(conditions) > MOST:
        yield fields.too_many(at, len(conditions), MOST)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here, name = f"{at}[{index}]", condition.get("name") or ""
        if not (condition.get("expression") or "").strip():
            yield fields.required(f"{here}.expression")
        if not name:
            yield fields.required(f"{here}.name")
        for problem in formats.qualified_name(name) if name else ():
            yield fields.invalid(f"{here}.name", name, problem)
        if name and name in seen:
            yield fields.duplicate(f"{here}.name", name)
        seen.add(name)
