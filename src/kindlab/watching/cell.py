"""A lab that is followed in a notebook's cell: for a while, or until the kernel is interrupted. Other cells wait."""

from __future__ import annotations

from functools import partial

from kindlab import shown
from kindlab.grading.report.html import AMBER
from kindlab.labs import Lab
from kindlab.session import Session, status
from kindlab.shown import Shown
from kindlab.watching.follow import Follower, Round
from kindlab.watching.screen import NOTES, said_of


def follow(session: Session, lab: Lab, seconds: float) -> Shown:
    """Returns the last picture. Raises KeyboardInterrupt where nothing had been graded, Problem without a cluster."""
    cell = Cell(session)
    follower = Follower(lab, partial(status), cell, seconds=seconds)
    try:
        follower.run()
    except KeyboardInterrupt:
        if follower.last is None:
            raise
    cell.state = f"It was followed for {seconds:g} seconds; run the cell again to go on."
    return cell.picture()


class Cell:
    """What the cell shows: the report, what has happened, and what goes on."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.state = ""
        self._round: Round | None = None
        self._notes: list[str] = []

    def busy(self, text: str) -> None:
        self.state = f"{text} ..."
        self.session.so_far(self.picture())

    def note(self, text: str) -> None:
        self._notes = [*self._notes, text][-NOTES:]
        self.session.so_far(self.picture())

    def shown(self, one: Round) -> None:
        self._round = one
        self._notes = [*self._notes, *filter(None, (_news(one),))][-NOTES:]
        self.state = "Waiting for what you change; interrupt the kernel (the square above) to end."
        self.session.so_far(self.picture())

    def picture(self) -> Shown:
        graded = [shown.told(self._round.told)] if self._round is not None else []
        said = [shown.note("\n".join(self._notes), colour=AMBER)] if self._notes else []
        return shown.together(*graded, *said, shown.note(self.state))


def _news(one: Round) -> str:
    parts = [said_of(one)]
    parts += [f"newly passed: {', '.join(one.passed)}"] if one.passed else []
    parts += [f"no longer passed: {', '.join(one.lost)}"] if one.lost else []
    return "; ".join(filter(None, parts))
