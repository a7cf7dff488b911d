from ipaddress import IPv4Address, IPv6Address

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.network.dns import Zone, reversed_address
from pocketkube.network.dns_message import read

from .conftest import World, at

WEB = "web.lab.svc.cluster.local"
SETTINGS = {"cluster_domain": "cluster.local", "dns_ip": "10.96.0.10"}


@pytest.fixture
def zone(world: World) -> Zone:
    for name in ("lab", "default", "kube-system"):
        world.apply("namespaces", {"metadata": {"name": name}})
    zone = Zone(world.client, SETTINGS)
    ports = [{"name": "http", "port": 80}, {"name": "metrics", "port": 9090}]
    world.service("web", "10.96.77.1", *ports, {"name": "dns", "port": 53, "protocol": "UDP"})
    world.service("one", "10.96.77.2", {"port": 80})
    world.service("hl", "None", {"name": "http", "port": 80})
    here = [at("10.244.1.2"), at("10.244.1.3", hostname="alpha"), at("10.244.1.4", ready=False, hostname="late")]
    world.slice("hl", *here, ports=[{"name": "http", "port": 8080}])
    return zone


def dig(zone: Zone, name: str, qtype: str = "A", *, over_tcp: bool = False, edns: int = 0) -> DNSRecord:
    query = DNSRecord.question(name, qtype)
    if edns:
        query.add_ar(EDNS0(udp_len=edns))
    return DNSRecord.parse(zone.answer(query.pack(), over_tcp=over_tcp))


def seen(response: DNSRecord) -> set[tuple[str, str, str]]:
    return {(str(r.rname), QTYPE[r.rtype], str(r.rdata)) for r in response.rr}


def nxdomain(response: DNSRecord) -> bool:
    return response.header.rcode == RCODE.NXDOMAIN and not response.rr and _soa(response)


def nodata(response: DNSRecord) -> bool:
    return response.header.rcode == RCODE.NOERROR and not response.rr and _soa(response)


def _soa(response: DNSRecord) -> bool:
    (soa,) = response.auth
    return (str(soa.rname), soa.ttl) == ("cluster.local.", 30)


def test_a_service_address_with_coredns_flags(zone: Zone) -> None:
    response = dig(zone, WEB)
    assert seen(response) == {(f"{WEB}.", "A", "10.96.77.1")}
    header = response.header
    assert (header.qr, header.aa, header.rd, header.ra, response.rr[0].ttl) == (1, 1, 1, 0, 30)


def test_the_case_of_the_question_is_kept(zone: Zone) -> None:
    assert seen(dig(zone, "Web.LAB.svc.cluster.local")) == {("Web.LAB.svc.cluster.local.", "A", "10.96.77.1")}


@pytest.mark.parametrize("qtype", ["AAAA", "TXT", "MX", "ANY", "CNAME"])
def test_an_existing_name_without_such_a_record_is_nodata(zone: Zone, qtype: str) -> None:
    assert nodata(dig(zone, WEB, qtype))


@pytest.mark.parametrize("name", ["cluster.local", "svc.cluster.local", "lab.svc.cluster.local", "pod.cluster.local"])
def test_the_levels_above_a_service_exist_without_data(zone: Zone, name: str) -> None:
    assert nodata(dig(zone, name))


@pytest.mark.parametrize(
    "name",
    [
        "nope.lab.svc",
        "web.default.svc",
        "web.nowhere.svc",
        "nowhere.svc",
        "web.lab",
        "a.b.web.lab.svc",
        "*.lab.svc",
        "web-0.web.lab.svc",
        "_nope._tcp.web.lab.svc",
        "_http._udp.web.lab.svc",
        "_80._tcp.web.lab.svc",
        "late.hl.lab.svc",
        "10-244-1-9.hl.lab.svc",
        "10-244-1-9.nowhere.pod",
        "not-an-address.lab.pod",
    ],
)
def test_names_that_do_not_exist(zone: Zone, name: str) -> None:
    assert nxdomain(dig(zone, f"{name}.cluster.local"))
    assert nxdomain(dig(zone, f"{name}.cluster.local", "SRV"))


