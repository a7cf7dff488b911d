"""curl in a container prints what Debian's curl is on record with; where there is that curl, the record is its own."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.images.conftest import Pod

from pocketkube.clock import Clock
from pocketkube.network import tls
from pocketkube.network.fabric import Fabric
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream

from .curl_cases import CURL, FILES, RECORDED, SCRIPTS, VERSION, Certificates, Connection, by_host, converse, plain

PORT, TLS = 38080, 38443
RECORD = [json.loads(line) for line in RECORDED.read_text().splitlines()]


async def by_pocket(script: str, folder: Path) -> dict[str, Any]:
    """What the tool box image's curl makes of a script."""
    speed = 20 if "--retry" in script and " -m " not in script else 1
    pod = Pod(Fabric(Clock(speed=speed)), "registry.k8s.io/e2e-test-images/agnhost:2.63.0", "10.244.1.2", "box")
    pod.start("sleep", "1000000")
    certificates, seen = Certificates(folder), set[str]()
    pod.fs.write_bytes("/etc/hosts", b"127.0.0.1 localhost\n")
    pod.fs.mkdir("/box")
    for file, content in {**FILES, "ca.pem": certificates.pem}.items():
        pod.fs.write_bytes(f"/box/{file}", content)

    async def one(stream: Stream, context: ssl.SSLContext | None) -> None:
        try:
            wrapped = await tls.server(stream, context) if context else stream
        except (ssl.SSLError, OSError):
            stream.close()
            return
        await converse(Connection(wrapped.read, wrapped.write), seen)
        wrapped.close()

    async def serve(listener: Listener, context: ssl.SSLContext | None) -> None:
        async with asyncio.TaskGroup() as connections:
            async for stream in listener:
                connections.create_task(one(stream, context))

    serving = [
        asyncio.create_task(serve(pod.net.listen(PORT), None)),
        asyncio.create_task(serve(pod.net.listen(TLS), certificates.context)),
    ]
    ran = await pod.sh(f"cd /box\n{script}", U=f"http://127.0.0.1:{PORT}", PORT=str(PORT), TLS=str(TLS))
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)
    return {"script": script, "status": ran.status, "out": plain(ran.out, PORT, TLS), "err": plain(ran.err, PORT, TLS)}


@pytest.mark.parametrize("case", RECORD, ids=[case["script"] for case in RECORD])
async def test_as_recorded(case: dict[str, Any], tmp_path: Path) -> None:
    assert await by_pocket(case["script"], tmp_path) == case


def test_every_script_is_on_record() -> None:
    assert [case["script"] for case in RECORD] == SCRIPTS


def same_curl() -> bool:
    if CURL is None:
        return False
    said = subprocess.run([CURL, "-V"], capture_output=True, text=True, check=False).stdout
    return said.startswith(f"curl {VERSION} ")


@pytest.mark.skipif(not same_curl(), reason=f"no curl {VERSION} on this machine to compare with")
async def test_the_record_is_curls() -> None:
    quick = [case for case in RECORD if "--retry" not in case["script"] and " -m " not in case["script"]]
    sample = quick[::12]
    assert await by_host([case["script"] for case in sample]) == sample
