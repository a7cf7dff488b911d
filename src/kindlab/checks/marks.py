"""`@check(task, sentence)`: ties a test function to a task of the lab and says in one sentence what it verifies."""

from collections.abc import Callable
from typing import Any

MARK = "kindlab_check"


def check(task: str, sentence: str, *, hidden: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`task` is the id in lab.toml; `sentence` completes "this check verifies that ...". `hidden`: of its failure a
    learner is told this sentence and nothing else, where more would give the answer away."""
    import pytest  # half a second, which commands that only ask a cluster something need not wait for

    mark: Callable[[Callable[..., Any]], Callable[..., Any]] = getattr(pytest.mark, MARK)(task, sentence, hidden)
    return mark
