"""What a real cluster needs beyond itself, declared in `cluster-config/addons/` and installed when a lab needs it: from
files pinned by checksum, through the Kubernetes API, without helm, kustomize or kubectl. The embedded cluster has it
built in."""

from __future__ import annotations

from collections.abc import Iterable

from kindlab.addons.content import absent, images
from kindlab.addons.installing import State, install, remove, state
from kindlab.addons.model import Addon, all_addons, find, for_needs, with_requirements
from kindlab.api import Api
from kindlab.clusters.base import Step
from kindlab.errors import Problem

__all__ = [
    "Addon",
    "State",
    "absent",
    "all_addons",
    "bring",
    "find",
    "for_needs",
    "images",
    "install",
    "remove",
    "state",
    "with_requirements",
]


def bring(api: Api, words: Iterable[str], step: Step, *, offline: bool = False) -> tuple[list[str], list[Problem]]:
    """Install what gives these words of needs on a cluster of ours: (what has been installed, what went wrong). One
    that fails keeps nobody from the others, but for those that require it."""
    installed: list[str] = []
    problems: list[Problem] = []
    failed: set[str] = set()
    for addon in for_needs(words):
        if failed & set(addon.requires):
            failed.add(addon.name)
            continue
        try:
            if install(api, addon, step, offline=offline):
                installed.append(str(addon))
        except Problem as problem:
            failed.add(addon.name)
            problems.append(problem)
    return installed, problems