def test_srv_of_a_service_and_of_one_port(zone: Zone) -> None:
    response = dig(zone, WEB, "SRV")
    assert {str(r.rdata) for r in response.rr} == {f"0 33 {p} {WEB}." for p in (80, 9090, 53)}
    assert [(str(r.rname), str(r.rdata)) for r in response.ar] == [(f"{WEB}.", "10.96.77.1")]
    assert seen(dig(zone, f"_http._tcp.{WEB}", "SRV")) == {(f"_http._tcp.{WEB}.", "SRV", f"0 100 80 {WEB}.")}
    assert seen(dig(zone, "_._tcp.one.lab.svc.cluster.local", "SRV"))


def test_headless_names_are_the_ready_endpoints(zone: Zone) -> None:
    name = "hl.lab.svc.cluster.local"
    assert {str(r.rdata) for r in dig(zone, name).rr} == {"10.244.1.2", "10.244.1.3"}
    targets = {f"0 50 8080 10-244-1-2.{name}.", f"0 50 8080 alpha.{name}."}
    assert {str(r.rdata) for r in dig(zone, name, "SRV").rr} == targets
    assert {str(r.rdata) for r in dig(zone, f"alpha.{name}").rr} == {"10.244.1.3"}
    assert {str(r.rdata) for r in dig(zone, f"10-244-1-2.{name}").rr} == {"10.244.1.2"}


def test_a_headless_service_without_ready_endpoints_does_not_exist(world: World, zone: Zone) -> None:
    world.slice("hl", at("10.244.1.2", ready=False), ports=[{"name": "http", "port": 8080}])
    assert nxdomain(dig(zone, "hl.lab.svc.cluster.local"))
    world.delete("endpointslices", "lab", "hl-1")
    assert nxdomain(dig(zone, "hl.lab.svc.cluster.local"))


def test_a_headless_service_without_ports_has_addresses_and_no_srv(world: World, zone: Zone) -> None:
    world.service("np", "None")
    world.slice("np", at("10.244.1.2"), ports=[])
    assert {str(r.rdata) for r in dig(zone, "np.lab.svc.cluster.local").rr} == {"10.244.1.2"}
    assert nodata(dig(zone, "np.lab.svc.cluster.local", "SRV"))


def test_pod_records_answer_for_any_address_of_an_existing_namespace(zone: Zone) -> None:
    assert {str(r.rdata) for r in dig(zone, "10-244-9-9.lab.pod.cluster.local").rr} == {"10.244.9.9"}


def test_reverse_names(world: World, zone: Zone) -> None:
    assert {str(r.rdata) for r in dig(zone, "1.77.96.10.in-addr.arpa", "PTR").rr} == {f"{WEB}."}
    alpha = dig(zone, "3.1.244.10.in-addr.arpa", "PTR")
    assert {str(r.rdata) for r in alpha.rr} == {"alpha.hl.lab.svc.cluster.local."}
    nameless = dig(zone, "2.1.244.10.in-addr.arpa", "PTR")
    assert {str(r.rdata) for r in nameless.rr} == {"10-244-1-2.hl.lab.svc.cluster.local."}
    assert dig(zone, "99.1.244.10.in-addr.arpa", "PTR").header.rcode == RCODE.NXDOMAIN
    world.delete("services", "lab", "web")
    assert dig(zone, "1.77.96.10.in-addr.arpa", "PTR").header.rcode == RCODE.NXDOMAIN


