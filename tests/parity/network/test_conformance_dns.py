"""[sig-network] conformance of DNS: a Pod with two images (musl and glibc) asks over and over and writes down what it
found; its web server shows the results, through the API server's proxy."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from secrets import token_hex
from time import monotonic, sleep
from typing import Any

import pytest
from tests.parity.network.support import AGNHOST, GLIBC, START, Place, pod, port, service

from kindlab.api import ApiError, Obj

DOMAIN = "cluster.local"
QUERIER, DNS_SERVICE = "dns-querier-1", "dns-test-service"


def probe(prefix: str, names: Iterable[str] = (), hosts: Iterable[str] = (), ptr: str = "") -> tuple[str, list[str]]:
    """A script that tries everything once a second, and the files it writes OK into. `$$`: Kubernetes makes it `$`."""
    steps, files = [], []

    def dig(question: str, label: str) -> None:
        for how, protocol in (("+notcp", "udp"), ("+tcp", "tcp")):
            files.append(f"{prefix}_{protocol}@{label}")
            steps.append(
                f'check="$$(dig {how} +noall +answer +search {question})" && test -n "$$check" '
                f"&& echo OK > /results/{files[-1]}"
            )

    for name in names:
        dig(f"{name} {'SRV' if name.startswith('_') else 'A'}", name)
    for name in hosts:
        files.append(f"{prefix}_hosts@{name}")
        steps.append(f'test -n "$$(getent hosts {name})" && echo OK > /results/{files[-1]}')
    if ptr:
        dig(f"{ip_address(ptr).reverse_pointer}. PTR", f"{ptr}-PTR")
    return "for i in `seq 1 600`; do " + "; ".join(steps) + "; sleep 1; done", files


def querier(scripts: dict[str, str], hostname: str = QUERIER, subdomain: str = DNS_SERVICE, **spec: Any) -> Obj:
    mounts = [{"name": "results", "mountPath": "/results"}]
    containers = [{"name": "webserver", "image": AGNHOST, "args": ["test-webserver"], "volumeMounts": mounts}]
    for name, image in (("agnhost", AGNHOST), ("glibc", GLIBC)):
        command = ["sh", "-c", scripts[name]]
        containers.append({"name": f"{name}-querier", "image": image, "command": command, "volumeMounts": mounts})
    volumes = [{"name": "results", "emptyDir": {}}]
    return pod(
        f"dns-test-{token_hex(4)}",
        containers=containers,
        volumes=volumes,
        hostname=hostname,
        subdomain=subdomain,
        **spec,
    )


def result(net: Place, name: str, file: str) -> str | None:
    """A result file, as the Pod's web server sends it; None while there is none."""
    try:
        answer = net.request("GET", f"{net.path('Pod', name)}/proxy/results/{file}", stream=True, accept="*/*")
    except ApiError:
        return None
    with answer:
        return str(answer.data.decode()).strip()


def expect(net: Place, asking: Obj, files: list[str], text: str = "OK", *, seconds: float = 60) -> None:
    """Create the Pod and wait until all its results are `text`."""
    net.put(asking)
    name = asking["metadata"]["name"]
    net.wait("Pod", name, lambda o: o["status"].get("phase") == "Running", timeout=START)
    deadline, missing = monotonic() + seconds, dict[str, str | None]()
    while True:
        missing = {file: found for file in files if (found := result(net, name, file)) != text}
        if not missing:
            break
        assert monotonic() < deadline, f"after {seconds:.0f} s these are not {text}: {missing}"
        sleep(0.2)  # files show up in no watch
    net.api.delete("Pod", name, net.namespace, grace=0)


