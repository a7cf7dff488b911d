"""Each check of `kindlab doctor` against a machine of the test's own making; nothing of this one shows."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kindlab import doctor, tools
from kindlab.clusters import kindconfig, kindrecord
from kindlab.clusters.kindrecord import CREATING, READY, Record
from kindlab.computer import Computer
from kindlab.doctor import Facts, Finding, Level, examine
from kindlab.doctor.checks import (
    cgroup,
    clock,
    current,
    disk,
    engine,
    inotify,
    leftovers,
    memory,
    network,
    ports,
    proxy,
    rootless,
    snap,
    versions,
    wsl,
)
from kindlab.doctor.finding import Check, note, ok, problem
from kindlab.engines import Engine
from kindlab.engines.client import Answer
from kindlab.errors import Problem

GIB = 1 << 30
HOME = Path("/home/ana/state")
DOCKER = Engine("docker", "/usr/bin/docker", "28.2.2", cgroup=2, cpus=4, memory=16 * GIB, root="/var/lib/docker")
DESKTOP = Engine("docker", "docker", "29.2.0", "Docker Desktop", cgroup=2, cpus=4, memory=8 * GIB, virtual=True)
STOPPED = Engine("docker", "/usr/bin/docker", problem="docker is installed but not running", then="start docker")
MAC, WINDOWS, WSL = Computer("darwin", systemd=False), Computer("win32", systemd=False), Computer(wsl=True)


def facts(*engines: Engine, files: dict[str, str] | None = None, **more: Any) -> Facts:
    return Facts(home=more.pop("home", HOME), engines=engines, read=lambda path: (files or {}).get(path, ""), **more)


def says(answers: dict[str, str]) -> Callable[..., Answer]:
    """`ask` that knows commands by a word in them."""

    def ask(*command: str) -> Answer:
        found = next((out for word, out in answers.items() if word in " ".join(command)), None)
        return Answer(None) if found is None else Answer(0, found)

    return ask


def only(check: Any, given: Facts, level: Level) -> Finding:
    """The one finding of that level; every problem and note of it has a fix."""
    found: list[Finding] = [f for f in check.look(given) if f.level is level]
    assert len(found) == 1, found
    if level is not Level.OK:
        assert found[0].fix
    return found[0]


def fine(check: Any, given: Facts) -> str:
    """What it says when all is well, in one short line."""
    found: list[Finding] = list(check.look(given))
    assert [f.level for f in found] == [Level.OK], found
    assert len(found[0].says) < 70
    return found[0].says


# -- engine


def test_no_engine_is_a_problem_of_kind_with_where_to_get_one() -> None:
    found = only(engine, facts(), Level.PROBLEM)
    assert found.says == "no container engine is installed"
    assert "docs.docker.com" in found.fix
    assert "colima" in only(engine, facts(computer=MAC), Level.PROBLEM).fix


def test_an_engine_that_the_user_names_and_that_is_not_there() -> None:
    found = only(engine, facts(environment={"KIND_EXPERIMENTAL_PROVIDER": "podman"}), Level.PROBLEM)
    assert found.says == "podman, which KIND_EXPERIMENTAL_PROVIDER names, is not installed"
    assert found.fix == "unset KIND_EXPERIMENTAL_PROVIDER"


def test_an_engine_that_cannot_be_used_says_why_and_what_to_do() -> None:
    found = only(engine, facts(STOPPED), Level.PROBLEM)
    assert (found.says, found.fix) == (STOPPED.problem, STOPPED.then)


def test_an_engine_that_works() -> None:
    assert fine(engine, facts(DOCKER)) == "docker 28.2.2"


def test_podman_beside_a_docker_that_does_not_run_is_used_and_said_to_be_experimental() -> None:
    podman = Engine("podman", "/usr/bin/podman", "5.8.6", cgroup=2)
    found = list(engine.look(facts(STOPPED, podman)))
    assert [f.level for f in found] == [Level.OK, Level.NOTE, Level.NOTE]
    assert found[1].says == "docker is installed but not running; podman 5.8.6 is used instead"
    assert "experimental" in found[2].says


def test_images_in_containerd_are_a_trap_for_kind_load() -> None:
    found = only(engine, facts(Engine("docker", "docker", "29.0", containerd_images=True)), Level.NOTE)
    assert "kind#3795" in found.breaks
    assert found.fix.startswith("docker save --platform linux/")


def test_an_init_of_dockers_own_keeps_nodes_from_starting() -> None:
    files = {"/etc/docker/daemon.json": '{"init": true}'}
    assert "telinit" in only(engine, facts(DOCKER, files=files), Level.PROBLEM).breaks
    fine(engine, facts(DOCKER, files={"/etc/docker/daemon.json": '{"init": fal'}))
    fine(engine, facts(DESKTOP, computer=MAC, files=files))


# -- what the machine has


def test_cgroup_v1_is_a_problem_since_kubernetes_1_35() -> None:
    old = Engine("docker", "docker", "28", cgroup=1)
    fix = only(cgroup, facts(old), Level.PROBLEM).fix
    assert "sudo update-grub" in fix  # Debian, Ubuntu
    assert "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1" in fix
    fix = only(cgroup, facts(old, computer=WSL), Level.PROBLEM).fix
    assert "wsl --update" in fix
    assert ".wslconfig" in fix
    assert fine(cgroup, facts(DOCKER)) == "cgroup v2"
    assert list(cgroup.look(facts(STOPPED))) == []


def meminfo(total: float, free: float) -> dict[str, str]:
    return {"/proc/meminfo": f"MemTotal: {int(total * (1 << 20))} kB\nMemAvailable:  {int(free * (1 << 20))} kB\n"}


def test_enough_memory() -> None:
    assert fine(memory, facts(DOCKER, files=meminfo(16, 9))) == "16.0 GB of memory, 9.0 GB free"


@pytest.mark.parametrize(
    ("size", "level"), [(1.9, Level.PROBLEM), (3.5, Level.NOTE)], ids=["too little", "hardly enough"]
)
def test_too_little_memory_for_the_nodes(size: float, level: Level) -> None:
    small = Engine("docker", "docker", "28", cpus=2, memory=int(size * GIB))
    found = only(memory, facts(small, files=meminfo(16, 9)), level)
    assert found.says == f"kind's nodes have {size} GB of memory"
    assert found.clusters == ("kind",)


@pytest.mark.parametrize(
    ("product", "computer", "fix"),
    [
        ("podman machine", MAC, "podman machine set --memory"),
        ("Colima", MAC, "colima start --memory"),
        ("Docker Desktop", MAC, "Docker Desktop, Settings, Resources"),
        ("Docker Desktop", WINDOWS, ".wslconfig"),
        ("", Computer(), "kindlab up --cluster pocket"),
    ],
)
def test_where_memory_is_given_to_an_engine(product: str, computer: Computer, fix: str) -> None:
    small = Engine("docker", "docker", "28", product, memory=GIB, virtual=bool(product))
    assert fix in only(memory, facts(small, computer=computer), Level.PROBLEM).fix


def test_one_processor_and_a_full_memory_are_noted() -> None:
    one = Engine("docker", "docker", "28", cpus=1, memory=8 * GIB)
    assert "one processor" in only(memory, facts(one, files=meminfo(8, 4)), Level.NOTE).says
    full = only(memory, facts(files=meminfo(8, 0.25)), Level.NOTE)
    assert full.says == "only 0.2 GB of memory are free"
    assert "pocket" in full.clusters


def rooms(engine_free: int, home_free: int = 50 * GIB) -> Callable[[str], int | None]:
    return lambda path: engine_free if path == "/var/lib/docker" else home_free


def test_room_for_images_and_for_our_own_state() -> None:
    assert fine(disk, facts(DOCKER, room=rooms(90 * GIB))) == "50 GB of disk free"
    full = only(disk, facts(DOCKER, room=rooms(2 * GIB)), Level.PROBLEM)
    assert full.says == "2.0 GB are free where docker keeps its images (/var/lib/docker)"
    assert full.fix.startswith("docker system prune")
    assert full.clusters == ("kind",)
    assert only(disk, facts(DOCKER, room=rooms(5 * GIB)), Level.NOTE).clusters == ("kind",)
    assert "labs on storage" in only(disk, facts(room=rooms(0, 500 << 20)), Level.NOTE).breaks
    assert only(disk, facts(room=rooms(0, 20 << 20)), Level.PROBLEM).clusters == ()  # both


def test_the_disk_of_a_virtual_machine_is_not_mistaken_for_ours() -> None:
    there = Engine("docker", "docker", "29", "Docker Desktop", root="/var/lib/docker", virtual=True)
    assert fine(disk, facts(there, computer=MAC, room=rooms(GIB))) == "50 GB of disk free"


def test_a_home_that_cannot_be_written_to_stops_both_clusters() -> None:
    found = only(disk, facts(writable=lambda path: False), Level.PROBLEM)
    assert "KINDLAB_HOME" in found.fix
    assert found.clusters == ()


def limits(watches: int, instances: int) -> dict[str, str]:
    folder = "/proc/sys/fs/inotify"
    return {f"{folder}/max_user_watches": f"{watches}\n", f"{folder}/max_user_instances": f"{instances}\n"}


def test_inotify_limits() -> None:
    assert fine(inotify, facts(files=limits(1_048_576, 8192))) == "inotify limits"
    found = only(inotify, facts(files=limits(1_048_576, 128)), Level.NOTE)
    assert found.says == "inotify limits are low: max_user_instances is 128"
    assert "too many open files" in found.breaks
    assert "fs.inotify.max_user_instances=512" in found.fix
    assert "max_user_watches" not in found.fix
    assert list(inotify.look(facts(DESKTOP, computer=MAC))) == []
    assert list(inotify.look(facts())) == []


# -- what is in the way


def test_ports_that_are_free_and_those_that_are_not(tmp_path: Path) -> None:
    assert fine(ports, facts(home=tmp_path)) == "ports 8080 and 8443"
    listening = 'LISTEN 0 5 127.0.0.1:8080 0.0.0.0:* users:(("nginx",pid=7,fd=3))\n'
    given = facts(home=tmp_path, taken=lambda port: port == 8080, ask=says({"sport = :8080": listening}))
    found = only(ports, given, Level.PROBLEM)
    assert found.says == "port 8080 is taken by nginx (process 7)"
    assert found.fix.startswith("kindlab up --cluster kind --http-port 8081 ")
    assert found.clusters == ("kind",)
    mild = only(ports, given, Level.NOTE)
    assert (mild.says, mild.clusters) == (found.says, ("pocket",))
    both = only(ports, facts(home=tmp_path, taken=lambda port: True), Level.PROBLEM)
    assert both.says == "ports 8080 and 8443 are taken"
    assert "--http-port 8081 --https-port 8444" in both.fix


def test_the_ports_are_those_of_kind_yaml() -> None:
    mapped = kindconfig.mapped(kindconfig.read())
    assert {scheme: mapped[kindconfig.SCHEMES[scheme]].port for scheme in ports.DEFAULTS} == ports.DEFAULTS


def test_ports_of_our_own_clusters_are_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "clusters" / "pocket-pocket"
    folder.mkdir(parents=True)
    written = json.dumps({"static": [{"port": 80, "hostPort": 8080, "url": "http://127.0.0.1:8080"}]})
    files = {str(folder / "host-ports.json"): written}
    kind = says({"label=io.x-k8s.kind.cluster": "127.0.0.1:8443->30443/tcp\n"})
    fine(ports, facts(DOCKER, home=tmp_path, files=files, taken=lambda port: True, ask=kind))


def test_the_ports_that_the_user_asks_for_are_looked_at(tmp_path: Path) -> None:
    asked = {"KINDLAB_HTTP_PORT": "0", "KINDLAB_HTTPS_PORT": "9443"}
    assert fine(ports, facts(home=tmp_path, environment=asked)) == "ports 9443"


ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def route(destination: str, bits: int, device: str) -> str:
    """A line of /proc/net/route as Linux writes it: the least byte first."""
    address = bytes(map(int, destination.split(".")))[::-1].hex().upper()
    mask = ((0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF).to_bytes(4, "little").hex().upper()
    return f"{device}\t{address}\t00000000\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n"


def routed(*lines: str, resolv: str = "nameserver 192.0.2.53\n") -> dict[str, str]:
    plain = [route("0.0.0.0", 0, "eth0"), route("192.0.2.0", 24, "eth0"), route("172.18.0.0", 16, "br-0123")]
    return {"/proc/net/route": ROUTES + "".join([*plain, *lines]), "/etc/resolv.conf": resolv}


def test_no_route_clashes() -> None:
    fine(network, facts(DOCKER, files=routed()))


def test_a_vpn_that_takes_everything_is_no_clash() -> None:
    fine(network, facts(DOCKER, files=routed(route("0.0.0.0", 1, "tun0"), route("128.0.0.0", 1, "tun0"))))


@pytest.mark.parametrize(
    ("destination", "bits", "says", "fix"),
    [
        ("10.96.0.0", 12, "10.96.0.0/12 through tun0, lies in the range of kind's Services", "serviceSubnet"),
        ("10.244.7.0", 24, "10.244.7.0/24 through tun0, lies in the range of kind's Pods", "podSubnet"),
        ("172.18.4.0", 24, "172.18.4.0/24 through tun0, lies in the range of kind's nodes", "default-address-pools"),
    ],
)
def test_a_vpn_in_a_range_of_the_cluster(destination: str, bits: int, says: str, fix: str) -> None:
    found = only(network, facts(DOCKER, files=routed(route(destination, bits, "tun0"))), Level.NOTE)
    assert says in found.says
    assert fix in found.fix


def test_the_subnet_that_docker_has_given_to_kind_counts() -> None:
    given = facts(
        DOCKER,
        files=routed(route("172.30.0.0", 16, "tun0")),
        ask=says({"network inspect kind": "fc00:f853:ccd:e793::/64 172.30.0.0/16 \n"}),
    )
    assert "172.30.0.0/16 through tun0" in only(network, given, Level.NOTE).says


def test_a_name_server_in_a_range_of_the_cluster_is_worse() -> None:
    found = only(network, facts(DOCKER, files=routed(resolv="nameserver 10.96.0.53\n")), Level.NOTE)
    assert found.says == "this machine's name server 10.96.0.53 lies in the range of kind's Services (10.96.0.0/16)"
    assert "images are not pulled" in found.breaks


def test_the_ranges_of_kind_yaml_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "labs").mkdir()
    monkeypatch.setenv("KINDLAB_COURSE", str(tmp_path))
    config = {str(tmp_path / "cluster-config" / "kind.yaml"): "networking:\n  podSubnet: 10.200.0.0/16\n"}
    fine(network, facts(DOCKER, files=routed(route("10.244.0.0", 16, "tun0")) | config))


def test_routes_of_macos_and_what_is_not_known_of_windows() -> None:
    table = "Destination  Gateway  Flags  Netif Expire\ndefault  192.0.2.1  UGScg  en0\n10.96/12  link#21  UCS  utun3\n"
    found = only(network, facts(DESKTOP, computer=MAC, ask=says({"netstat -rn": table})), Level.NOTE)
    assert "10.96.0.0/12 through utun3" in found.says
    assert "not looked at on win32" in next(iter(network.look(facts(DESKTOP, computer=WINDOWS)))).says


def test_modules_for_a_rootless_engine() -> None:
    mine = Engine("docker", "docker", "28", rootless=True, cgroup=2)
    loaded = "ip6_tables 36864 1 ip6table_nat, Live\nip_tables 32768 1 - Live\n"
    built_in = "kernel/net/ipv4/netfilter/iptable_nat.ko\nkernel/net/ipv6/netfilter/ip6table_nat.ko\n"
    files = {"/proc/modules": loaded, "/proc/sys/kernel/osrelease": "6.1\n"}
    found = only(rootless, facts(mine, files=files), Level.NOTE)
    assert found.says.endswith("and ip6table_nat, iptable_nat are not loaded")
    assert found.fix.startswith(r"printf '%s\n' ip6_tables ip6table_nat ip_tables iptable_nat | sudo tee ")
    fine(rootless, facts(mine, files=files | {"/lib/modules/6.1/modules.builtin": built_in}))
    assert list(rootless.look(facts(DOCKER))) == []


def test_a_rootless_engine_opens_no_low_port() -> None:
    mine = Engine("docker", "docker", "28", rootless=True, cgroup=2)
    files = {"/proc/modules": "".join(f"{m} 1\n" for m in rootless.MODULES), rootless.PRIVILEGED: "1024\n"}
    found = only(rootless, facts(mine, files=files, environment={"KINDLAB_HTTP_PORT": "80"}), Level.PROBLEM)
    assert "may not open port 80" in found.says
    fine(rootless, facts(mine, files=files, environment={"KINDLAB_HTTP_PORT": "8081"}))


def test_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsl, "_config", lambda: "")  # this machine's own
    two = {"/proc/version": "Linux version 6.6.87.2-microsoft-standard-WSL2"}
    found = only(wsl, facts(computer=WSL, files=two), Level.NOTE)
    assert "lab 03, task basket-affinity" in found.breaks
    assert "nftables" in found.fix
    assert fine(wsl, facts(computer=WSL, files=two | {"/proc/modules": "xt_recent 24576 0 - Live 0x0\n"})) == "WSL2"
    one = {"/proc/version": "Linux version 4.4.0-19041-Microsoft"}
    assert "WSL 1" in only(wsl, facts(computer=WSL, files=one), Level.PROBLEM).says
    assert list(wsl.look(facts())) == []


def test_the_lab_that_sessionaffinity_is_about_is_named_rightly() -> None:
    """The sentence names lab 03 and its task."""
    text = Path(__file__).resolve().parents[3].joinpath("labs/03-service-discovery/lab.toml").read_text()
    assert 'id = "basket-affinity"' in text


def test_docker_from_a_snap() -> None:
    snapped = Engine("docker", "/snap/bin/docker", "28", cgroup=2)
    found = only(snap, facts(snapped, environment={"HOME": "/home/ana"}), Level.NOTE)
    assert found.fix == "mkdir -p $HOME/tmp && export TMPDIR=$HOME/tmp"
    hidden = {"HOME": "/home/ana", "TMPDIR": "/home/ana/.cache"}
    assert "/home/ana/.cache" in only(snap, facts(snapped, environment=hidden), Level.NOTE).says
    fine(snap, facts(snapped, environment={"HOME": "/home/ana", "TMPDIR": "/home/ana/tmp"}))
    assert list(snap.look(facts(DOCKER))) == []


def test_proxies() -> None:
    assert list(proxy.look(facts())) == []
    company = {"https_proxy": "http://ana:secret@proxy.example.org:3128", "NO_PROXY": "example.org,localhost"}
    found = only(proxy, facts(environment=company), Level.NOTE)
    assert found.says == "HTTPS_PROXY set, and NO_PROXY does not have 127.0.0.1"
    assert found.fix.startswith("export NO_PROXY=example.org,localhost,127.0.0.1 ")
    fine(proxy, facts(environment=company | {"NO_PROXY": "localhost,127.0.0.0/8"}))
    own = {"HTTP_PROXY": "http://ana:secret@127.0.0.1:3128", "NO_PROXY": "127.0.0.1,localhost"}
    found = only(proxy, facts(environment=own), Level.NOTE)
    assert found.says == "HTTP_PROXY is a proxy on this machine (127.0.0.1:3128)"
    assert found.clusters == ("kind",)
    assert "secret" not in str(found)


def test_a_clock_that_has_slept() -> None:
    behind = facts(DESKTOP, computer=MAC, ask=says({"info": "2020-01-01T00:00:00.123456789Z\n"}))
    found = only(clock, behind, Level.NOTE)
    assert "Docker Desktop" in found.says
    assert found.fix == "Restart Docker Desktop."
    assert list(clock.look(facts(DOCKER, ask=says({"info": "2020-01-01T00:00:00Z"})))) == []
    assert list(clock.look(facts(DESKTOP, ask=says({})))) == []


def test_leftovers_of_our_own_clusters_only(tmp_path: Path) -> None:
    for name, stage in (("kindlab", READY), ("gone", READY), ("half", CREATING)):
        kindrecord.write(tmp_path / "clusters" / f"kind-{name}", Record(stage, begun="2026-11-22T14:03:00+01:00"))
    nodes = {"=kindlab ": "kindlab-control-plane\tUp 2 minutes\nkindlab-worker\tCreated\n", "ps --all": ""}
    found = list(leftovers.look(facts(DOCKER, home=tmp_path, ask=says(nodes))))
    assert {f.level for f in found} == {Level.NOTE}
    assert [f.says for f in found] == [
        "kindlab has notes of a kind cluster gone that docker does not have (any more)",
        "the kind cluster half is half-made: its creation on 22 November 14:03 did not end",
        "of the kind cluster kindlab kindlab-worker is not running",
    ]
    assert found[0].fix.startswith("kindlab down --cluster kind --name gone forgets it")
    assert found[2].fix.startswith("kindlab up --cluster kind starts it again")


def test_leftovers_are_asked_for_in_words_that_every_engine_knows(tmp_path: Path) -> None:
    """podman before 5.0 fails on {{.Label ...}} (podman#20957), and the check would see nothing there."""
    kindrecord.write(tmp_path / "clusters" / "kind-kindlab", Record(READY))

    def ask(*command: str) -> Answer:
        return Answer(125) if ".Label " in " ".join(command) else Answer(0, "kindlab-worker\tExited (0) 1 day ago\n")

    podman = Engine("podman", "/usr/bin/podman", "4.9.3", cgroup=2)
    (found,) = leftovers.look(facts(podman, home=tmp_path, ask=ask))
    assert found.says == "of the kind cluster kindlab kindlab-worker is not running"


def test_no_leftovers(tmp_path: Path) -> None:
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters" / "kind-kindlab.lock").touch()
    (tmp_path / "clusters" / "kind-kindlab-create.log").touch()
    assert fine(leftovers, facts(DOCKER, home=tmp_path, ask=says({"ps --all": ""}))) == "no half-made cluster"


# -- versions


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> dict[str, tools.Look]:
    """Which tools are there, for the test to fill in."""
    found: dict[str, tools.Look] = {}
    monkeypatch.setattr(tools, "pins", lambda: {"kind": None, "kubectl": None})
    monkeypatch.setattr(tools, "look", lambda name: found[name])
    return found


def tool(name: str, version: str = "", *notes: str) -> tools.Look:
    used = tools.Tool(name, Path(f"/usr/bin/{name}"), version, ours=False) if version else None
    return tools.Look(SimpleNamespace(name=name), used, notes=notes)  # type: ignore[arg-type]


def test_versions(pinned: dict[str, tools.Look]) -> None:
    pinned |= {"kind": tool("kind", "v0.33.0"), "kubectl": tool("kubectl", "v1.36.4")}
    assert fine(versions, facts()).endswith(", kind v0.33.0, kubectl v1.36.4")
    pinned |= {"kind": tool("kind"), "kubectl": tool("kubectl", "", "/usr/bin/kubectl is too old.")}
    without = only(versions, facts(), Level.PROBLEM)
    assert (without.says, without.fix) == ("kind is not installed", "kindlab tools install kind")
    assert without.clusters == ("kind",)
    old = only(versions, facts(), Level.NOTE)
    assert (old.says, old.fix) == ("/usr/bin/kubectl is too old", "kindlab tools install kubectl")


# -- the cluster of the user's kubeconfig


def test_a_context_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    monkeypatch.setattr(
        "kindlab.clusters.base.provider",
        lambda kind, **more: SimpleNamespace(
            kind=kind, status=lambda: SimpleNamespace(ready=False, name="class", detail="it does not answer.")
        ),
    )
    found = only(current, facts(), Level.PROBLEM)
    assert found.says == "the context class cannot be used: it does not answer"


# -- all together


def fake(*checks: Check) -> Callable[[], list[Check]]:
    return lambda: list(checks)


def test_a_cluster_works_when_no_problem_is_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        Check("one", 1, ("kind", "pocket"), lambda facts: [ok("good"), problem("no engine", only=("kind",))]),
        Check("two", 2, ("pocket",), lambda facts: [note("slow")]),
        Check("three", 3, ("current",), lambda facts: [problem("nobody asked")]),
    ]
    monkeypatch.setattr(doctor, "all_checks", fake(*checks))
    report = examine(facts())
    assert [f.says for f in report.findings] == ["good", "no engine", "slow"]
    assert report.works == ("pocket",)
    assert report.to_json()["clusters"]["kind"] == {"works": False, "why": "no engine"}
    narrowed = examine(facts(), ("pocket",))
    assert [f.says for f in narrowed.findings] == ["good", "slow"]
    assert examine(facts(), ("current",)).works == ()


