"""What dig printed, as facts: status, flags, question and the records of each section.

Not kept: query ids, cookies, times, message sizes, server banners, the order of records. TTLs below 30 of names outside
cluster.local are counting down in a cache, so any TTL up to 30 stands for them.
"""

from __future__ import annotations

import re
from typing import Any

from tests.golden.compare import Worlds, compare
from tests.golden.placeholders import World

_HEADER = re.compile(r"->>HEADER<<- opcode: (\S+), status: (\S+), id:")
_FLAGS = re.compile(r"^;; flags: ([^;]*);")
_SECTION = re.compile(r"^;; (\w+) (?:PSEUDO)?SECTION:$")


def is_dig(text: str) -> bool:
    return "->>HEADER<<-" in text


def parse(text: str) -> list[dict[str, Any]]:
    """The answers in dig's output. `endpoints` is the name of a list whose order does not matter (see compare.py)."""
    answers: list[dict[str, Any]] = []
    section = None
    for line in text.splitlines():
        if header := _HEADER.search(line):
            answers.append({"opcode": header[1], "status": header[2], "flags": [], "sections": {}})
            section = None
        elif not answers:
            continue
        elif flags := _FLAGS.match(line):
            answers[-1]["flags"] = sorted(flags[1].split())
        elif found := _SECTION.match(line):
            section = found[1] if found[1] != "OPT" else None
            if section:
                answers[-1]["sections"][section] = {"endpoints": []}
        elif not line.strip():
            section = None
        elif section == "QUESTION":
            answers[-1]["sections"][section]["endpoints"].append(" ".join(line.lstrip(";").split()))
        elif section and not line.startswith(";"):
            answers[-1]["sections"][section]["endpoints"].append(_record(line))
    return answers


def _record(line: str) -> str:
    name, ttl, *rest = line.split()
    if ttl.isdigit() and int(ttl) <= 30 and not name.rstrip(".").endswith("cluster.local"):
        ttl = "up-to-30"
    return " ".join([name, ttl, *rest])


def compare_dig(golden: str, actual: str, world: World, path: str) -> Worlds:
    """Compare two outputs of dig."""
    return compare({"answers": parse(golden)}, {"answers": parse(actual)}, world, path)
