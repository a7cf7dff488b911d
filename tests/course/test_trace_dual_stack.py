"""`kindlab why` where Services have addresses of both IP families: each is asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.course.test_trace import broken, deployment, put, service, why

from kindlab.api import Api
from kindlab.checks.live import LiveLab
from kindlab.clusters.pocket import Pocket

BOTH = {"ipFamilyPolicy": "RequireDualStack"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A dual-stack cluster of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(tmp_path_factory.mktemp("dual-home")))
        cluster = Pocket("dual", ip_family="dual", http_port=0, https_port=0)
        try:
            yield cluster.up(lambda text: None).api()
        finally:
            cluster.down(lambda text: None)


def test_both_families_are_resolved_and_asked(live: LiveLab) -> None:
    put(live, service(**BOTH), deployment())
    path = why(live)
    assert path.broken is None
    four, six = live.require("Service", "web")["spec"]["clusterIPs"]
    dns, *answers = (hop.evidence for hop in path.hops[-3:])
    assert dns.endswith(f" resolves to {four}, {six}")
    assert answers == [f"port 80 answered 24 of 24 requests over {family}" for family in ("IPv4", "IPv6")]


def test_a_server_that_listens_by_one_family_only(live: LiveLab) -> None:
    conf = "server { listen 0.0.0.0:8080; location / { return 200 hello; } }"
    start = f"echo '{conf}' > /etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'"
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    put(live, service(**BOTH), deployment(image="nginx:1.27", args=["sh", "-c", start], readinessProbe=probe))
    path = why(live)
    assert path.hops[-2].evidence.endswith("requests over IPv4")
    hop, evidence = broken(path)
    assert hop == "Answer"
    assert "connections to web:80 over IPv6 failed: connection refused" in evidence


def test_a_service_of_one_family_is_asked_once(live: LiveLab) -> None:
    put(live, service(), deployment())
    path = why(live)
    assert [hop.evidence for hop in path.hops if hop.name == "Answer"] == ["port 80 answered 24 of 24 requests"]
