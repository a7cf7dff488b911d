"""Probes of running pods: what they change, and what they say when they fail."""

from __future__ import annotations

from typing import Any

import pytest

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


async def test_grpc_health(node: Any) -> None:
    probe = {"grpc": {"port": 5000, "service": "s"}, "periodSeconds": 1, "failureThreshold": 1}
    node.create("well", {"command": ["health", "5000", "s"], "readinessProbe": probe})
    await node.ready("well")
    node.create("unwell", {"command": ["health", "5000", "s", "unwell"], "readinessProbe": probe})
    node.create("other", {"command": ["health", "5000", "t"], "readinessProbe": probe})
    node.create("none", {"command": ["serve", "5000"], "readinessProbe": probe})
    node.create("closed", {"readinessProbe": probe})
    for name, text in {
        "unwell": 'service unhealthy (responded with "NOT_SERVING")',
        "other": "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
    }.items():
        assert await node.until(lambda name=name: unhealthy(node, name)) == f"Readiness probe failed: {text}"
    assert (await node.until(lambda: unhealthy(node, "none"))).startswith("Readiness probe failed: error: health rpc ")
    ip = await node.until(lambda: objects.status(node.pod("closed")).get("podIP"))
    text = f'timeout: failed to connect service "{ip}:5000" within 1s: context deadline exceeded'
    assert await node.until(lambda: unhealthy(node, "closed")) == f"Readiness probe failed: {text}"


async def test_https_is_asked_without_looking_at_the_certificate(node: Any) -> None:
    probe = {"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1}
    node.create("tls", {"command": ["secure", "8443"], "readinessProbe": probe})
    await node.ready("tls")
    node.create("plain", {"command": ["serve", "8443"], "readinessProbe": probe})
    said = await node.until(lambda: unhealthy(node, "plain"))
    ip = objects.status(node.pod("plain"))["podIP"]
    text = f'Get "https://{ip}:8443/": http: server gave HTTP response to HTTPS client'
    assert said == f"Readiness probe failed: {text}"


async def test_redirects_are_followed_on_the_same_host_only(node: Any) -> None:
    def asking(path: str) -> dict[str, Any]:
        return {"httpGet": {"path": path, "port": 80}, "periodSeconds": 1, "failureThreshold": 1}

    node.create("here", {"command": ["redirect", "80"], "readinessProbe": asking("/go?/missing")})
    said = await node.until(lambda: unhealthy(node, "here"))
    assert said == "Readiness probe failed: HTTP probe failed with statuscode: 404"
    node.create("away", {"command": ["redirect", "80"], "livenessProbe": asking("/go?http://192.0.2.1/")})
    told = await node.until(lambda: [e for e in node.events("away") if e[1] == "ProbeWarning"])
    assert told[0][2] == "Liveness probe warning: Probe terminated redirects, Response body: moved"
    node.create("round", {"command": ["redirect", "80"], "readinessProbe": asking("/go?/loop")})
    said = await node.until(lambda: unhealthy(node, "round"))
    assert said == 'Readiness probe failed: Get "/loop": stopped after 10 redirects'


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("http://[::1/", "failed to parse Location header"),
        ("http://{ip}:99999/", "failed to parse Location header"),
        ("ftp://{ip}/", 'unsupported protocol scheme "ftp"'),
    ],
)
async def test_a_redirect_that_leads_nowhere_is_a_failure_and_probing_goes_on(node: Any, place: str, text: str) -> None:
    """What is probed could end its own liveness probe for good."""
    probe = {"httpGet": {"path": "/go", "port": 80}, "periodSeconds": 1, "failureThreshold": 1}
    node.create("p", {"command": ["redirect", "80", place], "livenessProbe": probe})
    assert text in await node.until(lambda: unhealthy(node, "p"))
    await node.until(lambda: node.container("p").get("restartCount"))


async def test_a_path_that_is_no_urls_is_escaped(node: Any) -> None:
    node.create("p", {"command": ["redirect", "80"], "readinessProbe": {"httpGet": {"path": "/a b\u00e9", "port": 80}}})
    await node.ready("p")
    await node.logged("p", "GET /a%20b%C3%A9 kube-probe/1.36\n")


async def test_headers_of_a_probe(node: Any) -> None:
    action = {"path": "/", "port": 80, "httpHeaders": [{"name": "User-Agent", "value": "me"}]}
    node.create("web", {"command": ["redirect", "80"], "readinessProbe": {"httpGet": action}})
    await node.ready("web")
    await node.logged("web", "GET / me\n")


async def test_a_probes_own_grace_period(node: Any) -> None:
    probe = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1, "terminationGracePeriodSeconds": 3}
    node.create("p", {"command": ["wait", "stubborn"], "livenessProbe": probe}, terminationGracePeriodSeconds=3600)
    await node.until(lambda: node.container("p").get("restartCount") == 1)
    assert node.container("p")["lastState"]["terminated"]["exitCode"] == 137


async def test_a_command_that_takes_too_long(node: Any) -> None:
    probe = {"exec": {"command": ["wait", "stubborn"]}, "timeoutSeconds": 2, "periodSeconds": 1}
    node.create("p", {"readinessProbe": probe})
    said = await node.until(lambda: unhealthy(node, "p"))
    assert said == 'Readiness probe failed: command timed out: "wait stubborn" timed out after 2s'


async def test_a_hook_that_asks_a_plain_server_for_https(node: Any) -> None:
    hook = {"httpGet": {"path": "/hook", "port": 80, "scheme": "HTTPS"}}
    node.create("server", {"command": ["redirect", "80"]})
    await node.ready("server")
    ip = objects.status(node.pod("server"))["podIP"]
    hook["httpGet"]["host"] = ip
    node.create("p", {"lifecycle": {"preStop": hook}})
    await node.ready("p")
    node.client.delete("pods", ("default", "p"))
    await node.gone("p")
    await node.logged("server", "GET /hook kube-lifecycle/1.36\n")
    text = f"request to HTTPS lifecycle hook {ip}:80 got HTTP response, retry with HTTP succeeded"
    assert ("Warning", "LifecycleHTTPFallback", text) in node.events("p")