def test_a_check_that_breaks_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(given: Facts) -> list[Finding]:
        raise ValueError("oh")

    def explained(given: Facts) -> list[Finding]:
        raise Problem("There is no list of tools.", "It is gone.", "Take it anew.")

    checks = [
        Check("broken", 1, ("kind",), broken),
        Check("explained", 2, ("kind",), explained),
        Check("good", 3, ("kind",), lambda facts: [ok("good")]),
    ]
    monkeypatch.setattr(doctor, "all_checks", fake(*checks))
    found = examine(facts()).findings
    assert [f.level for f in found] == [Level.NOTE, Level.PROBLEM, Level.OK]
    assert found[0].says == "broken could not be looked at (ValueError: oh)"
    assert found[1].fix == "Take it anew."


def test_checks_are_found_by_a_scan_of_their_folder() -> None:
    folder = Path(doctor.checks.__file__).parent
    assert {check.name for check in doctor.all_checks()} == {p.stem for p in folder.glob("*.py")} - {"__init__"}


def test_what_this_machine_has_is_read_without_changing_it(tmp_path: Path) -> None:
    """The real looks, where they can be wrong: a path that is not there, a port that is taken."""
    import socket

    from kindlab.doctor import facts as real

    assert real._read(str(tmp_path / "none")) == ""
    assert real._room(str(tmp_path / "not" / "yet" / "made")) == pytest.approx(real._room(str(tmp_path)), abs=GIB)
    assert real._writable(tmp_path / "not" / "yet")
    (tmp_path / "file").touch()
    assert not real._writable(tmp_path / "file")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert real._taken(port)
    assert not real._taken(0)