def test_external_names(world: World, zone: Zone) -> None:
    def external(name: str, target: str) -> None:
        world.service(name, "", type="ExternalName", externalName=target)

    external("out", "example.com")
    external("gone", "nope.example.com")
    external("inside", WEB)
    external("chain", "inside.lab.svc.cluster.local")
    external("missing", "absent.lab.svc.cluster.local")
    external("self", "self.lab.svc.cluster.local")
    external("address", "192.0.2.99")

    def answers(name: str, qtype: str = "A") -> list[tuple[str, str]]:
        return [(QTYPE[r.rtype], str(r.rdata)) for r in dig(zone, f"{name}.lab.svc.cluster.local", qtype).rr]

    assert answers("out") == [("CNAME", "example.com."), ("A", "192.0.2.10")]
    assert answers("out", "CNAME") == answers("out", "AAAA") == [("CNAME", "example.com.")]
    assert answers("gone") == [("CNAME", "nope.example.com.")]
    assert answers("inside") == [("CNAME", f"{WEB}."), ("A", "10.96.77.1")]
    assert [kind for kind, _ in answers("chain")] == ["CNAME", "CNAME", "A"]
    for empty in ("missing", "self"):
        assert nodata(dig(zone, f"{empty}.lab.svc.cluster.local"))
    assert nodata(dig(zone, "inside.lab.svc.cluster.local", "AAAA"))
    assert nodata(dig(zone, "out.lab.svc.cluster.local", "SRV"))
    assert nxdomain(dig(zone, "address.lab.svc.cluster.local"))


def test_changes_show_at_once(world: World, zone: Zone) -> None:
    world.delete("services", "lab", "web")
    assert nxdomain(dig(zone, WEB))
    world.service("web", "10.96.77.5", {"port": 80})
    assert {str(r.rdata) for r in dig(zone, WEB).rr} == {"10.96.77.5"}
    assert {str(r.rdata) for r in dig(zone, "5.77.96.10.in-addr.arpa", "PTR").rr} == {f"{WEB}."}


def test_the_zone_itself(zone: Zone) -> None:
    assert [QTYPE[r.rtype] for r in dig(zone, "cluster.local", "SOA").rr] == ["SOA"]
    servers = dig(zone, "cluster.local", "NS")
    assert str(servers.rr[0].rdata) == "kube-dns.kube-system.svc.cluster.local."
    assert str(servers.ar[0].rdata) == "10.96.0.10"
    assert str(dig(zone, "dns-version.cluster.local", "TXT").rr[0].rdata) == '"1.1.0"'


def test_there_is_no_outside(zone: Zone) -> None:
    response = dig(zone, "kubernetes.io")
    assert (response.header.rcode, str(response.auth[0].rname)) == (RCODE.NXDOMAIN, ".")


def test_long_answers_are_truncated_over_udp_only(world: World, zone: Zone) -> None:
    world.slice("hl", *(at(f"10.244.2.{i}") for i in range(1, 101)), ports=[{"name": "http", "port": 80}])
    name = "hl.lab.svc.cluster.local"
    short = dig(zone, name)
    assert short.header.tc == 1
    assert 0 < len(short.rr) < 100
    assert len(zone.answer(DNSRecord.question(name).pack(), over_tcp=False)) <= 512
    assert len(dig(zone, name, edns=4096).rr) == len(dig(zone, name, over_tcp=True).rr) == 100


def test_answers_are_as_long_as_coredns_sends_them(zone: Zone) -> None:
    # names are not compressed while the answer fits: 12 header, 31 question, 27 + 14 answer
    assert len(zone.answer(DNSRecord.question(WEB).pack(), over_tcp=False)) == 12 + 31 + 27 + 14


@given(st.binary(max_size=60))
def test_garbage_is_answered_or_ignored_never_raised(data: bytes) -> None:
    zone = Zone(World().client, SETTINGS)
    response = zone.answer(data, over_tcp=False)
    assert response == b"" or response[:2] == data[:2]


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="."), min_size=1, max_size=20), max_size=6))
def test_any_name_has_an_answer(labels: list[str]) -> None:
    zone = Zone(World().client, SETTINGS)
    answer = zone.resolve([*labels, "cluster", "local"], QTYPE.A)
    assert answer.rcode in (RCODE.NOERROR, RCODE.NXDOMAIN)


def test_addresses_of_both_families(world: World, zone: Zone) -> None:
    both = ["10.96.0.70", "fd00:10:96::70"]
    world.service("both", both[0], {"name": "http", "port": 80}, clusterIPs=both)
    name = "both.lab.svc.cluster.local"
    assert [str(r.rdata) for r in dig(zone, name).rr] == [both[0]]
    assert [str(IPv6Address(str(r.rdata))) for r in dig(zone, name, "AAAA").rr] == [both[1]]
    srv = dig(zone, f"_http._tcp.{name}", "SRV")
    assert [str(r.rdata) for r in srv.rr] == [f"0 50 80 {name}."]
    assert {QTYPE.get(r.rtype) for r in srv.ar} == {"A", "AAAA"}
    assert nodata(dig(zone, WEB, "AAAA"))  # a name of one family has nothing of the other, and exists


