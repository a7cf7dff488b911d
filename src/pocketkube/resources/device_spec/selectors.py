"""Expressions in CEL that choose devices, and configuration for drivers.

Models validateSelector and validateOpaqueConfiguration of pkg/apis/resource/validation. Expressions must compile; no
device is ever asked. Left out: costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import orjson

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.device_spec import names

MOST: Final = 32
"""Selectors, and configurations, in one list."""
LONGEST: Final = 10 * 1024


def validate(path: str, selectors: list[Obj] | None) -> Iterator[Cause]:
    yield from names.each(path, selectors, MOST, _selector)


def _selector(path: str, selector: Obj) -> Iterator[Cause]:
    if selector.get("cel") is None:
        yield fields.required(f"{path}.cel")
        return
    text = selector["cel"].get("expression", "")
    if len(text.encode()) > LONGEST:
        yield fields.too_long(f"{path}.cel.expression", LONGEST)
    elif problem := _problem(text):
        yield fields.invalid(f"{path}.cel.expression", text, problem)


def _problem(text: str) -> str:
    from pocketkube.resources.custom import programs  # the library takes its time to load

    try:
        program = programs.parsed(_environment(), text)
    except RuntimeError as error:
        return f"compilation failed: {programs.problem(error)}"
    type_ = programs.type_of(program)
    return "" if type_ in ("bool", "dyn", "any") else f"must evaluate to bool or the unknown type, not {type_}"


@cache
def _environment() -> Any:
    from pocketkube.resources.custom import programs

    return programs.environment(["device"])


def configuration(path: str, config: Obj) -> Iterator[Cause]:
    """Field errors of what a driver is to be told."""
    opaque = config.get("opaque")
    if opaque is None:
        yield fields.required(f"{path}.opaque")
        return
    yield from names.driver(f"{path}.opaque.driver", opaque.get("driver", ""))
    yield from raw(f"{path}.opaque.parameters", opaque.get("parameters"))


def raw(path: str, value: Any) -> Iterator[Cause]:
    """Field errors of an object of any kind."""
    if value is None:
        yield fields.required(path)
    elif len(orjson.dumps(value)) > LONGEST:
        yield fields.too_long(path, LONGEST)
    elif not isinstance(value, dict):
        yield fields.invalid(path, "<value omitted>", "must be a valid JSON object")
