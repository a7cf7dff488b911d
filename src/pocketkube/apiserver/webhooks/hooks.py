"""The webhooks of all configurations, in the order in which they are asked: by the configurations' names.

Models apiserver/pkg/admission/configuration and .../plugin/webhook/accessors.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pocketkube import objects
from pocketkube.admission.expressions import compile_conditions
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.admission_spec.expressions import Compiled
from pocketkube.store import Event

MUTATING: Final = "mutatingwebhookconfigurations"
VALIDATING: Final = "validatingwebhookconfigurations"


@dataclass
class Hook:
    """One webhook. `id` tells it from all others, also from one of the same name."""

    id: str
    spec: Obj

    @property
    def name(self) -> str:
        return str(self.spec["name"])

    @property
    def may_fail(self) -> bool:
        """Whether a request goes on when the webhook cannot be asked."""
        return self.spec.get("failurePolicy") == "Ignore"

    @property
    def seconds(self) -> int:
        return int(self.spec.get("timeoutSeconds") or 10)

    @cached_property
    def conditions(self) -> list[Compiled]:
        return compile_conditions(self.spec.get("matchConditions") or ())


class Hooks:
    """Follows the configurations in the store."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.mutating: tuple[Hook, ...] = ()
        self.validating: tuple[Hook, ...] = ()
        self._stop = [registry.subscribe(resource, self._changed) for resource in (MUTATING, VALIDATING)]
        self._read()

    def __bool__(self) -> bool:
        return bool(self.mutating or self.validating)

    def stop_following(self) -> None:
        for stop in self._stop:
            stop()

    def _changed(self, _: Event) -> None:
        self._read()

    def _read(self) -> None:
        self.mutating = tuple(self._hooks(MUTATING))
        self.validating = tuple(self._hooks(VALIDATING))

    def _hooks(self, resource: str) -> Iterator[Hook]:
        for configuration in sorted(self._registry.objects(resource), key=objects.name):
            for index, spec in enumerate(configuration.get("webhooks") or ()):
                yield Hook(f"{resource}/{objects.name(configuration)}/{index}/{spec['name']}", spec)
