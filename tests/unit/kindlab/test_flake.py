"""A verdict that changes is found, whatever it changes to; what is done is not done again."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import pytest

from kindlab import farm, flake, labs, states
from kindlab.farm import Finished
from kindlab.flake import Piece, Verdicts
from kindlab.states import State

P, F, C = ("passed", ""), ("failed", "silence"), ("could-not-grade", "no answer")


def state(*may: str) -> State:
    return State("02-services", "wrong/x", (), frozenset({"test_a"}), frozenset(may))


def look(*gradings: Verdicts, may: tuple[str, ...] = ()) -> flake.Flakes:
    piece = Piece(state(*may), 1, len(gradings), "key")
    return flake.found([piece], {"key": list(gradings)}, [])


def test_the_same_verdicts_are_no_flip() -> None:
    found = look({"test_a": F, "test_b": P}, {"test_a": ("failed", "another text"), "test_b": P})
    assert found.flips == []
    assert found.ok
    assert (found.states, found.gradings) == (1, 2)


@pytest.mark.parametrize("other", [P, C])
def test_another_verdict_is_a_flip_with_both_reasons(other: tuple[str, str]) -> None:
    (flip,) = look({"test_a": F}, {"test_a": other}, {"test_a": F}).flips
    assert flip.counts == {"failed": 2, other[0]: 1}
    assert "2 times failed (silence)" in str(flip)
    assert f"1 times {other[0]} ({other[1] or 'no reason'})" in str(flip)


def test_a_check_that_was_not_there_once_is_a_flip() -> None:
    found = look({"test_a": F}, {})
    assert found.flips[0].counts == {"failed": 1, "missing": 1}
    assert not found.ok


def test_what_chance_decides_is_told_and_no_fault() -> None:
    found = look({"test_b": F}, {"test_b": P}, may=("test_b",))
    assert "chance decides it" in str(found.flips[0])
    assert found.ok


def test_a_round_that_came_to_nothing_is_no_success() -> None:
    assert not flake.found([], {}, ["02 solution: it used more than 9 s"]).ok


def test_a_state_is_brought_about_anew_every_ten_gradings() -> None:
    solution = next(s for s in states.states(labs.find("02")) if s.name == "solution")
    assert [piece.times for piece in flake.pieces(solution, 25)] == [10, 10, 5]
    assert len({piece.key for piece in flake.pieces(solution, 25)}) == 3


class Farm:
    """Work that is done here and now; which pieces were begun."""

    def __init__(self, breaks: frozenset[int] = frozenset()) -> None:
        self.begun: list[int] = []
        self.breaks = breaks

    def run(self, work: Any, items: Iterable[Piece], **_: Any) -> Generator[Finished[Piece, list[Verdicts]]]:
        for piece in items:
            self.begun.append(piece.number)
            broken = piece.number in self.breaks
            yield Finished(piece, None if broken else [{"test_a": P}] * piece.times, "too slow" if broken else "")


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = Farm(frozenset({2})), Farm(), Farm()
    file = tmp_path / "flake.jsonl"
    monkeypatch.setattr(farm, "run", first.run)
    found = flake.run([state()], 30, jobs=1, file=file)
    assert found.problems == ["02-services wrong/x, round 2: too slow"]
    monkeypatch.setattr(farm, "run", second.run)
    assert flake.run([state()], 30, jobs=1, file=file, resume=True).gradings == 30
    assert second.begun == [2]
    monkeypatch.setattr(farm, "run", third.run)
    flake.run([state()], 30, jobs=1, file=file)
    assert third.begun == [1, 2, 3]


def test_what_was_kept_and_cannot_be_read_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "flake.jsonl"
    file.write_text("[1,")
    here = Farm()
    monkeypatch.setattr(farm, "run", here.run)
    assert flake.run([state()], 10, jobs=1, file=file, resume=True).ok
    assert here.begun == [1]
