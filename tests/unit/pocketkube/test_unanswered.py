"""Calls that need an answer first: made again until it is there, by who made them or by who begins anew."""

from __future__ import annotations

import asyncio

import pytest

from pocketkube.errors import Forbidden, InternalError
from pocketkube.unanswered import KEPT, MOST_CALLS, Repeated, Unanswered, answered, awaited


class Question:
    """Has its answer once it was asked."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.asked = 0
        self.problem = problem
        self.go = asyncio.Event()
        self.go.set()

    async def ask(self) -> None:
        await self.go.wait()
        self.asked += 1
        if self.problem is not None:
            raise self.problem

    def call(self) -> int:
        if not self.asked:
            raise Unanswered(self.ask)
        return self.asked


async def test_a_call_is_made_again_with_its_answer() -> None:
    question = Question()
    assert await answered(question.call) == 1


async def test_what_the_answer_refuses_is_refused() -> None:
    question = Question(Forbidden("no"))
    with pytest.raises(Forbidden):
        await answered(question.call)


async def test_nobody_asks_for_ever() -> None:
    tries = 0

    async def ask() -> None:
        pass

    async def never() -> None:
        nonlocal tries
        tries += 1
        raise Unanswered(ask)

    with pytest.raises(InternalError, match="changes faster than webhooks answer"):
        await awaited(never)
    assert tries == MOST_CALLS


async def test_who_begins_anew_finds_what_a_call_has_learned() -> None:
    repeated, made = Repeated(lambda: 0.0), []

    def begin() -> Question:
        made.append(Question())
        return made[-1]

    with pytest.raises(Unanswered) as given_up:
        repeated.call("a", begin, Question.call)
    await given_up.value.ask()
    assert repeated.call("a", begin, Question.call) == 1
    with pytest.raises(Unanswered):  # an answer is for one call
        repeated.call("a", begin, Question.call)
    with pytest.raises(Unanswered):
        repeated.call("b", begin, Question.call)
    assert len(made) == 3


async def test_a_refusal_is_told_at_the_next_call_and_then_forgotten() -> None:
    repeated = Repeated(lambda: 0.0)
    with pytest.raises(Unanswered) as given_up:
        repeated.call("a", lambda: Question(Forbidden("no")), Question.call)
    await given_up.value.ask()
    with pytest.raises(Forbidden):
        repeated.call("a", Question, Question.call)
    with pytest.raises(Unanswered):
        repeated.call("a", Question, Question.call)


async def test_what_is_being_asked_is_not_asked_twice() -> None:
    repeated, question = Repeated(lambda: 0.0), Question()
    question.go.clear()
    with pytest.raises(Unanswered) as first:
        repeated.call("a", lambda: question, Question.call)
    asking = asyncio.ensure_future(first.value.ask())
    await asyncio.sleep(0)
    with pytest.raises(Unanswered) as second:
        repeated.call("a", Question, Question.call)
    waiting = asyncio.ensure_future(second.value.ask())
    question.go.set()
    await asyncio.gather(asking, waiting)
    assert question.asked == 1
    assert repeated.call("a", Question, Question.call) == 1


async def test_a_question_that_nobody_asked_is_put_again() -> None:
    repeated, question = Repeated(lambda: 0.0), Question()
    for _ in range(2):
        with pytest.raises(Unanswered) as given_up:
            repeated.call("a", lambda: question, Question.call)
    await given_up.value.ask()
    assert repeated.call("a", Question, Question.call) == 1


async def test_an_answer_that_nobody_wants_is_not_kept() -> None:
    now = 0.0
    repeated = Repeated(lambda: now)
    with pytest.raises(Unanswered) as given_up:
        repeated.call("a", Question, Question.call)
    await given_up.value.ask()
    now = KEPT + 1
    with pytest.raises(Unanswered):
        repeated.call("a", Question, Question.call)