def expect_names(
    net: Place,
    names: Iterable[str] = (),
    hosts: Iterable[str] = (),
    ptr: str = "",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> None:
    """Both images find every name."""
    probes = {image: probe(image, names, hosts, ptr) for image in ("agnhost", "glibc")}
    asking = querier({image: script for image, (script, _) in probes.items()}, **spec)
    asking["metadata"]["labels"] = labels or {}
    expect(net, asking, [file for _, files in probes.values() for file in files])


def test_dns_for_the_cluster(net: Place) -> None:
    """[sig-network] DNS should provide DNS for the cluster [Conformance]"""
    expect_names(net, [f"kubernetes.default.svc.{DOMAIN}"])


def test_partial_names_of_the_cluster(net: Place) -> None:
    """[sig-network] DNS should resolve DNS of partial qualified names for the cluster [LinuxOnly]"""
    hosts = [f"{QUERIER}.{DNS_SERVICE}.{net.namespace}.svc.{DOMAIN}", QUERIER]
    expect_names(net, ["kubernetes.default", "kubernetes.default.svc"], hosts)


def test_etc_hosts_entries_for_the_cluster(net: Place) -> None:
    """[sig-network] DNS should provide /etc/hosts entries for the cluster [Conformance]"""
    expect_names(net, hosts=[f"{QUERIER}.{DNS_SERVICE}.{net.namespace}.svc.{DOMAIN}", QUERIER])


def two_services(net: Place) -> str:
    """A headless one that the querier belongs to, and a regular one, whose address is returned."""
    chosen = {"dns-test": "true"}
    _, regular = net.put(
        service(DNS_SERVICE, port(80, name="http"), selector=chosen, clusterIP="None"),
        service("test-service-2", port(80, name="http"), selector=chosen),
    )
    return str(regular["spec"]["clusterIP"])


def test_dns_for_services(net: Place) -> None:
    """[sig-network] DNS should provide DNS for services [Conformance]"""
    ip, end = two_services(net), f"{net.namespace}.svc.{DOMAIN}"
    names = [f"{DNS_SERVICE}.{end}", f"_http._tcp.{DNS_SERVICE}.{end}", f"_http._tcp.test-service-2.{end}"]
    expect_names(net, names, ptr=ip, labels={"dns-test": "true"})


def test_partial_names_of_services(net: Place) -> None:
    """[sig-network] DNS should resolve DNS of partial qualified names for services [LinuxOnly] [Conformance]"""
    ip, here = two_services(net), net.namespace
    names = [
        DNS_SERVICE,
        f"{DNS_SERVICE}.{here}",
        f"{DNS_SERVICE}.{here}.svc",
        f"_http._tcp.{DNS_SERVICE}.{here}.svc",
        f"_http._tcp.test-service-2.{here}.svc",
    ]
    expect_names(net, names, ptr=ip, labels={"dns-test": "true"})


def headless(net: Place) -> dict[str, str]:
    """A headless Service for the subdomain dns-test-service-2; the labels of its Pods."""
    chosen = {"dns-test-hostname-attribute": "true"}
    net.put(service("dns-test-service-2", port(80, name="http"), selector=chosen, clusterIP="None"))
    return chosen


def test_dns_for_pods_by_hostname(net: Place) -> None:
    """[sig-network] DNS should provide DNS for pods for Hostname [Conformance]"""
    labels, own = headless(net), {"hostname": "dns-querier-2", "subdomain": "dns-test-service-2"}
    full = f"dns-querier-2.dns-test-service-2.{net.namespace}.svc.{DOMAIN}"
    expect_names(net, hosts=[full, "dns-querier-2"], labels=labels, **own)


def test_dns_for_pods_by_subdomain(net: Place) -> None:
    """[sig-network] DNS should provide DNS for pods for Subdomain [Conformance]"""
    labels, own = headless(net), {"hostname": "dns-querier-2", "subdomain": "dns-test-service-2"}
    end = f"dns-test-service-2.{net.namespace}.svc.{DOMAIN}"
    expect_names(net, [f"dns-querier-2.{end}", end], labels=labels, **own)


def test_dns_for_externalname_services(net: Place) -> None:
    """[sig-network] DNS should provide DNS for ExternalName services [Conformance]"""
    name = "dns-test-service-3"
    full = f"{name}.{net.namespace}.svc.{DOMAIN}"
    external = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    net.put({**external, "spec": {"type": "ExternalName", "externalName": "foo.example.com"}})

    def told(record: str, text: str) -> None:
        scripts = {
            image: f"for i in `seq 1 30`; do dig +short {full} {record} > /results/{image}; sleep 1; done"
            for image in ("agnhost", "glibc")
        }
        expect(net, querier(scripts), list(scripts), text)

    told("CNAME", "foo.example.com.")
    net.update("Service", name, externalName="bar.example.com")
    told("CNAME", "bar.example.com.")
    ports = [{"port": 80, "name": "http", "protocol": "TCP"}]
    changed = net.update("Service", name, type="ClusterIP", ports=ports)  # externalName stays, as upstream leaves it
    ip = changed["spec"]["clusterIP"]
    told("AAAA" if ":" in ip else "A", ip)


def test_configurable_nameservers(net: Place) -> None:
    """[sig-network] DNS should support configurable pod DNS nameservers [Conformance]"""
    config = {"nameservers": ["1.1.1.1"], "searches": ["resolv.conf.local"]}
    net.start(pod("test-dns-nameservers", dnsPolicy="None", dnsConfig=config))
    assert "resolv.conf.local" in net.run("test-dns-nameservers", "/agnhost", "dns-suffix").out
    assert "1.1.1.1" in net.run("test-dns-nameservers", "/agnhost", "dns-server-list").out


LONG = [f"{n:038d}.k8s.io" for n in range(1, 7)]  # 260 characters


@pytest.mark.parametrize("searches", [LONG, [".", "myservice.default._svc.cluster.local"]], ids=["long", "odd"])
def test_unusual_search_paths(net: Place, searches: list[str]) -> None:
    """[sig-network] DNS should work with the pod containing more than 6 DNS search paths and longer than 256 search
    list characters
    [sig-network] DNS should work with a search path containing an underscore and a search path with a single dot"""
    config = {"searches": searches, "options": [{"name": "ndots", "value": "5"}]}
    hosts = [f"{QUERIER}.{DNS_SERVICE}.{net.namespace}.svc.{DOMAIN}", QUERIER]
    expect_names(net, ["kubernetes.default", "kubernetes.default.svc"], hosts, dnsConfig=config)
