"""A lab is followed until somebody says that it is enough, whenever that is said."""

from __future__ import annotations

import queue
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kindlab import labs
from kindlab.watching import follow
from kindlab.watching.follow import Follower


class Nothing:
    """Events that never come; who waits for one would wait for ever."""

    def __init__(self, *_: Any) -> None:
        self.queue = self

    def begin(self) -> None:
        pass

    def end(self) -> None:
        pass

    def put(self, event: object) -> None:
        pass

    def get_nowait(self) -> Any:
        raise queue.Empty

    def get(self, **_: Any) -> Any:
        raise AssertionError("nothing will come, and it is waited for")


def test_it_ends_also_when_that_is_said_while_it_turns_to_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turns() -> object:
        follower.end()  # those who could be told are not there yet
        return object()

    monkeypatch.setattr(follow, "Events", Nothing)
    monkeypatch.setattr(Follower, "_grade", lambda *_: None)
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path))
    status: Any = SimpleNamespace(api=turns)
    screen: Any = SimpleNamespace()
    follower = Follower(labs.find("02"), lambda: status, screen)
    follower.run()
