"""Who reaches whom: everybody asks everybody, once and at the same time, and each check looks up what it is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from kindlab.checks.probe import TIMED_OUT, Probe, Reply
from kindlab.checks.together import ask_together

FIRST, AGAIN = 1.0, 3.0
"""Seconds to connect: the first time, and when somebody was wrong, for a network hears of a policy a little later."""


class Reach:
    """`askers`: what somebody is called in messages -> who asks; `targets`: a program -> its URL."""

    def __init__(self, askers: Mapping[str, Probe], targets: Mapping[str, str]) -> None:
        self.askers, self.targets = askers, targets
        self.replies = self._ask([(who, whom) for who in askers for whom in targets], FIRST)
        """(who, whom) -> what was answered."""
        self._asked_again = False

    def wrong(self, whom: str, may: Collection[str], never: Collection[str]) -> list[str]:
        """Of the askers that `may` reach a program those that get no answer, and of those that must `never` reach it
        those that get anything but silence. Asked once more before anybody is called wrong."""
        questions = [(who, whom) for who in self.askers if who in may or who in never]

        def found() -> list[str]:
            return [q[0] for q in questions if self.replies[q].exit != (0 if q[0] in may else TIMED_OUT)]

        if found() and not self._asked_again:
            self._asked_again = True
            again = [q for q, reply in self.replies.items() if reply.exit == 0 or q[0] in may]
            self.replies |= self._ask(again, AGAIN)
        return found()

    @property
    def is_silent_somewhere(self) -> bool:
        """Whether anything at all is forbidden, as far as was asked."""
        return any(reply.exit == TIMED_OUT for reply in self.replies.values())

    def _ask(self, questions: Iterable[tuple[str, str]], timeout: float) -> dict[tuple[str, str], Reply]:
        sent = {(who, whom): (self.askers[who], self.targets[whom]) for who, whom in questions}
        found = ask_together(sent.values(), timeout=timeout)
        return {question: found[one] for question, one in sent.items()}
