"""A capability of a cluster, as labs name it, and what a look at a cluster says about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from kindlab.api import Api, ApiError


@dataclass(frozen=True)
class Found:
    """Whether the cluster has it. `why`: what was seen, a clause that can follow "but", without a full stop. `sure`
    False: nobody knows, or it may be another answer in a moment; then `has` is False."""

    has: bool
    why: str
    how_to_get: str = ""
    sure: bool = True

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def yes(why: str) -> Found:
    return Found(True, why)


def no(why: str, *, sure: bool = True) -> Found:
    return Found(False, why, sure=sure)


_LIMIT = re.compile(r"(exceeded|failed) quota:|(maximum|minimum) \S+ usage per |max limit to request ratio per ")


def limited(error: ApiError) -> bool:
    """Whether a ResourceQuota or a LimitRange of the namespace was against it (Kubernetes' words). That says what is in
    the namespace now, perhaps of the learner's making, and nothing about what the cluster can do."""
    return error.code == 403 and _LIMIT.search(error.message) is not None


Probe = Callable[[Api, str], Found]
"""Asks a cluster. The second argument is a namespace of ours that is there, "" for none. May raise ApiError and
CouldNotGrade, which are no sure answer, but for 403: who may not ask has it not."""


@dataclass(frozen=True)
class Need:
    """`title` goes on from "it needs"; `how_to_get` is a sentence or two. `tried`: only a trial tells, which takes
    seconds and makes objects of ours for that time; its answer is kept for a while (kept.py)."""

    word: str
    title: str
    probe: Probe
    how_to_get: str
    tried: bool = False
