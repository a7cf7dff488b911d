"""How much a device has of something, and how much of it one may ask for where several may share it.

Models validateRequestPolicy of pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.device_spec import names

MOST_OPTIONS: Final = 10


def exclusive(path: str, capacity: Obj) -> Iterator[Cause]:
    """Of a device that only one may have."""
    if capacity.get("requestPolicy") is not None:
        yield fields.forbidden(f"{path}.requestPolicy", "allowMultipleAllocations must be true")


def shared(path: str, capacity: Obj) -> Iterator[Cause]:
    """Of a device that several may share."""
    policy, at = capacity.get("requestPolicy"), f"{path}.requestPolicy"
    if policy is None:
        return
    options, limits, standard = policy.get("validValues"), policy.get("validRange"), policy.get("default")
    if options and limits is not None:
        why = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        yield fields.forbidden(at, why)
        return
    for field, held in (("validValues", options), ("validRange", limits)):
        if (held or (held is not None and field == "validRange")) and standard is None:
            yield fields.required(f"{at}.default", f"required when {field} is defined")
    if standard is None:
        return
    if options:
        yield from _options(f"{at}.validValues", options, standard, capacity["value"])
    elif limits is not None:
        yield from _range(f"{at}.validRange", limits, standard, capacity["value"])


def _options(path: str, options: list[str], standard: str, most: str) -> Iterator[Cause]:
    for index in range(1, len(options)):
        if quantity.compare(options[index - 1], options[index]) > 0:
            yield fields.invalid(f"{path}[{index}]", options[index], "values must be sorted in ascending order")

    def fits(at: str, option: str) -> Iterator[Cause]:
        if quantity.compare(option, most) > 0:
            yield fields.invalid(at, option, f"option is larger than capacity value: {most}")

    yield from names.distinct(path, options, MOST_OPTIONS, fits, lambda option: str(quantity.value(option)))
    if all(quantity.compare(option, standard) for option in options):
        yield fields.invalid(path, standard, "default value is not valid according to the requestPolicy")


def _range(path: str, limits: Obj, standard: str, most: str) -> Iterator[Cause]:
    low, high, step = (limits.get(field) for field in ("min", "max", "step"))
    if low is None:
        yield fields.required(f"{path}.min", "required when validRange is defined")
        return
    if quantity.compare(low, most) > 0:
        yield fields.invalid(f"{path}.min", low, f"min is larger than capacity value: {most}")
    if quantity.compare(standard, low) < 0:
        yield fields.invalid(f"{path}.min", standard, f"default is less than min: {low}")
    if high is not None:
        if quantity.compare(low, high) > 0:
            yield fields.invalid(f"{path}.max", low, f"min is larger than max: {high}")
        if quantity.compare(high, most) > 0:
            yield fields.invalid(f"{path}.max", high, f"max is larger than capacity value: {most}")
        if quantity.compare(standard, high) > 0:
            yield fields.invalid(f"{path}.max", standard, f"default is more than max: {high}")
    if step is None:
        return
    one = quantity.parse(low) + quantity.parse(step)
    if one > quantity.parse(most):
        shown = quantity.text_of(one, quantity.format_of(low))
        yield fields.invalid(f"{path}.step", step, f"one step {shown} is larger than capacity value: {most}")
    for value in (standard, *((high,) if high is not None else ())):
        if quantity.value(step) and (quantity.value(value) - quantity.value(low)) % quantity.value(step):
            why = f"value is not a multiple of a given step ({step}) from ({low})"
            yield fields.invalid(f"{path}.step", value, why)
