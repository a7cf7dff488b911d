"""However many come at once, few pass in one round, in the order of coming."""

from __future__ import annotations

import asyncio

from pocketkube.kubelet.turnstile import WIDTH, Turnstile


async def test_so_many_pass_in_a_round_in_the_order_of_coming() -> None:
    turnstile, rounds = Turnstile(4), 0
    passed: list[tuple[int, int]] = []

    async def come(number: int) -> None:
        await turnstile.enter()
        passed.append((rounds, number))

    async with asyncio.TaskGroup() as comers:
        for number in range(50):
            comers.create_task(come(number))
        while len(passed) < 50:
            rounds += 1
            await asyncio.sleep(0)
    assert [number for _, number in passed] == list(range(50))
    each = [sum(when == number for when, _ in passed) for number in range(rounds + 1)]
    assert max(each) == 4
    assert rounds < 2 * 50 / 4 + 4  # nobody waits longer than need be


async def test_who_gives_up_takes_nobodys_turn() -> None:
    turnstile = Turnstile(1)
    first, given_up, *others = [asyncio.create_task(turnstile.enter()) for _ in range(4)]
    await asyncio.sleep(0)
    given_up.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(first, *others)
    assert given_up.cancelled()


async def test_nothing_is_left_to_do_when_nobody_comes() -> None:
    turnstile = Turnstile()
    for _ in range(3 * WIDTH):
        await turnstile.enter()
    for _ in range(4):
        await asyncio.sleep(0)
    assert not turnstile.is_counting
