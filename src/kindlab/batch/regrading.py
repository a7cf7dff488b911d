"""A run's grades made anew from its results, without a cluster: another policy, other adjustments."""

from __future__ import annotations

from pathlib import Path

from kindlab.batch import adjustments, policy
from kindlab.batch.store import Store
from kindlab.batch.writing import ADJUSTMENTS, POLICY
from kindlab.labs import Lab


def replaced(store: Store, lab: Lab, rules: Path | None, by_hand: Path | None) -> None:
    """Put these in place of the run's, both or neither. Raises UsageProblem for what is wrong in them."""
    if rules is not None:
        policy.load(rules, lab)
    if by_hand is not None:
        adjustments.load(by_hand, {one.id: one.student for one in store.results()})
    for file, name in ((rules, POLICY), (by_hand, ADJUSTMENTS)):
        if file is not None:
            store.write(store.out / name, file.read_text(encoding="utf-8-sig"))
