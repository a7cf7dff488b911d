"""Probes of running pods: what they change, and what they say when they fail."""

from __future__ import annotations

from typing import Any

from pocketkube import objects


def unhealthy(node: Any, name: str) -> str | None:
    return next((message for _, reason, message in node.events(name) if reason == "Unhealthy"), None)


async def test_readiness_follows_what_the_server_answers(node: Any) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": "web"}, "periodSeconds": 1, "failureThreshold": 1}
    node.create(
        "web",
        {
            "command": ["serve", "8080", "/status"],
            "ports": [{"name": "web", "containerPort": 8080}],
            "readinessProbe": probe,
        },
    )
    await node.ready("web")
    await node.exec("web", "put", "/status", "404")
    await node.until(lambda: objects.condition_status(node.pod("web"), "Ready") == "False")
    assert unhealthy(node, "web") == "Readiness probe failed: HTTP probe failed with statuscode: 404"
    condition = objects.condition(node.pod("web"), "ContainersReady")
    assert condition is not None
    assert condition["message"] == "containers with unready status: [c]"
    assert node.container("web")["started"] is True
    assert node.container("web")["restartCount"] == 0


async def test_texts_of_connections_refused(node: Any) -> None:
    node.create("http", {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}})
    node.create("tcp", {"readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1}})
    http, tcp = (await node.until(lambda: unhealthy(node, "http"))), (await node.until(lambda: unhealthy(node, "tcp")))
    ip = objects.status(node.pod("http"))["podIP"]
    assert http == (
        f'Readiness probe failed: Get "http://{ip}:8080/healthz": dial tcp {ip}:8080: connect: connection refused'
    )
    ip = objects.status(node.pod("tcp"))["podIP"]
    assert tcp == f"Readiness probe failed: dial tcp {ip}:8080: connect: connection refused"
    assert node.container("http")["ready"] is False


async def test_failing_liveness_restarts_the_container(node: Any) -> None:
    probe = {"exec": {"command": ["cat", "/nope"]}, "periodSeconds": 1, "failureThreshold": 2}
    node.create("live", {"livenessProbe": probe})
    await node.until(lambda: node.container("live").get("restartCount") == 1)
    assert unhealthy(node, "live") == "Liveness probe failed: cat: can't open '/nope': No such file or directory\n"
    assert ("Normal", "Killing", "Container c failed liveness probe, will be restarted") in node.events("live")
    ended = node.container("live")["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")


async def test_other_probes_wait_for_the_startup_probe(node: Any) -> None:
    node.create(
        "slow",
        {
            "startupProbe": {"exec": {"command": ["cat", "/started"]}, "periodSeconds": 1, "failureThreshold": 300},
            "livenessProbe": {"exec": {"command": ["cat", "/alive"]}, "periodSeconds": 1, "failureThreshold": 1},
        },
    )
    await node.until(lambda: unhealthy(node, "slow"))
    assert unhealthy(node, "slow").startswith("Startup probe failed: ")
    assert node.container("slow")["started"] is False
    assert node.container("slow")["restartCount"] == 0
    await node.exec("slow", "put", "/alive", "yes")
    await node.exec("slow", "put", "/started", "yes")
    await node.ready("slow")
    assert node.container("slow")["started"] is True


async def test_failed_startup_probe_restarts(node: Any) -> None:
    node.create("slow", {"startupProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}})
    await node.until(lambda: node.container("slow").get("restartCount") == 1)
    assert ("Normal", "Killing", "Container c failed startup probe, will be restarted") in node.events("slow")


async def test_an_exec_probe_that_takes_too_long(node: Any) -> None:
    node.create("hang", {"readinessProbe": {"exec": {"command": ["wait"]}, "timeoutSeconds": 1, "periodSeconds": 1}})
    text = await node.until(lambda: unhealthy(node, "hang"))
    assert text == 'Readiness probe failed: command timed out: "wait" timed out after 1s'


async def test_a_program_that_is_not_there(node: Any) -> None:
    node.create("none", {"readinessProbe": {"exec": {"command": ["nosuch"]}, "periodSeconds": 1}})
    text = await node.until(lambda: unhealthy(node, "none"))
    assert text.startswith("Readiness probe errored and resulted in unknown state: rpc error: code = Unknown desc = ")
    assert text.endswith('exec: "nosuch": executable file not found in $PATH: unknown')
