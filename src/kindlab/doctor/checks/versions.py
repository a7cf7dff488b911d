"""Python, kind and kubectl, against what cluster-config/tools.toml pins."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from kindlab import tools
from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem


def look(facts: Facts) -> Iterator[Finding]:
    good, amiss = [f"Python {sys.version.split()[0]}"], []
    for name in tools.pins():
        found = tools.look(name)
        if found.used is not None:
            good.append(f"{name} {found.used.version}")
            continue
        why = " ".join(found.notes).rstrip(".") or f"{name} is not installed"
        fix = f"kindlab tools install {name}"
        if name == "kind":
            amiss.append(problem(why, "kindlab up --cluster kind", fix, only=("kind",)))
        else:
            without = "the parts of labs that you do with kubectl yourself; kindlab and its graders do without"
            amiss.append(note(why, without, fix))
    yield ok(", ".join(good))
    yield from amiss


CHECK = Check("versions", 10, ("kind", "pocket", "current"), look)
