"""[sig-network] conformance of the Pod network: every node's Pods are reached from Pods and from nodes; host ports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.parity.network.support import Place, at, internal_ip, place, pod, together, workers

from kindlab.api import Api, Obj

HTTP, UDP, FRONT = 8083, 8081, 9080


@pytest.fixture(scope="module")
def servers(api: Api) -> Iterator[tuple[Place, list[Obj]]]:
    """A server on every node, a Pod that dials on demand, and one on a node's own network."""
    net = place(api, "granular-checks")
    probe = {"httpGet": {"path": "/healthz", "port": HTTP}, "periodSeconds": 1}
    args = "netexec", f"--http-port={HTTP}", f"--udp-port={UDP}"
    listed = [
        pod(
            f"netserver-{index}",
            *args,
            readinessProbe=probe,
            nodeSelector={"kubernetes.io/hostname": node["metadata"]["labels"]["kubernetes.io/hostname"]},
        )
        for index, node in enumerate(workers(api)[:10])
    ]
    found = net.start(
        *listed,
        pod("test-container-pod", "netexec", f"--http-port={FRONT}"),
        pod("host-test-container-pod", hostNetwork=True),
    )
    yield net, found[: len(listed)]
    api.delete("Namespace", net.namespace)


def dialled(net: Place, protocol: str, target: str, number: int) -> set[str]:
    """What the dialling Pod hears; its own web server is asked from within, as upstream does."""
    front = at(net.require("Pod", "test-container-pod")["status"]["podIP"], FRONT)
    query = f"request=hostname&protocol={protocol}&host={target}&port={number}&tries=1"
    ran = net.sh("test-container-pod", f"curl -g -q -s 'http://{front}/dial?{query}'")
    return {text.strip() for text in json.loads(ran.out).get("responses") or ()}


@pytest.mark.parametrize(("protocol", "number"), [("http", HTTP), ("udp", UDP)])
def test_intra_pod_communication(servers: tuple[Place, list[Obj]], protocol: str, number: int) -> None:
    """[sig-network] Networking Granular Checks: Pods should function for intra-pod communication: http
    [NodeConformance] [Conformance]
    [sig-network] Networking Granular Checks: Pods should function for intra-pod communication: udp [NodeConformance]
    [Conformance]"""
    net, found = servers
    heard = together(*(lambda o=o: dialled(net, protocol, o["status"]["podIP"], number) for o in found))  # type: ignore[misc]
    assert heard == [{server["metadata"]["name"]} for server in found]


@pytest.mark.parametrize("protocol", ["http", "udp"])
def test_node_pod_communication(servers: tuple[Place, list[Obj]], protocol: str) -> None:
    """[sig-network] Networking Granular Checks: Pods should function for node-pod communication: http [LinuxOnly]
    [NodeConformance] [Conformance]
    [sig-network] Networking Granular Checks: Pods should function for node-pod communication: udp [LinuxOnly]
    [NodeConformance] [Conformance]"""
    net, found = servers

    def heard(server: Obj) -> str:
        ip = server["status"]["podIP"]
        ask = f"curl -g -q -s --max-time 15 --connect-timeout 1 http://{at(ip, HTTP)}/hostName"
        if protocol == "udp":
            ask = f"echo hostName | nc -w 1 -u {ip} {UDP}"
        ran = net.sh("host-test-container-pod", f"{ask} | grep -v '^\\s*$'")
        assert not ran.err
        return ran.out.strip()

    names = together(*(lambda o=o: heard(o) for o in found))  # type: ignore[misc]
    assert names == [server["metadata"]["name"] for server in found]


def test_host_ports_of_one_number(net: Place) -> None:
    """[sig-network] HostPort validates that there is no conflict between pods with same hostPort but different hostIP
    and protocol [LinuxOnly] [Conformance]"""
    node = workers(net.api)[-1]
    name, ip = node["metadata"]["name"], internal_ip(node)
    local, number = ("::1" if ":" in ip else "127.0.0.1"), 54323

    def exposed(called: str, host_ip: str, protocol: str) -> Obj:
        http, args = (8080, ["--udp-port=-1"]) if protocol == "TCP" else (8008, ["--udp-port=8080"])
        ports = [{"hostPort": number, "containerPort": 8080, "protocol": protocol, "hostIP": host_ip}]
        probe = {"httpGet": {"path": "/hostname", "port": http}, "periodSeconds": 1}
        return pod(called, "netexec", f"--http-port={http}", *args, nodeName=name, ports=ports, readinessProbe=probe)

    net.start(
        exposed("pod1", local, "TCP"),
        exposed("pod2", ip, "TCP"),
        exposed("pod3", ip, "UDP"),
        pod("e2e-host-exec", hostNetwork=True, nodeName=name),
    )
    for host, called in ((local, "pod1"), (ip, "pod2")):
        ask = f"curl -g -s --connect-timeout 5 http://{at(host, number)}/hostname"
        assert net.sh_until("e2e-host-exec", ask, seconds=5).out.strip() == called
    ask = f"echo hostname | nc -u -w 2 {ip} {number}"
    assert net.sh_until("e2e-host-exec", ask, seconds=5).out.strip() == "pod3"


def test_a_host_port_is_for_one_pod(net: Place) -> None:
    """Put on a node without asking the scheduler, the second Pod that wants a host port is rejected by the kubelet."""
    node = workers(net.api)[-1]["metadata"]["name"]
    ports = [{"hostPort": 54324, "containerPort": 8080}]
    net.start(pod("first", nodeName=node, ports=ports))
    net.put(pod("second", nodeName=node, ports=ports))
    status = net.wait("Pod", "second", lambda o: o["status"].get("phase") == "Failed")["status"]
    assert status["reason"] == "NodePorts"
    assert "didn't have free ports for the requested pod ports" in status["message"]
