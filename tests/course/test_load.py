"""Requests without a pause, while what they are sent to goes away."""

from __future__ import annotations

import pytest

from kindlab.checks import CouldNotGrade, Guest, LiveLab

pytestmark = pytest.mark.xdist_group("pocket")


def test_requests_under_way_are_lost_with_their_server(live: LiveLab) -> None:
    with live.visitors({"client": Guest(live.namespace), "server": Guest(live.namespace, serves=8080)}) as found:
        client, server = found["client"], found["server"]
        url = f"http://{server.object()['status']['podIP']}:8080"
        with live.load(f"{url}/shell?cmd=sleep+0.2", clients=3, over=0.3, client=client) as load:
            assert client.host.run("ls /tmp/kindlab-load-*/begun-3").rc == 0  # the last of them has begun, too
            live.until(lambda: client.host.run("cat /tmp/kindlab-load-*/1").stdout, bool, timeout=30)
        assert load.replies.ok
        with live.load(f"{url}/shell?cmd=sleep+9", clients=3, timeout=30, client=client) as load:
            live.until(
                lambda: server.host.run("pgrep -c sleep || pgrep sleep | wc -l").stdout.strip(), "3".__eq__, timeout=30
            )
            live.delete_pod(server.pod)
            live.until(
                lambda: client.host.run("cat /tmp/kindlab-load-*/*").stdout,
                lambda out: out.count("--kindlab--") > 2,
                timeout=30,
            )
        assert len(load.replies) > 2
        assert not any(r.ok for r in load.replies)
        assert client.host.run("ls -d /tmp/kindlab-load-*").rc != 0  # nothing is left behind


def test_no_reply_at_all_is_no_verdict(live: LiveLab) -> None:
    with (
        live.visitors({"client": Guest(live.namespace)}) as found,
        pytest.raises(CouldNotGrade, match="have no reply"),
        live.load("http://10.244.199.1/", clients=1, timeout=60, client=found["client"]),
    ):
        pass
