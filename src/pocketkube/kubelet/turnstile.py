"""How many may begin something in one round of the event loop: what keeps a thousand probes from being late together.

Each has its time limit. Begun all at once on a machine that is too slow for them, they would all pass it, and so would
those that follow; begun one after the other they are good, and only rarer than asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque

WIDTH = 16


class Turnstile:
    """`await turnstile.enter()` lets `width` pass in a round; who comes later waits, in the order of coming."""

    def __init__(self, width: int = WIDTH) -> None:
        self._width = width
        self._passed = 0
        self._counting = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_counting(self) -> bool:
        """Whether it has something to do in the next round."""
        return self._counting

    async def enter(self) -> None:
        if self._waiting or self._passed >= self._width:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
            return
        self._passed += 1
        self._count()

    def _count(self) -> None:
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._next_round)

    def _next_round(self) -> None:
        self._counting = False
        self._passed = 0
        while self._waiting and self._passed < self._width:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._passed += 1
        if self._passed:
            self._count()
