"""What a real cluster needs beyond itself, declared in `cluster-config/addons/` and installed when a lab needs it: from
files pinned by checksum, through the Kubernetes API, without helm, kustomize or kubectl. The embedded cluster has it
built in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kindlab.addons.content import absent, images
from kindlab.addons.installing import State, install, lost_with, remove, state
from kindlab.addons.model import Addon, all_addons, find, for_needs, with_requirements
from kindlab.api import Api
from kindlab.clusters.base import Step
from kindlab.errors import Problem

if TYPE_CHECKING:
    from kindlab.clusters.base import Status
    from kindlab.labs import Lab

__all__ = [
    "Addon",
    "State",
    "absent",
    "all_addons",
    "bring",
    "find",
    "for_lab",
    "for_needs",
    "images",
    "install",
    "lost_with",
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


def for_lab(status: Status, lab: Lab, step: Step) -> list[Problem]:
    """Install what a lab needs where kindlab has made a cluster without it: on kind. Elsewhere nothing is installed
    unasked. What goes wrong is returned: tasks that need none of it can be done all the same."""
    if status.kind != "kind":
        return []
    from kindlab.needs import named

    return bring(status.api(), named(lab), step)[1]
