"""Answers of trials, kept for a while: a trial takes seconds, and what it finds out seldom changes. One file a cluster,
$KINDLAB_HOME/capabilities/<cluster>.json; without it everything is just tried again."""

from __future__ import annotations

import json
import logging
import time
from hashlib import sha256
from pathlib import Path

from kindlab import paths
from kindlab.api import Api
from kindlab.identity import identity
from kindlab.needs.need import Found

log = logging.getLogger(__name__)

FORMAT = 1
HAS, LACKS = 12 * 3600.0, 600.0
"""Seconds for which an answer holds. What is lacking may be brought at any time."""


def file(api: Api) -> Path:
    """Where the answers about this cluster are."""
    return paths.home() / "capabilities" / f"{sha256(identity(api).encode()).hexdigest()[:16]}.json"


def answers(api: Api) -> dict[str, Found]:
    """Those that still hold, by word."""
    try:
        data = json.loads(file(api).read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            return {}
        now, held = time.time(), {}
        for word, entry in data["found"].items():
            found = Found(bool(entry["has"]), str(entry["why"]), str(entry["how_to_get"]))
            if 0 <= now - float(entry["at"]) < (HAS if found.has else LACKS):
                held[word] = found
        return held
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none yet, or not what was written
        return {}


def keep(api: Api, new: dict[str, Found]) -> None:
    """Write down answers that are sure, with those that are there."""
    now, path = time.time(), file(api)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = dict(data["found"]) if data["format"] == FORMAT else {}
    except (OSError, ValueError, KeyError, TypeError):
        found = {}
    for word, one in new.items():
        if one.sure:
            found[word] = {"has": one.has, "why": one.why, "how_to_get": one.how_to_get, "at": now}
    try:
        text = json.dumps({"format": FORMAT, "server": api.server, "found": found}, indent=1)
        paths.write_atomically(path, text, mode=0o600)
    except OSError as error:  # nowhere to write: it is tried again the next time
        log.warning("what the cluster can do could not be kept: %s", error)


def forget(api: Api) -> None:
    """Have everything tried again: after something was installed, for one."""
    try:
        file(api).unlink(missing_ok=True)
    except OSError as error:
        log.warning("what the cluster could do could not be forgotten: %s", error)