def test_headless_endpoints_of_both_families(world: World, zone: Zone) -> None:
    world.service("two", "None", {"name": "http", "port": 80})
    ports = [{"name": "http", "port": 80}]
    world.slice("two", at("10.244.1.9"), at("10.244.1.8", hostname="alpha"), ports=ports)
    six = [at("fd00:10:244:1::9"), at("fd00:10:244:1::8", hostname="alpha"), at("fd00:10:244:1::")]
    world.slice("two", *six, ports=ports, name="two-6", addressType="IPv6")
    name = "two.lab.svc.cluster.local"
    assert {str(r.rdata) for r in dig(zone, name).rr} == {"10.244.1.9", "10.244.1.8"}
    assert len(dig(zone, name, "AAAA").rr) == 3
    assert len(dig(zone, f"alpha.{name}", "AAAA").rr) == len(dig(zone, f"alpha.{name}").rr) == 1
    targets = {str(r.rdata).split()[-1] for r in dig(zone, f"_http._tcp.{name}", "SRV").rr}
    assert targets == {f"{label}.{name}." for label in ("10-244-1-9", "alpha", "fd00-10-244-1--9", "fd00-10-244-1--0")}
    assert len(dig(zone, f"fd00-10-244-1--9.{name}", "AAAA").rr) == 1


def test_pod_records_of_ipv6(zone: Zone) -> None:
    found = dig(zone, "fd00-10-244-1--9.lab.pod.cluster.local", "AAAA")
    assert [str(IPv6Address(str(r.rdata))) for r in found.rr] == ["fd00:10:244:1::9"]
    assert nodata(dig(zone, "fd00-10-244-1--9.lab.pod.cluster.local"))
    assert nodata(dig(zone, "10-244-9-9.lab.pod.cluster.local", "AAAA"))
    assert dig(zone, "not-an-address.lab.pod.cluster.local", "AAAA").header.rcode == RCODE.NXDOMAIN


@given(st.ip_addresses())
def test_every_address_has_one_reverse_name(address: IPv4Address | IPv6Address) -> None:
    labels = address.reverse_pointer.split(".")
    assert reversed_address(labels) == str(address)
    assert reversed_address(labels[1:]) is None


@given(st.lists(st.ip_addresses(), min_size=1, max_size=8, unique=True))
def test_the_reverse_names_of_services(addresses: list[IPv4Address | IPv6Address]) -> None:
    world = World()
    world.apply("namespaces", {"metadata": {"name": "lab"}})
    zone = Zone(world.client, SETTINGS)
    for number, address in enumerate(addresses):
        world.service(f"s{number}", str(address), {"port": 80})
    for number, address in enumerate(addresses):
        found = dig(zone, address.reverse_pointer, "PTR")
        assert [str(r.rdata) for r in found.rr] == [f"s{number}.lab.svc.cluster.local."]
    world.delete("services", "lab", "s0")
    assert dig(zone, addresses[0].reverse_pointer, "PTR").header.rcode == RCODE.NXDOMAIN


def test_the_name_servers_addresses_are_the_services(world: World, zone: Zone) -> None:
    both = ["10.96.0.10", "fd00:10:96::a"]
    world.service("kube-dns", both[0], {"port": 53}, namespace="kube-system", clusterIPs=both)
    assert {QTYPE.get(r.rtype) for r in dig(zone, "cluster.local", "NS").ar} == {"A", "AAAA"}


def test_a_message_that_came_before_is_a_record_of_its_own() -> None:
    packed = bytes(DNSRecord.question(WEB).pack())
    first, second = read(b"\x01\x02" + packed[2:]), read(b"\x03\x04" + packed[2:])
    assert (first.header.id, second.header.id) == (0x0102, 0x0304)
    assert str(first.q) == str(second.q) == str(DNSRecord.parse(packed).q)
