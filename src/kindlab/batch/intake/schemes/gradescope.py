"""Gradescope's "Export Submissions": folders `submission_123456` and submission_metadata.yml, which says whose each is:

    submission_123456:
      :submitters:
      - :name: Jane Doe
        :sid: '1234567'
        :email: jane@example.edu
      :created_at: 2026-11-22 10:00:00.000000000 Z

From public scripts that read such exports (keys with a colon: Ruby's symbols). `:email:` is unverified. A submission
of a group has several submitters: each is graded for it. Only the active submission is in an export; `:history:` is
not read.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from kindlab.batch.intake import folders, limits
from kindlab.batch.intake.schemes import Listed, Named

METADATA = "submission_metadata.yml"


def read(folder: Path, listed: Listed) -> dict[str, list[Named]]:
    if METADATA not in listed:
        return {}
    found = {METADATA: [Named("", "", graded=False)]}
    for name, told in _metadata(folder / METADATA).items():
        if name in listed and isinstance(told, dict) and (people := _people(told)):
            found[name] = people
    return found


def _people(told: dict[str, Any]) -> list[Named]:
    people = [one for one in told.get(":submitters") or () if isinstance(one, dict)]
    when = told.get(":created_at")
    submitted = ""
    if isinstance(when, datetime):  # PyYAML gives UTC without saying so where the text has an offset other than Z
        submitted = (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()
    elif isinstance(when, str) and not isinstance(when, date):
        submitted = when
    names = [str(one.get(":name") or one.get(":email") or one.get(":sid") or "")[:200] for one in people]
    notes = (f"handed in by a group: {', '.join(names)}",) if len(names) > 1 else ()
    return [
        Named(ids[0] if ids else name, name, ids, submitted=submitted, notes=notes)
        for name, one in zip(names, people, strict=True)
        if (ids := tuple(str(one[key])[:200] for key in (":sid", ":email") if one.get(key))) or name
    ]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Plain values only; a mapping that Ruby tagged with a class of its own is a mapping."""


_Loader.add_multi_constructor("!ruby/", lambda loader, _, node: loader.construct_mapping(node, deep=True))


def _metadata(file: Path) -> dict[str, Any]:
    """What it says; {} for one that cannot be read: the folders' names are the students' then."""
    try:
        with folders.regular(file) as stream:
            text = stream.read(limits.METADATA + 1)
        told = yaml.load(text, _Loader) if len(text) <= limits.METADATA else {}
    except (OSError, folders.NotRegular, yaml.YAMLError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
