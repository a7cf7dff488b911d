"""`@check(task, sentence)`: ties a test function to a task of the lab and says in one sentence what it verifies."""

from collections.abc import Callable
from typing import Any

MARK = "kindlab_check"


def check(task: str, sentence: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`task` is the id in lab.toml; `sentence` completes "this check verifies that ..."."""
    import pytest  # half a second, which commands that only ask a cluster something need not wait for

    mark: Callable[[Callable[..., Any]], Callable[..., Any]] = getattr(pytest.mark, MARK)(task, sentence)
    return mark
