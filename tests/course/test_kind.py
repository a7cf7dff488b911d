"""`--cluster kind` from up to down, on stand-ins for kind and docker (tests/fakes: not recordings) behind which a real
pocketkube serves the API: what comes after creation happens for real. One cluster for all tests, of which each needs
only that it was created; the one that removes its cluster has one of its own.
"""

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.course.command import PLAIN
from tests.course.standins import Machine, fill_cache, machine

from kindlab import workspace
from kindlab.api import Api

pytestmark = [
    pytest.mark.xdist_group("kind"),  # one cluster, not one a worker
    pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts"),
]


@contextlib.contextmanager
def a_machine(folder: Path) -> Iterator[Machine]:
    """Whatever happens, the stand-in's API server ends."""
    made = machine(folder, "kind", "docker")
    fill_cache(made)
    try:
        yield made
    finally:
        made.kindlab("down", "--cluster", "kind", "--yes")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with a_machine(tmp_path_factory.mktemp("machine")) as made:
        yield made


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port of this machine for HTTP, which nobody else is given meanwhile: bound, but nobody listens."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def created(at: Machine, port: int) -> "subprocess.CompletedProcess[str]":
    words = ("--preload", "--labs", "2", "--merge", "--http-port", str(port))
    done = at.kindlab("up", "--cluster", "kind", *words)
    assert done.returncode == 0, done.stderr
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept", "namespace": "default"}}
    api_of(at).create(kept)
    return done


def is_the_same(at: Machine) -> bool:
    """Whether it is still the cluster that was created, with what is in it."""
    return api_of(at).get("ConfigMap", "kept", "default") is not None


def kubeconfig(at: Machine) -> Path:
    return at.home / "clusters" / "kind-kindlab" / "kubeconfig"


def api_of(at: Machine) -> Api:
    return Api(kubeconfig(at), "kind-kindlab")


def test_up_shows_each_step_and_ends_with_a_cluster_that_is_ready(
    at: Machine, created: "subprocess.CompletedProcess[str]"
) -> None:
    steps = [line.partition("] ")[2] for line in created.stderr.splitlines()]
    told = iter(steps)
    for text in (
        "starting kind",
        "pulling the node image kindest/node:v1.36.4 (about 400 MB, only the first time)",
        "creating the kind cluster kindlab: Preparing nodes",
        "creating the kind cluster kindlab: Starting control-plane",
        "creating the kind cluster kindlab: Joining worker nodes",
        "loading image 1 of ",
        "Traefik 3.7.11: ",
    ):
        assert any(step.startswith(text) for step in told), f"{text} is not there, or not in its turn: {steps}"
    assert "Cluster kindlab (kind) is ready: Kubernetes v1.36" in created.stdout
    assert "3 nodes Ready" in created.stdout
    api = api_of(at)
    deployments = {d["metadata"]["name"]: d["status"].get("availableReplicas") for d in api.list("Deployment")}
    assert deployments["coredns"]
    assert deployments["traefik"]
    assert deployments["local-path-provisioner"]
    assert [c["metadata"]["name"] for c in api.list("IngressClass")] == ["traefik"]
    assert api.list("GatewayClass"), "the labs' Gateway API is there, too"


def test_the_port_leads_to_the_ingress_controller_that_was_installed(
    at: Machine, created: "subprocess.CompletedProcess[str]", port: int
) -> None:
    assert f"Ingress on http://127.0.0.1:{port}" in created.stdout
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError, match="404") as answer:  # Traefik's, where no Ingress is
        direct.open(f"http://127.0.0.1:{port}/", timeout=30)
    answer.value.close()


def test_what_kind_was_told(at: Machine, created: "subprocess.CompletedProcess[str]", port: int) -> None:
    """The engine that was chosen, a kubeconfig of its own, and ports as they were asked for: none for HTTPS."""
    (call,) = (call for call in at.calls("kind[docker]") if call.startswith("create"))
    assert f"--kubeconfig {kubeconfig(at)}" in call
    config = yaml.safe_load((at.home / "clusters" / "kind-kindlab" / "kind.yaml").read_text())
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    mapping = {"containerPort": 30080, "hostPort": port, "listenAddress": "127.0.0.1"}
    assert [node.get("extraPortMappings") for node in config["nodes"]] == [None, [mapping], None]
    assert stat.S_IMODE(kubeconfig(at).stat().st_mode) == 0o600


