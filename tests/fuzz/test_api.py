"""Whatever is sent, the API server answers: with what was asked for, or with a Status that says what is wrong.

`FUZZ_SEED=N FUZZ_REQUESTS=N pytest tests/fuzz` tries other ones than CI does, and as many as wanted.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import traceback
from pathlib import Path

import aiohttp
import pytest
from tests.fuzz.fuzzer import Fuzzer, Sent, manifests
from tests.unit.pocketkube.apiserver.world import World, serving
from yarl import URL

SEED = int(os.environ.get("FUZZ_SEED", "1"))
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "3000"))
UNEXPECTED = b"unexpected error"
"""What the server says of an exception that nobody thought of; other answers with 500 are upstream's, too."""
SLOW = 10.0
"""Seconds; a request that takes this long costs others theirs."""


async def send(world: World, sent: Sent) -> str:
    """What is wrong with the answer, if anything."""
    url = URL(world.url + sent.path, encoded=True)
    async with asyncio.timeout(SLOW):
        async with world.http.request(sent.method, url, data=sent.body, headers=sent.headers) as response:
            text = await response.read()
    if response.status >= 500 and UNEXPECTED in text:
        return f"{response.status} {text[:300]!r}"
    if response.status >= 400 and sent.method != "HEAD" and response.content_type == "application/json":
        status = json.loads(text)
        if status.get("kind") == "Status" and status["code"] != response.status:
            return f"{response.status}, and its Status says {status['code']}"
    return ""


def where(record: logging.LogRecord) -> str:
    """The exception of a log record and where it was raised."""
    assert record.exc_info is not None
    frame = traceback.extract_tb(record.exc_info[2])[-1]
    return f"{record.exc_info[1]!r:.200} at {frame.filename}:{frame.lineno}"


@pytest.mark.parametrize("part", range(4))
async def test_nothing_breaks_the_server(tmp_path: Path, caplog: pytest.LogCaptureFixture, part: int) -> None:
    known, found = manifests(), dict[str, str]()
    async with serving(tmp_path) as world:
        for name in ("test",):
            world.pod(name)
        kinds = [kind for kind in world.registry.resources.values() if not kind.custom]
        for number in range(part, REQUESTS, 4):
            seed = SEED * 1_000_000 + number
            sent = Fuzzer(seed, kinds, known).request()
            try:
                wrong = await send(world, sent)
            except (TimeoutError, aiohttp.ClientError) as error:
                wrong = f"{type(error).__name__} {error}"
            broken = [where(record) for record in caplog.records if record.exc_info]
            caplog.clear()
            if wrong or broken:
                found.setdefault(" ".join(broken) or wrong, f"FUZZ_SEED {SEED}, request {number}: {sent}")
        assert not found, "\n".join(f"{wrong}\n  {sent}" for wrong, sent in found.items())
        assert (await world.get("/readyz"))[0] == 200
