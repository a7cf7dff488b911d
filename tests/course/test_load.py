"""Requests without a pause, while what they are sent to goes away."""

from __future__ import annotations

import pytest

from kindlab.checks import TIMED_OUT, CouldNotGrade, Guest, LiveLab

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


def test_a_block_too_short_for_any_reply_is_no_verdict(live: LiveLab) -> None:
    serving = {"slow": Guest(live.namespace, serves=8080), "client": Guest(live.namespace)}
    with live.visitors(serving) as found:
        url = f"http://{found['slow'].object()['status']['podIP']}:8080/shell?cmd=sleep+1"
        with (
            pytest.raises(CouldNotGrade, match=r"could not hear of any reply from http://.* in time"),
            live.load(url, clients=1, timeout=10, client=found["client"]),
        ):
            pass


def test_who_never_answers_has_lost_a_request(live: LiveLab) -> None:
    with live.visitors({"client": Guest(live.namespace)}) as found:
        with live.load("http://10.244.199.1/", clients=1, timeout=2, client=found["client"]) as load:
            pass
        assert [reply.exit for reply in load.replies] == [TIMED_OUT]
