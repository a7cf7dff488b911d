"""Which questions to ask next: what was missed comes back at once, what was known comes back later each time.

One table a question in `work/quiz.toml`: `box` (how many times in a row it was answered right, up to the last box),
`asked`, `right`, and `last`, when. These are Leitner's boxes, with the days of `DAYS` between two askings.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tomli_w

from kindlab import paths
from kindlab.errors import Problem
from kindlab.quiz import DOMAINS, Question

DAYS = (0, 1, 3, 7, 21)
HEADER = "# What you answered so far. kindlab writes this file; delete it to begin again.\n\n"


def file() -> Path:
    return paths.work() / "quiz.toml"


def load() -> dict[str, Any]:
    """Question's key -> its table; empty when there is none yet. Raises Problem when the file is damaged."""
    try:
        table = tomllib.loads(file().read_text(encoding="utf-8"))
        for key, one in table.items():
            _ = DAYS[one["box"]], one["asked"] + one["right"], _when(one)
            if one["box"] < 0:
                raise ValueError(f"box of {key} is {one['box']}")
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Problem(
            f"{file()} cannot be read.",
            f"It is not what kindlab wrote: {type(error).__name__}: {error}.",
            "Mend it, or move it away: kindlab then begins a new one.",
        ) from error
    return table


def answered(question: Question, right: bool, now: datetime | None = None) -> None:
    """Note an answer, at once: whoever stops half-way loses nothing."""
    table = load()
    one = table.setdefault(question.key, {"box": 0, "asked": 0, "right": 0})
    one["box"] = min(one["box"] + 1, len(DAYS) - 1) if right else 0
    one["asked"] += 1
    one["right"] += right
    one["last"] = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    file().parent.mkdir(parents=True, exist_ok=True)
    paths.write_atomically(file(), HEADER + tomli_w.dumps(table))


def due(questions: Iterable[Question], now: datetime | None = None) -> list[Question]:
    """Those to ask, best first: missed ones, then those whose time has come, then new ones in the course's order. What
    was known and is not due yet is left out."""
    table, moment = load(), now or datetime.now(UTC)
    missed, again, new = [], [], []
    for question in questions:
        one = table.get(question.key)
        if one is None:
            new.append(question)
        elif one["box"] == 0:
            missed.append(question)
        elif _when(one) + timedelta(days=DAYS[one["box"]]) <= moment:
            again.append(question)
    again.sort(key=lambda q: _when(table[q.key]))
    return missed + again + new


def drawn(questions: Sequence[Question], count: int, chance: random.Random) -> list[Question]:
    """An exam: at most `count` questions in random order, each KCNA domain with its share; what is left after rounding
    down goes to the largest fractions. Where a domain has too few, the whole exam is shorter rather than out of
    proportion; a domain without any is left out."""
    by_domain = {d: [q for q in questions if q.domain == d] for d in DOMAINS}
    there = {d: weight for d, weight in DOMAINS.items() if by_domain[d]}
    total = sum(there.values())
    size = min([count, *(len(by_domain[d]) * total / weight for d, weight in there.items())])
    shares = {d: size * weight / total for d, weight in there.items()}
    counts = {d: int(share + 1e-9) for d, share in shares.items()}
    left = int(size + 1e-9) - sum(counts.values())
    for domain in sorted(shares, key=lambda d: counts[d] - shares[d])[:left]:
        counts[domain] += 1
    chosen = [q for d, number in counts.items() for q in chance.sample(by_domain[d], number)]
    chance.shuffle(chosen)
    return chosen


def _when(one: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(one["last"])
