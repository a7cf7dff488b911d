"""What a replay prints: differences step by step, a line per file, and the survey."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.golden.placeholders import Diff
from tests.golden.replay import FileResult, StepResult

_WIDTH = 600
_SHOWN = 12


def shown(value: Any, *, whole: bool = False) -> str:
    """A value on one line, cut to a readable length unless `whole`."""
    text = json.dumps(value, ensure_ascii=False, default=repr) if isinstance(value, str | dict | list) else str(value)
    return text if whole or len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text)} characters)"


def step_lines(file: str, step: StepResult, *, verbose: bool = False) -> list[str]:
    """The report on one step that did not match, or with `verbose` on any."""
    mark = "ok  " if step.outcome == "matched" else step.outcome.upper()
    lines = [f"{mark} {file}: {step.id}  ({step.what})"]
    if step.note:
        lines.append(f"    {step.note}")
    for diff in step.diffs if verbose else step.diffs[:_SHOWN]:
        lines += _diff_lines(diff, verbose)
    if not verbose and len(step.diffs) > _SHOWN:
        lines.append(f"    ... {len(step.diffs) - _SHOWN} more differences (-v shows all)")
    return lines


def _diff_lines(diff: Diff, verbose: bool) -> list[str]:
    return [
        f"    {diff.path or '(body)'}",
        f"      expected  {shown(diff.expected, whole=verbose)}",
        f"      seen      {shown(diff.seen, whole=verbose)}",
    ]


def summary(result: FileResult) -> str:
    """`services-01-type-defaults.yaml: 10/10 steps, 0.3 s`, and what else went wrong."""
    parts = [f"{result.matched}/{result.total} steps"]
    for outcome in ("not run", "skipped"):
        number = sum(step.counts and step.outcome == outcome for step in result.steps)
        if number:
            parts.append(f"{number} {outcome}")
    waits = sum(not step.counts for step in result.failures)
    if waits:
        parts.append(f"{waits} wait{'s' if waits > 1 else ''} failed")
    return f"{result.name}.yaml: {', '.join(parts)}, {result.seconds:.1f} s"


def survey_lines(results: Iterable[FileResult | tuple[str, str]]) -> list[str]:
    """The text of failing.txt: a line per file that does not pass completely, with the first differing step ids.

    A pair is a file that could not be replayed, and why.
    """
    lines = ["# Written by `python -m tests.golden --survey`: scenario, matched/total steps, steps that do not match."]
    for result in results:
        if isinstance(result, tuple):
            lines.append(f"{result[0]} -/- {result[1]}")
        elif not result.passed:
            names = list(dict.fromkeys(step.id for step in result.failures))
            more = f" ... and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            lines.append(f"{result.name} {result.matched}/{result.total} {' '.join(names[:_SHOWN])}{more}")
    return lines
