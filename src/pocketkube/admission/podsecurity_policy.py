"""What a namespace asks of its pods: the labels `pod-security.kubernetes.io/...`, and a pod held against them.

Models pod-security-admission/api (PolicyToEvaluate) and policy's registry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from pocketkube import fields
from pocketkube.admission.podsecurity_checks import BASELINE, Check, Forbidden
from pocketkube.admission.podsecurity_restricted import RESTRICTED
from pocketkube.errors import Cause
from pocketkube.objects import Obj

PREFIX: Final = "pod-security.kubernetes.io/"
LEVELS: Final = ("privileged", "baseline", "restricted")
"""From the loosest to the strictest."""
MODES: Final = ("enforce", "audit", "warn")
LATEST: Final = max(version for check in (*BASELINE, *RESTRICTED) for version in check.versions)
"""The last minor version in which a check has changed: later ones, and `latest`, are the same."""
_VERSION: Final = re.compile(r"v1\.(0|[1-9][0-9]*)")


@dataclass(frozen=True)
class Level:
    """A level as of a version of Kubernetes."""

    name: str = "privileged"
    version: str = "latest"

    @property
    def rank(self) -> int:
        return LEVELS.index(self.name)

    def __str__(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Policy:
    enforce: Level = Level()
    audit: Level = Level()
    warn: Level = Level()


def policy(labels: Mapping[str, str]) -> tuple[Policy, list[Cause]]:
    """What the labels ask for, and what is wrong with them: a level that nobody knows is enforced as `restricted`, and
    otherwise left out."""
    levels: dict[str, Level] = {}
    causes: list[Cause] = []
    for mode in MODES:
        level = Level()
        key, given = f"{PREFIX}{mode}", labels.get(f"{PREFIX}{mode}")
        if given is not None:
            known = given in LEVELS
            level = replace(level, name=given if known else "restricted" if mode == "enforce" else "privileged")
            if not known:
                causes.append(_wrong(key, given, f"must be one of {', '.join(LEVELS)}"))
        version = labels.get(f"{key}-version")
        if version is not None:
            if version == "latest" or _VERSION.fullmatch(version):
                level = replace(level, version=version)
            else:
                causes.append(_wrong(f"{key}-version", version, 'must be "latest" or "v1.x"'))
        levels[mode] = level
    enforced = labels.get(f"{PREFIX}enforce")
    if f"{PREFIX}warn" not in labels and enforced in LEVELS and levels["enforce"].rank > levels["warn"].rank:
        version = levels["warn"].version if f"{PREFIX}warn-version" in labels else levels["enforce"].version
        levels["warn"] = Level(levels["enforce"].name, version)
    return Policy(levels["enforce"], levels["audit"], levels["warn"]), causes


def _wrong(key: str, value: str, why: str) -> Cause:
    return fields.invalid(f"metadata.labels[{key}]", value, why)


def violations(level: Level, meta: Obj, spec: Obj) -> list[Forbidden]:
    """What a pod has that the level forbids, in the order in which it is said."""
    if level.name == "privileged":
        return []
    minor = LATEST if level.version == "latest" else min(LATEST, int(level.version.removeprefix("v1.")))
    looks = [check.at(minor) for check in _checks(level.name, minor)]
    return [found for look in looks if look is not None and (found := look(meta, spec)) is not None]


def _checks(level: str, minor: int) -> list[Check]:
    if level == "baseline":
        return list(BASELINE)
    overridden = {check.overrides for check in RESTRICTED if check.at(minor) is not None}
    return [*(check for check in BASELINE if check.id not in overridden), *RESTRICTED]


def detail(found: list[Forbidden]) -> str:
    return ", ".join(f"{what} ({where})" if where else what for what, where in found)


def reasons(found: list[Forbidden]) -> str:
    return ", ".join(what for what, _ in found)
