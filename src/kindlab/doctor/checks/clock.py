"""Whether an engine's virtual machine has the time: after a laptop has slept it may be behind, and certificates of a
new cluster are then not valid yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok

TOLERATED = 60
"""Seconds; kubeadm's certificates are valid from some minutes before they are made, so less does no harm."""


def look(facts: Facts) -> Iterator[Finding]:
    engine = facts.engine
    if engine is None or engine.name != "docker" or not engine.virtual:
        return
    answer = facts.ask(engine.path, "info", "--format", "{{.SystemTime}}")
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z", answer.out.strip())
    if answer.code != 0 or match is None:
        return
    there = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    apart = abs((datetime.now(UTC) - there).total_seconds())
    if apart > TOLERATED:
        yield note(
            f"the clocks of {engine.title} and this machine are {apart:.0f} s apart",
            "kindlab up --cluster kind: certificates are not valid yet, or not any more",
            f"Restart {engine.product or engine.name}"
            + (" (or in PowerShell: wsl --shutdown)." if facts.computer.wsl else "."),
        )
    else:
        yield ok(f"the clock of {engine.product or engine.name}")


CHECK = Check("clock", 61, ("kind",), look)
