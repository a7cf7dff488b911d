"""A lab is followed until somebody says that it is enough, whenever that is said."""

from __future__ import annotations

import queue
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kindlab import labs
from kindlab.api import Unreachable
from kindlab.errors import Problem
from kindlab.watching import follow, saves
from kindlab.watching.asked import Asked
from kindlab.watching.events import Saved
from kindlab.watching.follow import Follower
from kindlab.watching.objects import Change


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


def test_a_cluster_that_goes_is_said_with_what_to_do_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    came: list[Any] = []

    def on(self: Follower, status: Any, deadline: float) -> None:
        came.append(status)
        if status == "first":
            raise Unreachable("The cluster at x does not answer.", "Nobody listens at its address.", "...")
        self.end()

    clusters: list[Any] = ["first", Problem("not yet"), "second"]

    def ready() -> Any:
        found = clusters.pop(0)
        if isinstance(found, Problem):
            raise found
        return found

    monkeypatch.setattr(Follower, "_on", on)
    monkeypatch.setattr(follow, "PAUSE", 0.0)
    Follower(labs.find("02"), ready, SimpleNamespace(note=notes.append)).run()  # type: ignore[arg-type]
    assert came == ["first", "second"]
    assert notes == [
        "The cluster does not answer. Nobody listens at its address. It is waited for: kindlab up starts it again, "
        "Ctrl-C ends this.",
        "The cluster is back.",
    ]


def test_a_save_and_what_it_changes_are_graded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab: Any = SimpleNamespace(tasks=[SimpleNamespace(id=name, files=[f"{name}.yaml"]) for name in ("one", "two")])
    file, other = tmp_path / "one.yaml", tmp_path / "two.yaml"
    file.write_text("a")
    other.write_text("b")
    events: Any = SimpleNamespace(queue=queue.SimpleQueue())

    def applied(lab: labs.Lab, api: Any, file: Path) -> str:
        new = {"kind": "Service", "metadata": {"name": "shared", "resourceVersion": "2"}, "spec": {}}
        events.queue.put(Change(("services", "n", "shared"), None, new, 2.0))
        events.queue.put(Saved(other, 2.0))
        return "applied"

    monkeypatch.setattr(saves, "apply", applied)
    monkeypatch.setattr(saves, "objects", lambda *_: [])
    notes: list[str] = []
    screen: Any = SimpleNamespace(note=notes.append)
    follower = Follower(lab, lambda: None, screen, applying=True)  # type: ignore[arg-type, return-value]
    follower.known = {"one": Asked({"one"}), "two": Asked({"shared"})}
    graded: list[Any] = []
    monkeypatch.setattr(follower, "_grade", lambda api, status, *how: graded.append(how))
    follower._react(None, None, [Saved(file, 1.0)], events)  # type: ignore[arg-type]
    assert graded == [({"one", "two"}, "one.yaml saved, service/shared new", 1.0)]
    assert events.queue.get_nowait() == Saved(other, 2.0)  # another save is another piece of news
    assert events.queue.empty()
