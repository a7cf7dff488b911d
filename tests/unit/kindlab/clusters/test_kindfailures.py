"""What kind and the engines say, explained. RECORDED is what dockerd 20.10.24 said to docker 28.2.2; the other texts
are from documentation, sources and issue threads."""

from __future__ import annotations

import pytest

from kindlab.clusters import kindfailures

INIT = "ERROR: failed to create cluster: failed to init node with kubeadm: command ... exit status 1\nCommand Output: "
PULL = "failed to pull image kindest/node\nError response from daemon: "

RECORDED = [
    (
        'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on '
        "10.255.255.53:53: no such host",
        "cannot be reached",
    ),
    (
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint happy_hertz "
        "(2914b6e8c4e8): Error starting userland proxy: listen tcp4 127.0.0.1:18765: bind: address already in use",
        "used by another program",
    ),
    (
        "docker: Error response from daemon: driver failed programming external connectivity on endpoint dazzling "
        "(06e38eedd4e6): Bind for 127.0.0.1:18766 failed: port is already allocated",
        "used by another program",
    ),
    (
        "Cannot connect to the Docker daemon at unix:///tmp/docker.sock. Is the docker daemon running?",
        "it does not run",
    ),
]
SAID = [
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", "not run"),
    ("dial unix /var/run/docker.sock: connect: permission denied", "may not speak to it"),
    (PULL + "toomanyrequests: You have reached your unauthenticated pull rate limit.", "pull more for now"),
    (PULL + 'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host', "reached"),
    (PULL + "net/http: TLS handshake timeout", "cannot be reached"),
    (PULL + 'Get "https://registry-1.docker.io/v2/": proxyconnect tcp: dial tcp: i/o timeout', "proxy of your network"),
    (PULL + "x509: certificate signed by unknown authority", "certificate of its own"),
    (PULL + "manifest for kindest/node:v9 not found: manifest unknown", "does not have that image"),
    (PULL + "failed to register layer: no space left on device", "is full"),
    ("Bind for 127.0.0.1:8080 failed: port is already allocated", "used by another program"),
    ("listen tcp4 127.0.0.1:80: bind: address already in use", "used by another program"),
    ("rootlessport cannot expose privileged port 80", "belong to the administrator"),
    ("could not find an available, non-overlapping IPv4 address pool among the defaults", "range of addresses"),
    ("iptables failed: No chain/target/match by that name", "firewall"),
    (INIT + "failed to create fsnotify watcher: too many open files", "watch too few files"),
    (INIT + "kubelet is configured to not run on a host using cgroup v1", "cgroup v1"),
    ("ERROR: running kind with rootless provider requires cgroup v2, see https://kind.sigs.k8s.io", "cgroup v1"),
    ('running kind with rootless provider requires setting systemd property "Delegate=yes"', "may not limit memory"),
    (INIT + "runtime: cannot allocate memory", "not enough memory"),
    ('node(s) already exist for a cluster with the name "kindlab"', "there already"),
    ('could not find a log line that matches "Reached target .*Multi-User System.*"', "did not start up"),
    (
        "Error response from daemon: no suitable export target found: image with reference nginx:1.27 was found but "
        "does not provide the specified platform (linux/amd64)",
        "is not whole",
    ),
    (INIT + 'Get "https://x:6443/healthz": dial tcp 172.18.0.2:6443: connect: connection refused', "in time"),
    ("ERROR: unable to decode config: strict decoding error", "does not take the configuration"),
]


@pytest.mark.parametrize(("raw", "why"), SAID, ids=[why for _, why in SAID])
def test_known_words(raw: str, why: str) -> None:
    problem = kindfailures.explained("It failed.", raw, engine="docker", name="kindlab")
    assert why in problem.why.splitlines()[0]
    assert problem.then
    assert "{" not in problem.then


@pytest.mark.parametrize(("raw", "why"), RECORDED)
def test_recorded_words(raw: str, why: str) -> None:
    pulling = "registry-1" in raw
    problem = kindfailures.explained("It failed.", raw, engine="docker", name="kindlab", pulling=pulling)
    assert why in problem.why.splitlines()[0]


def test_unknown_words_are_shown_with_the_way_to_find_out_more() -> None:
    problem = kindfailures.explained("It failed.", "the moon", engine="podman", name="mine", log="/x/create.log")
    assert problem.why == "kindlab does not know these words. It was said (all of it: /x/create.log):\n  the moon"
    assert "kindlab doctor" in problem.then


def test_the_words_of_a_broken_line_mean_nothing_where_no_image_was_pulled() -> None:
    assert kindfailures.known("dial tcp 172.18.0.2:6443: i/o timeout") is None
    assert kindfailures.explained("x", "i/o timeout", engine="docker", name="a", pulling=True).why.startswith("The reg")


def test_the_tail_is_plain_and_short() -> None:
    raw = "".join(f"line {n}\r\n\n" for n in range(20)) + " \x1b[31m✗\x1b[0m Preparing nodes\n"
    assert kindfailures.tail(raw, 3) == "line 18\nline 19\n ✗ Preparing nodes"


def test_kinds_own_word_stands_before_what_a_node_said_at_length() -> None:
    raw = "ERROR: failed to create cluster: exit status 1\n\nCommand Output:\n" + "I1122 kubeadm\n" * 50
    assert kindfailures.tail(raw, 2) == (
        "ERROR: failed to create cluster: exit status 1\n...\nI1122 kubeadm\nI1122 kubeadm"
    )


def test_rootless_podman_may_only_have_lost_the_line_that_kind_waits_for() -> None:
    raw = 'ERROR: failed to create cluster: could not find a log line that matches "Reached target .*Multi-User"'
    then = kindfailures.explained("x", raw, engine="podman", name="a").then
    assert 'log_driver = "k8s-file"' in then


def test_every_way_out_can_be_filled_in() -> None:
    for found in (*kindfailures.ANYWHERE, *kindfailures.PULLING, *kindfailures.CREATING):
        for text in (found.why, found.then):
            assert "{" not in text.format(engine="docker", name="kindlab")
