"""`kindlab doctor`: what stands in the way of a cluster on this machine, what it breaks, and the exact fix.

One file a check in doctor/checks, found by a folder scan. A check reads Facts, never the machine itself, and changes
nothing; all run side by side, and whatever can hang has a time-out.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from kindlab.doctor import checks
from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, Level

__all__ = ["Check", "Facts", "Finding", "Level", "Report", "all_checks", "examine"]

MADE = ("kind", "pocket")
"""The clusters that kindlab makes on this machine."""


@dataclass(frozen=True)
class Report:
    findings: tuple[Finding, ...]
    clusters: tuple[str, ...]

    def why_not(self, cluster: str) -> Finding | None:
        """The first problem of that cluster; None when it works."""
        return next((f for f in self.findings if f.level is Level.PROBLEM and cluster in f.clusters), None)

    @property
    def works(self) -> tuple[str, ...]:
        return tuple(cluster for cluster in self.clusters if self.why_not(cluster) is None)

    def to_json(self) -> dict[str, Any]:
        clusters = {}
        for cluster in self.clusters:
            found = self.why_not(cluster)
            clusters[cluster] = {"works": found is None, "why": found.says if found else ""}
        return {"clusters": clusters, "findings": [found.to_json() for found in self.findings]}


def all_checks() -> list[Check]:
    """In the order they are shown in."""
    found = [
        importlib.import_module(f"{checks.__name__}.{module.name}").CHECK
        for module in pkgutil.iter_modules(checks.__path__)
    ]
    return sorted(found, key=lambda check: (check.place, check.name))


def examine(facts: Facts, clusters: tuple[str, ...] = MADE) -> Report:
    """Run the checks that matter to these clusters."""
    wanted = [check for check in all_checks() if set(check.clusters) & set(clusters)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = [finding for each in pool.map(lambda check: list(_run(check, facts)), wanted) for finding in each]
    kept = (replace(f, clusters=tuple(c for c in f.clusters if c in clusters)) for f in found)
    return Report(tuple(f for f in kept if f.clusters), clusters)


def _run(check: Check, facts: Facts) -> Iterator[Finding]:
    """A check that breaks says so instead of hiding what the others have found."""
    from kindlab.errors import Problem

    try:
        found = list(check.look(facts))
    except Problem as problem:
        found = [Finding(Level.PROBLEM, problem.what.rstrip("."), problem.why, problem.then)]
    except Exception as error:
        says = f"{check.name} could not be looked at ({type(error).__name__}: {error})"
        found = [Finding(Level.NOTE, says, "a fault of kindlab, not of this machine")]
    for finding in found:
        yield replace(finding, check=check.name, clusters=finding.clusters or check.clusters)
