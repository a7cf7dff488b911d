"""Images that use processor and memory without using the machine's."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from pocketkube.images.hpa_example import PAGE_SECONDS
from pocketkube.kubelet.meter import REQUEST
from pocketkube.network.http import Request, Response, serve_forever

HPA = "registry.k8s.io/hpa-example:latest"
CONSUMER = "registry.k8s.io/e2e-test-images/resource-consumer:1.14"
STRESS = "docker.io/polinux/stress:latest"
VISH = "docker.io/vish/stress:latest"
MIB = 1 << 20


def used(place: Any) -> float:
    place.namespace.cpu.settle()
    seconds: float = place.namespace.cgroup.cpu.used
    return seconds


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def serving(place: Any, port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                (await place.net.connect("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                await asyncio.sleep(0.002)


async def test_a_page_takes_its_time_of_a_core(pod: Callable[..., Any]) -> None:
    place = pod(HPA)
    server = place.start("apache2-foreground")
    await server.says("resuming normal operations")
    began, before = place.namespace.clock.monotonic(), used(place)
    answer = await place.get(80, "/")
    assert (answer.status, answer.body) == (200, b"OK!")
    assert answer.header("x-powered-by").startswith("PHP/5")
    assert place.namespace.clock.monotonic() - began >= PAGE_SECONDS
    assert PAGE_SECONDS <= used(place) - before < PAGE_SECONDS + 0.2
    assert (await place.get(80, "/none")).status == 404
    await server.says('"GET /none HTTP/1.1" 404')


async def test_pages_share_what_the_limit_leaves(pod: Callable[..., Any]) -> None:
    place = pod(HPA)
    place.namespace.cgroup.cpu.limit = 0.5
    await place.start("apache2-foreground").says("resuming normal operations")
    began = place.namespace.clock.monotonic()
    await asyncio.gather(*(place.get(80, "/index.php") for _ in range(4)))
    assert place.namespace.clock.monotonic() - began >= 4 * PAGE_SECONDS / 0.5 - 0.01


async def test_apache_ends_when_it_is_told_to(pod: Callable[..., Any]) -> None:
    server = pod(HPA).start("apache2-foreground")
    await server.says("resuming")
    server.process.signal(15)
    assert (await server.ended()).status == 0


async def test_the_consumer_consumes(pod: Callable[..., Any]) -> None:
    place = pod(CONSUMER)
    server = place.start("/consumer")
    await serving(place, 8080)
    form = {"content_type": "application/x-www-form-urlencoded"}
    before, began = used(place), place.namespace.clock.monotonic()
    answer = await place.get(8080, "/ConsumeCPU?millicores=500&durationSec=60", method="POST")
    assert (answer.status, answer.body) == (200, b"ConsumeCPU\n500 millicores\n60 durationSec\n")
    await server.says("ConsumeCPU millicores: 500, durationSec: 60")
    await until(lambda: used(place) - before >= 1.9)
    # half a core, started a tenth of a second early
    assert used(place) - before <= 0.5 * (place.namespace.clock.monotonic() - began) + 0.2
    answer = await place.get(8080, "/ConsumeMem", method="POST", body=b"megabytes=100&durationSec=300", **form)
    assert answer.body == b"ConsumeMem\n100 megabytes\n300 durationSec\n"
    await until(lambda: place.namespace.cgroup.memory > 100 * MIB)


@pytest.mark.parametrize(
    ("method", "target", "status", "text"),
    [
        ("GET", "/ConsumeCPU", 400, "Bad request. Not a POST request\n"),
        ("POST", "/ConsumeCPU?millicores=1", 400, "not given function argument\n"),
        ("POST", "/ConsumeCPU?millicores=x&durationSec=1", 400, "incorrect function argument\n"),
        ("POST", "/Else", 404, "unknown function: /Else\n"),
        ("POST", "/GetCurrentStatus", 200, "Warning: not implemented!\nGetCurrentStatus"),
        ("POST", "/BumpMetric?metric=Q&delta=7&durationSec=1", 200, "BumpMetric\nQ metric\n7 delta\n1 durationSec\n"),
    ],
)  # fmt: skip
async def test_the_consumer_answers(pod: Callable[..., Any], method: str, target: str, status: int, text: str) -> None:
    place = pod(CONSUMER)
    place.start("/consumer")
    await serving(place, 8080)
    answer = await place.get(8080, target, method=method)
    assert (answer.status, answer.body.decode()) == (status, text)


async def test_a_metric_goes_up_and_down_again(pod: Callable[..., Any]) -> None:
    place = pod(CONSUMER)
    place.start("/consumer")
    await serving(place, 8080)
    await place.get(8080, "/BumpMetric?metric=QPS&delta=7&durationSec=2", method="POST")
    shown = (await place.get(8080, "/metrics")).body
    assert shown == b"# HELP QPS info message.\n# TYPE QPS gauge\nQPS 7.000000\n"
    async with asyncio.timeout(20):
        while (await place.get(8080, "/metrics")).body != shown.replace(b"7.0", b"0.0"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_stress_holds_memory_and_computes_until_its_time_is_over(pod: Callable[..., Any]) -> None:
    place = pod(STRESS)
    running = place.start("stress", "--cpu", "2", "--vm", "1", "--vm-bytes", "150M", "--vm-hang", "1", "-t", "4s")
    await until(lambda: place.namespace.cgroup.memory > 150 * MIB)
    ran = await running.ended()
    assert ran.status == 0
    first, second = ran.out.splitlines()
    assert first == "stress: info: [1] dispatching hogs: 2 cpu, 0 io, 1 vm, 0 hdd"
    assert re.fullmatch(r"stress: info: \[1\] successful run completed in \d+s", second)
    assert used(place) >= 2 * 3.9


async def test_stress_says_what_it_does_not_understand(pod: Callable[..., Any]) -> None:
    place = pod(STRESS)
    assert (await place.run("stress", "--none")).err == "stress: FAIL: [1] unrecognized option: --none\n"
    assert (await place.run("stress", "--hdd", "1")).status == 1
    assert "Usage: stress" in (await place.run("stress")).out


async def test_threads_that_compute(pod: Callable[..., Any]) -> None:
    place = pod(VISH)
    running = place.start("/stress", "-cpus", "2", "-mem-total", "8Mi", "-mem-alloc-size", "4Mi")
    await running.says('Allocated "8Mi" memory')
    began, before = place.namespace.clock.monotonic(), used(place)
    await until(lambda: used(place) - before >= 1)
    assert used(place) - before <= 2 * (place.namespace.clock.monotonic() - began) + 1e-6
    assert place.namespace.cgroup.memory >= 8 * MIB
    assert place.namespace.cgroup.cpu.limit == math.inf


async def test_a_server_computes_a_little_for_every_answer(pod: Callable[..., Any]) -> None:
    place, other = pod("docker.io/hashicorp/http-echo:1.0"), pod()
    place.start("/http-echo", "-text=hello")
    await serving(place, 5678)
    before = used(place)
    for _ in range(10):
        assert (await place.get(5678, "/")).body == b"hello\n"
    await until(lambda: used(place) - before >= 10 * REQUEST)
    assert used(other) == 0


async def test_what_is_to_be_consumed_is_spread_in_requests_of_a_size(pod: Callable[..., Any]) -> None:
    place = pod("registry.k8s.io/e2e-test-images/agnhost:2.63.0")
    place.start("/agnhost", "resource-consumer-controller", "--consumer-service-name=c", "--port=9090")
    await serving(place, 9090)
    place.fs.write_bytes("/etc/resolv.conf", b"search default.svc.example svc.example example\n")
    place.fs.write_bytes("/etc/hosts", f"{place.net.address} c.default.svc.example\n".encode())
    target = "/ConsumeCPU?millicores=250&requestSizeMillicores=100&durationSec=1"
    plan = "RC manager: sending 2 requests to consume 100 millicores each and 1 request to consume 50 millicores"
    first, *failed = (await place.get(9090, target, method="POST")).body.decode().splitlines()
    assert first == plan
    why = 'Failed to connect to consumer: Post "http://c.default.svc.example:8080/ConsumeCPU": connection refused'
    assert failed == [why] * 3
    asked: list[str] = []

    async def consume(request: Request) -> Response:
        asked.append(request.body.decode())
        return Response(200, body=b"")

    serving_task = asyncio.create_task(serve_forever(place.net.listen(8080), consume))
    _, *done = (await place.get(9090, target, method="POST")).body.decode().splitlines()
    assert sorted(done) == ["Consumed 100 millicores", "Consumed 100 millicores", "Consumed 50 millicores"]
    expected = [f"durationSec=1&millicores={amount}" for amount in (100, 100, 50)]
    assert sorted(asked) == expected
    serving_task.cancel()
    for wrong, code, text in (
        ("/ConsumeMem?megabytes=1&durationSec=1", 400, "not given function argument\n"),
        ("/ConsumeMem?megabytes=1&durationSec=1&requestSizeMegabytes=0", 400, "incorrect function argument\n"),
        ("/Else", 404, "unknown function\n"),
    ):
        answer = await place.get(9090, wrong, method="POST")
        assert (answer.status, answer.body.decode()) == (code, text)


@pytest.mark.parametrize(
    ("image", "words", "text"),
    [
        (VISH, ["/stress", "-cpus", "100000000"], "at most 512 threads compute in this cluster"),
        (VISH, ["/stress", "-mem-total", "1Gi", "-mem-alloc-size", "0"], "chunks have a size"),
        (STRESS, ["stress", "--cpu", "1000000000"], "fork failed: Resource temporarily unavailable"),
    ],
)
async def test_more_than_there_can_be_is_refused(
    pod: Callable[..., Any], image: str, words: list[str], text: str
) -> None:
    """A hundred million threads stopped the API server and filled the machine's memory."""
    running = pod(image).start(*words)
    ended = await running.ended()
    assert ended.status in (1, 255)
    assert text in ended.err


async def test_a_controller_sends_no_endless_number_of_requests(pod: Callable[..., Any]) -> None:
    place = pod("registry.k8s.io/e2e-test-images/agnhost:2.63.0")
    place.start("/agnhost", "resource-consumer-controller", "--consumer-service-name=c", "--port=9090")
    await serving(place, 9090)
    target = "/ConsumeCPU?millicores=999999999999999&requestSizeMillicores=1&durationSec=1"
    answer = await place.get(9090, target, method="POST")
    assert (answer.status, b"at most 1000" in answer.body) == (400, True)
