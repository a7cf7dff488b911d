"""When containers start, are ready, are restarted and end: probes, hooks, init containers.

After upstream's conformance tests (test/e2e/common/node: container_probe, lifecycle_hook, init_container)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from tests.parity.network.support import AGNHOST, BUSYBOX, START, Place, pod
from tests.parity.node.support import FOREVER, event, logs, over, printing, restarts, status_of

from kindlab.api import Obj
from kindlab.conditions import is_ready

UNWELL = "touch /tmp/health; sleep 3; rm /tmp/health; sleep 600"
CHECK = {"exec": {"command": ["cat", "/tmp/health"]}, "periodSeconds": 1, "failureThreshold": 1}


def probed(*args: str, command: list[str] | None = None, **probes: Any) -> Obj:
    container: Obj = {"name": "main", "image": AGNHOST, **probes}
    if command:
        container |= {"image": BUSYBOX, "command": command}
    else:
        container["args"] = list(args)
    return pod("p", containers=[container])


def restarted(live: Obj) -> bool:
    return restarts(live) > 0


@pytest.mark.parametrize(
    "made",
    [
        probed(command=["sh", "-c", UNWELL], livenessProbe=CHECK),
        probed("liveness", livenessProbe={"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1}),
        probed(
            "grpc-health-checking",
            "--delay-unhealthy-sec=3",
            livenessProbe={"grpc": {"port": 5000}, "periodSeconds": 1, "failureThreshold": 1},
        ),
        probed("pause", livenessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 1}),
        probed("pause", livenessProbe={"grpc": {"port": 2333}, "periodSeconds": 1, "failureThreshold": 1}),
    ],
    ids=["exec", "http", "grpc", "tcp", "grpc-closed"],
)
def test_an_unwell_container_is_restarted(here: Place, made: Obj) -> None:
    here.put(made)
    here.wait("Pod", "p", restarted, timeout=START)
    event(here, "p", "Unhealthy", "Liveness probe failed")
    event(here, "p", "Killing", "Container main failed liveness probe, will be restarted")


@pytest.mark.parametrize(
    "made",
    [
        probed(command=["sh", "-c", f"touch /tmp/health; {FOREVER}"], livenessProbe=CHECK),
        probed("netexec", livenessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 1}),
        probed("netexec", livenessProbe={"httpGet": {"path": "/hostname", "port": 8080}, "periodSeconds": 1}),
        probed("grpc-health-checking", livenessProbe={"grpc": {"port": 5000}, "periodSeconds": 1}),
        probed(
            "netexec",
            "--http-port=8443",
            "--tls-cert-file=/localhost.crt",
            "--tls-private-key-file=/localhost.key",
            livenessProbe={"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1},
        ),
    ],
    ids=["exec", "tcp", "http", "grpc", "https"],
)
def test_a_well_container_is_left_alone(here: Place, made: Obj) -> None:
    made["spec"]["containers"][0]["readinessProbe"] = made["spec"]["containers"][0]["livenessProbe"]
    here.start(made)
    assert here.sh_until("p", "sleep 3; echo waited").ok
    live = here.require("Pod", "p")
    assert (restarts(live), status_of(live)["ready"]) == (0, True)


def test_not_ready_before_the_initial_delay(here: Place) -> None:
    probe = {"exec": {"command": ["true"]}, "initialDelaySeconds": 4, "periodSeconds": 1}
    here.put(probed(command=["sh", "-c", FOREVER], readinessProbe=probe))
    live = here.wait("Pod", "p", is_ready, timeout=START)
    began = datetime.fromisoformat(status_of(live)["state"]["running"]["startedAt"])
    ready = next(c for c in live["status"]["conditions"] if c["type"] == "Ready")["lastTransitionTime"]
    assert (datetime.fromisoformat(ready) - began).total_seconds() >= 3
    assert restarts(live) == 0


def test_never_ready_and_never_restarted(here: Place) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    here.put(probed(command=["sh", "-c", FOREVER], readinessProbe=probe))
    event(here, "p", "Unhealthy", "Readiness probe failed")
    live = here.require("Pod", "p")
    assert not is_ready(live)
    assert restarts(live) == 0


def test_redirects_of_probes(here: Place) -> None:
    away = {"httpGet": {"path": "/redirect?loc=http%3A%2F%2F0.0.0.0%2F", "port": 8080}, "periodSeconds": 1}
    near = {"httpGet": {"path": "/redirect?loc=%2Fstarted", "port": 8080}, "periodSeconds": 1}
    here.start(probed("liveness", livenessProbe=away, readinessProbe=near))
    event(here, "p", "ProbeWarning", 'Probe terminated redirects, Response body: <a href="http://0.0.0.0/">Found</a>.')


def test_other_probes_wait_for_the_startup_probe(here: Place) -> None:
    startup = {"exec": {"command": ["cat", "/tmp/started"]}, "periodSeconds": 1, "failureThreshold": 60}
    liveness = {"exec": {"command": ["cat", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    here.put(probed(command=["sh", "-c", FOREVER], startupProbe=startup, livenessProbe=liveness))
    event(here, "p", "Unhealthy", "Startup probe failed")
    live = here.require("Pod", "p")
    assert (status_of(live)["started"], restarts(live)) == (False, 0)
    assert here.sh("p", "touch /tmp/alive /tmp/started").ok
    here.wait("Pod", "p", is_ready)
    assert restarts(here.require("Pod", "p")) == 0


def listening(here: Place) -> str:
    """A server that hooks may ask; its address."""
    here.start(pod("server", "netexec"))
    return str(here.require("Pod", "server")["status"]["podIP"])


@pytest.mark.parametrize("moment", ["postStart", "preStop"])
@pytest.mark.parametrize("kind", ["exec", "httpGet"])
def test_hooks(here: Place, moment: str, kind: str) -> None:
    address = listening(here)
    hook: Obj = {"httpGet": {"host": address, "port": 8080, "path": f"/echo?msg={moment}"}}
    if kind == "exec":
        hook = {"exec": {"command": ["sh", "-c", f"wget -qO- http://{address}:8080/echo?msg={moment}"]}}
    made = pod("p", image=BUSYBOX, command=["sh", "-c", FOREVER], lifecycle={moment: hook})
    made["spec"]["terminationGracePeriodSeconds"] = 15
    here.start(made)
    if moment == "preStop":
        assert f"msg={moment}" not in logs(here, "server")
        here.api.delete("Pod", "p", here.namespace)
        here.gone("Pod", name="p")
    here.sh_until("server", "echo asked")
    assert moment in logs(here, "server")


def test_a_hook_that_fails(here: Place) -> None:
    hook = {"exec": {"command": ["sh", "-c", "exit 1"]}}
    here.put(pod("p", image=BUSYBOX, command=["sh", "-c", FOREVER], lifecycle={"postStart": hook}))
    event(here, "p", "FailedPostStartHook")
    here.wait("Pod", "p", restarted, timeout=START)


def inits(*scripts: str) -> list[Obj]:
    return [
        {"name": f"init{number}", "image": BUSYBOX, "command": ["sh", "-c", script]}
        for number, script in enumerate(scripts, 1)
    ]


@pytest.mark.parametrize("policy", ["Never", "Always"])
def test_init_containers_run_one_after_the_other(here: Place, policy: str) -> None:
    script = "true" if policy == "Never" else FOREVER
    made = printing("p", script, initContainers=inits("true", "true"))
    made["spec"]["restartPolicy"] = policy
    here.put(made)
    live = over(here, "p") if policy == "Never" else here.wait("Pod", "p", is_ready, timeout=START)
    found = live["status"]["initContainerStatuses"]
    assert [(status["ready"], status["state"]["terminated"]["exitCode"]) for status in found] == [(True, 0)] * 2
    first, second = (status["state"]["terminated"] for status in found)
    assert first["finishedAt"] <= second["startedAt"]
    assert next(c for c in live["status"]["conditions"] if c["type"] == "Initialized")["status"] == "True"


def test_nothing_starts_after_an_init_container_that_fails(here: Place) -> None:
    made = printing("p", "true", initContainers=inits("false", "true"))
    made["spec"]["restartPolicy"] = "Always"
    here.put(made)
    live = here.wait("Pod", "p", lambda live: restarts_of_init(live) >= 1, timeout=START)
    assert "waiting" in status_of(live)["state"]
    assert "waiting" in status_of(live, "init2", "initContainerStatuses")["state"]
    assert live["status"]["phase"] == "Pending"
    initialized = next(c for c in live["status"]["conditions"] if c["type"] == "Initialized")
    assert (initialized["status"], initialized["reason"]) == ("False", "ContainersNotInitialized")


def restarts_of_init(live: Obj) -> int:
    return int(status_of(live, "init1", "initContainerStatuses").get("restartCount", 0))


def test_an_init_container_that_fails_fails_a_pod_that_never_restarts(here: Place) -> None:
    here.put(printing("p", "true", initContainers=inits("true", "false")))
    live = over(here, "p", "Failed")
    assert status_of(live, "init2", "initContainerStatuses")["state"]["terminated"]["exitCode"] == 1
    assert "waiting" in status_of(live)["state"]


def test_sidecars_run_before_and_after(here: Place) -> None:
    sidecar = {"name": "side", "image": BUSYBOX, "restartPolicy": "Always", "command": ["sh", "-c", FOREVER]}
    here.put(printing("p", "true", initContainers=[sidecar]))
    live = over(here, "p")
    assert "terminated" in status_of(live, "side", "initContainerStatuses")["state"]
