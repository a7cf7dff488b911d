"""Whether a pod is over, asked nearly everywhere.

Models IsPodTerminal and IsPodPhaseTerminal of pkg/api/v1/pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pocketkube import objects

TERMINAL: Final = ("Succeeded", "Failed")
"""The phases that no other follows."""


def is_terminal(pod: Mapping[str, Any]) -> bool:
    """Finished for good: all containers have stopped and none will start again."""
    return objects.status(pod).get("phase") in TERMINAL
