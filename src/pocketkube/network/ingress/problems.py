"""What is wrong with an object that is to be served: told as a Warning event on it, and in the controller's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pocketkube import objects
from pocketkube.objects import Obj


@dataclass(frozen=True, slots=True)
class Problem:
    about: Obj
    reason: str
    """Of the Event: one word in CamelCase."""
    message: str
    """Of the Event: what happened, why, and what to do next."""
    log: str
    """Traefik's own line for it."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What Traefik adds to the line."""
    level: str = "ERR"

    @property
    def key(self) -> tuple[str, str, str]:
        """The same for what need not be told twice."""
        return objects.uid(self.about), self.reason, self.message
