"""Service account tokens in volumes: renewed before they end, and kept while they cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.kubelet.world import Node

from pocketkube.clock import Clock
from pocketkube.objects import Obj
from pocketkube.store import Store

LIFE = 600
"""Seconds: the shortest the API takes."""


class Tokens:
    """Tells in the token which one it is, and writes down when it was asked for."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[float] = []
        self.news = asyncio.Event()

    def issue(self, account: Obj, *, seconds: int, **options: Any) -> tuple[str, float]:
        self.asked.append(self.clock.time())
        self.news.set()
        return f"token {len(self.asked)}", self.clock.time() + seconds

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def fast(tmp_path: Path) -> AsyncIterator[Node]:
    """A node where ten minutes take two seconds."""
    made = Node(tmp_path / "node", Store(None), Clock(300))
    made.kubelet.services = {"tokens": Tokens(made.clock)}
    await made.start()
    yield made
    await made.stop()


async def with_token(node: Node) -> None:
    source = {"serviceAccountToken": {"path": "token", "expirationSeconds": LIFE}}
    node.create(
        "p",
        {"volumeMounts": [{"name": "t", "mountPath": "/t"}]},
        volumes=[{"name": "t", "projected": {"sources": [source]}}],
        automountServiceAccountToken=False,
    )
    await node.ready("p")
    assert await node.exec("p", "cat", "/t/token") == (0, "token 1")


async def test_a_token_is_renewed_after_four_fifths_of_its_life(fast: Node) -> None:
    tokens: Any = fast.kubelet.services["tokens"]
    await with_token(fast)
    await tokens.until(3)
    for before, after in zip(tokens.asked, tokens.asked[1:], strict=False):
        assert after - before >= 0.8 * LIFE - 10
    shown = (await fast.exec("p", "cat", "/t/token"))[1]
    assert shown in ("token 2", "token 3")
    assert fast.container("p")["restartCount"] == 0


async def test_a_token_stays_while_it_cannot_be_renewed(fast: Node) -> None:
    tokens: Any = fast.kubelet.services["tokens"]
    await with_token(fast)
    fast.client.delete("serviceaccounts", ("default", "default"))
    await fast.until(lambda: [text for _, reason, text in fast.events("p") if reason == "FailedMount"])
    text = next(text for _, reason, text in fast.events("p") if reason == "FailedMount")
    assert text == (
        'MountVolume.SetUp failed for volume "t" : token of token expired and refresh failed: '
        'failed to fetch token: serviceaccounts "default" not found'
    )
    assert fast.clock.time() - tokens.asked[0] >= LIFE
    assert await fast.exec("p", "cat", "/t/token") == (0, "token 1")
    meta = {"name": "default", "namespace": "default"}
    fast.client.create("serviceaccounts", {"metadata": meta})
    await tokens.until(2)
