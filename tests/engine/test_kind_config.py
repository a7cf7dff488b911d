"""What the real kind makes of cluster-config/kind.yaml, as far as it can be seen without a node image: an engine that
says yes to everything writes down what it is asked for, until the first program in a node is to run (kubeadm init)."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from kindlab import tools
from kindlab.clusters import kindconfig, kindfailures
from kindlab.clusters.kindcli import step_of

ENGINE = """#!/bin/sh
echo "$*" >>"$STUB/log"
for last; do :; done
case "$*" in
-v) echo "Docker version 28.2.2, build e6534b4" ;;
"info --format "*SecurityOptions*) echo "'[]'" ;;
"info --format "*) echo '{"CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CPUShares":true}' ;;
"info -f {{.Driver}}") echo overlay2 ;;
"network ls "*) echo ;;
"network inspect "*) echo 1500 ;;
"ps -a "*) cat "$STUB/nodes" 2>/dev/null || true ;;
"run --name "*) echo "$3" >>"$STUB/nodes" ;;
logs*) echo "[  OK  ] Reached target Multi-User System." ;;
inspect*kind.role*) case "$last" in *control-plane) echo control-plane ;; *) echo worker ;; esac ;;
inspect*IPAddress*) echo "172.18.0.2,fc00:f853:ccd:e793::2" ;;
exec*/kind/version) echo v1.36.4 ;;
exec*"cp /dev/stdin /kind/kubeadm.conf") case "$*" in
  *control-plane*) cat >"$STUB/control-plane" ;; *worker2*) cat >"$STUB/worker2" ;; *) cat >"$STUB/worker" ;; esac ;;
exec*"kubeadm init"*) exit 1 ;;
rm*) rm -f "$STUB/nodes" ;;
esac
"""


class Asked:
    """`said`: kind's standard error. `runs`: what the engine was to start. `kubeadm`: the configuration of a node."""

    def __init__(self, kind: tools.Tool, folder: Path, config: str) -> None:
        self.folder = folder
        (folder / "docker").write_text(ENGINE)
        (folder / "docker").chmod(0o755)
        (folder / "kind.yaml").write_text(config)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "STUB": str(folder), "HOME": str(folder)}
        environment["KIND_EXPERIMENTAL_PROVIDER"] = "docker"

        def run(*words: str) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [kind.path, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
            )

        self.run = run
        files = ("--config", str(folder / "kind.yaml"), "--kubeconfig", str(folder / "kubeconfig"))
        self.created = run("create", "cluster", "--name", "kindlab", *files)
        self.said = self.created.stderr
        log = (folder / "log").read_text() if (folder / "log").exists() else ""
        self.runs = {line.split()[2]: line for line in log.splitlines() if line.startswith("run --name ")}

    def kubeadm(self, node: str) -> list[dict[str, object]]:
        return list(yaml.safe_load_all((self.folder / node).read_text()))


def text_of(**wishes: object) -> str:
    return kindconfig.text(kindconfig.wanted(kindconfig.read(), **wishes))  # type: ignore[arg-type]


def test_nodes_zones_ports_and_steps(kind: tools.Tool, tmp_path: Path) -> None:
    asked = Asked(kind, tmp_path, text_of())
    assert set(asked.runs) == {"kindlab-control-plane", "kindlab-worker", "kindlab-worker2"}
    published = {name: sorted(w for w in line.split() if "--publish" in w) for name, line in asked.runs.items()}
    (api,) = published["kindlab-control-plane"]
    assert api.startswith("--publish=127.0.0.1:")
    assert published["kindlab-worker"] == [
        "--publish=127.0.0.1:8080:30080/TCP",
        "--publish=127.0.0.1:8443:30443/TCP",
    ]
    assert published["kindlab-worker2"] == []
    assert all("--label io.x-k8s.kind.cluster=kindlab " in line for line in asked.runs.values())
    for node, zone in {"worker": "zone-a", "worker2": "zone-b"}.items():
        assert f"topology.kubernetes.io/zone={zone}" in (tmp_path / node).read_text()
    steps = [text for line in asked.said.splitlines() if (text := step_of(line))]
    node_image = kindconfig.images(kindconfig.read())[0].partition("@")[0]
    assert steps == [
        f"Ensuring node image ({node_image})",
        "Preparing nodes",
        "Writing configuration",
        *["Starting control-plane"] * 2,  # begun, failed
    ]
    assert "failed to init node with kubeadm" in asked.said
    assert kindfailures.known(asked.said) is not None
    assert asked.run("get", "clusters").stdout == ""
    assert asked.run("delete", "cluster", "--name", "nope").returncode == 0


@pytest.mark.parametrize(("family", "address"), [("ipv6", "[::1]"), ("dual", "127.0.0.1")])
def test_families_of_addresses_are_taken(kind: tools.Tool, family: str, address: str, tmp_path: Path) -> None:
    asked = Asked(kind, tmp_path, text_of(ip_family=family, http_port=8081, https_port=0))
    assert f"--publish={address}:8081:30080/TCP" in asked.runs["kindlab-worker"]
    assert ":30443" not in asked.runs["kindlab-worker"]
    assert "failed to init node with kubeadm" in asked.said


def test_flags_are_added_as_the_comment_in_the_file_says(kind: tools.Tool, tmp_path: Path) -> None:
    """As a map, without apiVersion: kind turns it into the list that kubeadm v1beta4 wants."""
    patch = 'kind: ClusterConfiguration\ncontrollerManager:\n  extraArgs: { max-endpoints-per-slice: "3" }\n'
    config = kindconfig.read()
    config["nodes"][0]["kubeadmConfigPatches"] = [patch]
    (found,) = [
        part
        for part in Asked(kind, tmp_path, kindconfig.text(config)).kubeadm("control-plane")
        if part["kind"] == "ClusterConfiguration"
    ]
    manager = found["controllerManager"]
    assert isinstance(manager, dict)
    assert {"name": "max-endpoints-per-slice", "value": "3"} in manager["extraArgs"]


def test_a_configuration_that_kind_does_not_know_is_explained(kind: tools.Tool, tmp_path: Path) -> None:
    asked = Asked(kind, tmp_path, text_of().replace("listenAddress", "listenAdress"))
    found = kindfailures.known(asked.said)
    assert found is not None
    assert found.why.startswith("kind does not take the configuration")
