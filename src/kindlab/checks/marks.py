"""`@check(task, sentence)`: ties a test function to a task of the lab and says in one sentence what it verifies."""

from collections.abc import Callable
from typing import Any

import pytest

MARK = "kindlab_check"


def check(task: str, sentence: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`task` is the id in lab.toml; `sentence` completes "this check verifies that ..."."""
    mark: Callable[[Callable[..., Any]], Callable[..., Any]] = getattr(pytest.mark, MARK)(task, sentence)
    return mark