def test_images_are_loaded_as_archives_of_one_platform(
    at: Machine, created: "subprocess.CompletedProcess[str]"
) -> None:
    """kind#3795: the stand-in refuses others, as kind does where Docker keeps its images in containerd."""
    loaded = json.loads((at.state / "loaded.json").read_text())
    assert "docker.io/traefik:v3.7.11" in loaded
    assert "registry.k8s.io/e2e-test-images/agnhost:2.63.0" in loaded
    assert any(call.startswith("save --platform linux/amd64") for call in at.calls("docker"))


def test_the_users_kubeconfig_has_the_context_because_that_was_asked_for(
    at: Machine, created: "subprocess.CompletedProcess[str]"
) -> None:
    file = at.folder / "kube" / "config"
    merged = yaml.safe_load(file.read_text())
    assert merged["current-context"] == "kind-kindlab"
    assert f"{file}: context kind-kindlab added and made the current one." in created.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_status_says_versions_and_nodes(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    done = at.kindlab("status")
    assert done.returncode == 0
    assert "Cluster kindlab (kind) is ready: Kubernetes v1.36" in done.stdout
    assert "3 nodes Ready" in done.stdout
    found = json.loads(at.kindlab("status", "--json").stdout)["cluster"]
    assert (found["kind"], found["context"], found["ready"]) == ("kind", "kind-kindlab", True)


def test_a_lab_is_started_solved_and_graded_there(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    workspace.remove_namespace(api_of(at), "02-services")  # what a first try has left
    started = at.kindlab("start", "02")
    assert started.returncode == 0, started.stderr
    failed = at.kindlab("check", "02", "--task", "cart-selector", "--json")
    assert failed.returncode == 1, failed.stderr
    assert at.kindlab("solve", "02").returncode == 0
    passed = at.kindlab("check", "02", "--json")
    report = json.loads(passed.stdout)
    assert passed.returncode == 0, passed.stdout
    assert (report["points"], report["cluster"]) == (40, "kindlab")


def test_a_second_up_finds_it_and_makes_nothing(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    making = ("create", "delete", "load")
    before = [call for call in at.calls("kind[docker]") if call.startswith(making)]
    done = at.kindlab("up", "--cluster", "kind", "--offline", "--labs", "2", KINDLAB_HTTP_PORT="")
    assert done.returncode == 0, done.stderr
    assert "using the kind cluster kindlab, which exists already" in done.stderr
    assert "settled when a cluster is made" not in done.stdout, "nobody has asked for another port"
    assert [call for call in at.calls("kind[docker]") if call.startswith(making)] == before


def test_a_cluster_whose_context_cannot_be_merged_is_up_and_remembered_all_the_same(
    at: Machine, created: "subprocess.CompletedProcess[str]"
) -> None:
    (at.folder / "rubbish").write_text("{{{")
    (at.home / "active.json").unlink()
    done = at.kindlab("up", "--cluster", "kind", "--merge", KUBECONFIG=str(at.folder / "rubbish"))
    assert done.returncode == 3
    assert f"The kubeconfig {at.folder / 'rubbish'} cannot be used" in done.stderr
    assert "The cluster itself is up. kindlab up --cluster kind --merge tries again." in done.stderr
    assert "Cluster kindlab (kind) is ready" in at.kindlab("status").stdout
    assert (at.folder / "rubbish").read_text() == "{{{"


def test_a_kubeconfig_that_was_lost_is_fetched_anew(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    kubeconfig(at).unlink(missing_ok=True)
    kubeconfig(at).with_name("kubeconfig.lock").touch()  # of a kind that was killed
    status = at.kindlab("status")
    assert status.returncode == 3
    assert "it runs, but kindlab has no kubeconfig of it" in status.stdout
    assert "kindlab up --cluster kind" in status.stdout
    assert at.kindlab("up", "--cluster", "kind").returncode == 0
    assert is_the_same(at)
    assert stat.S_IMODE(kubeconfig(at).stat().st_mode) == 0o600


def test_after_a_reboot_its_containers_are_started_and_nothing_is_lost(
    at: Machine, created: "subprocess.CompletedProcess[str]"
) -> None:
    before = list(at.calls("docker"))
    for container in ("kindlab-control-plane", "kindlab-worker"):
        docker = [str(at.folder / "bin" / "docker"), "stop", "-t", "0", container]
        subprocess.run(docker, env=at.environment, check=True)
    status = at.kindlab("status")
    assert status.returncode == 3
    assert "its containers are stopped (kindlab-control-plane, kindlab-worker)" in status.stdout
    done = at.kindlab("up", "--cluster", "kind")
    assert done.returncode == 0, done.stderr
    assert "starting its stopped containers: kindlab-control-plane, kindlab-worker" in done.stderr
    assert is_the_same(at)
    assert [call for call in list(at.calls("docker"))[len(before) :] if call.startswith("start")] == [
        "start kindlab-control-plane",
        "start kindlab-worker",
    ]


def test_a_node_is_switched_off_and_on(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    assert at.kindlab("node", "stop", "kindlab-worker2").returncode == 0
    listed = json.loads(at.kindlab("node", "list", "--json").stdout)["nodes"]
    assert {node["name"]: node["on"] for node in listed} == {
        "kindlab-control-plane": True,
        "kindlab-worker": True,
        "kindlab-worker2": False,
    }
    assert at.kindlab("node", "start", "kindlab-worker2").returncode == 0


def test_the_addresses_it_was_made_with_stay(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    done = at.kindlab("up", "--cluster", "kind", "--ip-family", "dual")
    assert done.returncode == 3
    assert "It was made with ipv4 addresses" in done.stderr
    assert "kindlab down --cluster kind" in done.stderr


def test_one_that_was_made_by_hand_is_used_and_said_and_not_removed_unasked(
    at: Machine, created: "subprocess.CompletedProcess[str]", tmp_path: Path
) -> None:
    """kindlab that knows nothing of it, as after `kind create cluster --name kindlab`: same engine, another home."""
    home = {"KINDLAB_HOME": str(tmp_path / "home"), "KUBECONFIG": str(tmp_path / "kubeconfig")}
    done = at.kindlab("up", "--cluster", "kind", **home, KINDLAB_HTTPS_PORT="8443")
    assert done.returncode == 0, done.stderr
    assert "This cluster was not made by kindlab (kind create cluster): it is used as it is." in done.stdout
    assert "No port of this machine leads to its node port 30443" in done.stdout
    refused = at.kindlab("down", **home)
    assert refused.returncode == 3
    assert "was not made by kindlab, and is left as it is" in refused.stderr
    assert "--yes" in refused.stderr
    assert is_the_same(at)


def test_two_at_once_take_turns(at: Machine, created: "subprocess.CompletedProcess[str]") -> None:
    command = [sys.executable, "-m", "kindlab.cli", "up", "--cluster", "kind", "--json"]
    environment = {**at.environment, **PLAIN}
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0]


def test_down_leaves_nothing_neither_here_nor_in_the_users_kubeconfig(tmp_path: Path) -> None:
    with a_machine(tmp_path) as at:
        done = at.kindlab("up", "--cluster", "kind", "--merge")
        assert done.returncode == 0, done.stderr
        assert yaml.safe_load((at.folder / "kube" / "config").read_text())["contexts"] != []
        done = at.kindlab("down")
        assert done.returncode == 0, done.stderr
        assert "The cluster is gone" in done.stdout
        assert json.loads((at.state / "containers.json").read_text()) == []
        assert json.loads((at.state / "networks.json").read_text()) == [], "the network was of kindlab's making"
        assert not kubeconfig(at).parent.exists()
        assert yaml.safe_load((at.folder / "kube" / "config").read_text())["contexts"] == []
        again = at.kindlab("down", "--cluster", "kind")
        assert (again.returncode, again.stdout) == (0, "There was no cluster to stop.\n")
        assert "not created yet" in at.kindlab("status", "--cluster", "kind").stdout
