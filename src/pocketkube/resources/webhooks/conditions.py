"""matchConditions: names and expressions (CEL), of webhooks and of policies.

Models validateMatchConditions of pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.admission_spec.expressions import BOOL, Compiler

MOST: Final = 64


def validate(conditions: list[Obj], at: str, *, params: bool = False) -> Iterator[Cause]:
    """`params`: whether expressions may name the parameters of a policy."""
    compiler = Compiler(params=params)
    if len(conditions) > MOST:
        yield fields.too_many(at, len(conditions), MOST)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here, name = f"{at}[{index}]", condition.get("name") or ""
        text = (condition.get("expression") or "").strip()
        if not text:
            yield fields.required(f"{here}.expression")
        elif problem := compiler.compile(text, BOOL).problem:
            yield fields.invalid(f"{here}.expression", text, problem)
        if not name:
            yield fields.required(f"{here}.name")
        for problem in formats.qualified_name(name) if name else ():
            yield fields.invalid(f"{here}.name", name, problem)
        if name and name in seen:
            yield fields.duplicate(f"{here}.name", name)
        seen.add(name)
