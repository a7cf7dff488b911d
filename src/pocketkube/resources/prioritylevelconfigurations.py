"""PriorityLevelConfigurations: how many requests of a priority may be served at a time, and which may wait.

Models pkg/registry/flowcontrol/prioritylevelconfiguration, pkg/apis/flowcontrol/{v1,validation} and the printer. They
are kept, and limit nothing here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import internal
from pocketkube.resources.base import Column
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.flow_spec.configuration import EXEMPT, LEVELS, MANDATORY, Configuration, specs

TYPES: Final = ("Exempt", "Limited")
RESPONSES: Final = ("Queue", "Reject")
SHARES: Final = 30
_QUEUING: Final = {"handSize": 8, "queues": 64, "queueLengthLimit": 50}
_MOST_QUEUES: Final = 10_000_000
_HASH_BITS: Final = 60
_ROUNDTRIP: Final = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares"
_NOT_NEGATIVE: Final = "must be a non-negative integer"


class RESOURCE(Configuration):
    kind = "PriorityLevelConfiguration"
    plural = LEVELS
    columns = described(
        LEVELS,
        NAME,
        Column("Type", description="Whether its requests are limited."),
        Column("NominalConcurrencyShares", description="Its share of the requests that are served at a time."),
        Column("Queues", description="The number of its queues."),
        Column("HandSize", description="Among how many queues a request chooses."),
        Column("QueueLengthLimit", description="How many requests may wait in a queue."),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        limited = spec.get("limited")
        queuing = objects.dig(limited, "limitResponse", "queuing") or {}
        return [
            objects.name(obj),
            spec.get("type", ""),
            "<none>" if limited is None else limited["nominalConcurrencyShares"],
            *(queuing.get(field, "<none>") for field in ("queues", "handSize", "queueLengthLimit")),
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        for held, shares in ((spec.get("limited"), SHARES), (spec.get("exempt"), 0)):
            if held is not None:
                for field, value in (("nominalConcurrencyShares", shares), ("lendablePercent", 0)):
                    if held.get(field) is None:
                        held[field] = value
        queuing = objects.dig(spec, "limited", "limitResponse", "queuing")
        if queuing is not None:
            for field, value in _QUEUING.items():
                queuing[field] = queuing.get(field) or value

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec, name = objects.spec(obj), objects.name(obj)
        if _ROUNDTRIP in objects.annotations(obj):
            yield fields.forbidden("metadata.annotations", f"annotation '{_ROUNDTRIP}' is forbidden")
        type_, limited, exempt = spec.get("type", ""), spec.get("limited"), spec.get("exempt")
        if (name == EXEMPT) != (type_ == "Exempt"):
            yield fields.invalid("spec.type", type_, "must be 'Exempt' if and only if `name` is 'exempt'")
        if type_ == "Exempt":
            if limited is not None:
                yield fields.forbidden("spec.limited", "must be nil if the type is not Limited")
            yield from _shares("spec.exempt", exempt or {})
            yield from _lendable("spec.exempt", exempt or {})
        elif type_ == "Limited":
            if exempt is not None:
                yield fields.forbidden("spec.exempt", "must be nil if the type is Limited")
            if limited is None:
                yield fields.required("spec.limited", "must not be empty when type is Limited")
            else:
                yield from _limited("spec.limited", limited)
        else:
            yield fields.not_supported("spec.type", type_, TYPES)
        yield from _fixed(name, spec)


def _limited(path: str, limited: Obj) -> Iterator[Cause]:
    yield from _shares(path, limited)
    response = limited.get("limitResponse") or {}
    type_, queuing = response.get("type", ""), response.get("queuing")
    at = f"{path}.limitResponse"
    if type_ not in RESPONSES:
        yield fields.not_supported(f"{at}.type", type_, RESPONSES)
    elif type_ == "Reject" and queuing is not None:
        yield fields.forbidden(f"{at}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif type_ == "Queue" and queuing is None:
        yield fields.required(f"{at}.queuing", "must not be empty if limited.limitResponse.type is Limited")
    elif queuing is not None:
        yield from _queuing(f"{at}.queuing", queuing)
    yield from _lendable(path, limited)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        yield fields.invalid(f"{path}.borrowingLimitPercent", borrowing, f"if specified, {_NOT_NEGATIVE}")


def _shares(path: str, held: Obj) -> Iterator[Cause]:
    shares = held.get("nominalConcurrencyShares")
    if shares is not None and shares < 0:
        yield fields.invalid(f"{path}.nominalConcurrencyShares", shares, _NOT_NEGATIVE)


def _lendable(path: str, held: Obj) -> Iterator[Cause]:
    percent = held.get("lendablePercent")
    if percent is not None and not 0 <= percent <= 100:
        yield fields.invalid(f"{path}.lendablePercent", percent, "must be between 0 and 100, inclusive")


def _queuing(path: str, queuing: Obj) -> Iterator[Cause]:
    queues, hand, longest = queuing["queues"], queuing["handSize"], queuing["queueLengthLimit"]
    if longest <= 0:
        yield fields.invalid(f"{path}.queueLengthLimit", longest, "must be positive")
    if queues <= 0:
        yield fields.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield fields.invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield fields.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield fields.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > _HASH_BITS:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_HASH_BITS}"
        yield fields.invalid(f"{path}.handSize", hand, why)


def _fixed(name: str, spec: Obj) -> Iterator[Cause]:
    """Mandatory ones are as they are, but for what the exempt one shares."""
    fixed = specs(MANDATORY, LEVELS).get(name)
    if fixed is None:
        return
    shown = internal.value_of("PriorityLevelConfigurationSpec", spec)
    kept = {**spec, "exempt": fixed["exempt"]} if name == EXEMPT else spec
    if not internal.equal("PriorityLevelConfigurationSpec", kept, fixed):
        what = f"spec of '{name}' except the 'spec.exempt' field" if name == EXEMPT else f"spec of '{name}'"
        yield fields.invalid("spec", shown, f"{what} must equal the fixed value")
