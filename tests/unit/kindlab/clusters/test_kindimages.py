"""The images a kind cluster's Pods use."""

from __future__ import annotations

from pathlib import Path

import pytest

from kindlab import labs
from kindlab.clusters import kindimages
from kindlab.clusters.kindcli import Container, Programs
from kindlab.engines import Engine
from kindlab.errors import UsageProblem


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("docker.io/traefik:v3.7.11", "docker.io/library/traefik:v3.7.11"),
        ("hashicorp/http-echo:1.0", "docker.io/hashicorp/http-echo:1.0"),
        ("registry.k8s.io/hpa-example", "registry.k8s.io/hpa-example:latest"),
        ("localhost:5000/mine", "localhost:5000/mine:latest"),
    ],
)
def test_what_containerd_calls_them(image: str, name: str) -> None:
    assert kindimages.in_nodes(image) == name


def test_the_images_of_all_labs_are_those_of_the_design() -> None:
    """None without a reason: each is pulled by every learner."""
    assert kindimages.of_labs(labs.all_labs()) == [
        "busybox:1.36",
        "hashicorp/http-echo:1.0",
        "nginx:1.27",
        "registry.k8s.io/e2e-test-images/agnhost:2.63.0",
        "registry.k8s.io/hpa-example",
    ]


def test_labs_are_named_by_number_by_slug_or_all_at_once() -> None:
    assert [lab.number for lab in kindimages.labs_named(("2", "10-autoscaling"))] == ["02", "10"]
    assert kindimages.labs_named(("all",)) == labs.all_labs()
    assert kindimages.labs_named(()) == []
    with pytest.raises(UsageProblem):
        kindimages.labs_named(("77",))


def test_what_a_lab_needs_includes_what_its_single_tasks_need() -> None:
    lab = labs.find("16")
    assert {"ingress", "metrics", "snapshots"} <= kindimages.words_of(lab)


def test_without_labs_only_what_up_itself_runs() -> None:
    assert kindimages.needed([], ()) == []
    assert "nginx:1.27" in kindimages.needed([], ("all",))


@pytest.mark.parametrize(
    ("engine", "version", "platform"),
    [
        ("docker", "29.2.0", ["--platform", "linux/arm64"]),
        ("docker", "27.5.1", []),
        ("podman", "5.4.2", []),
        ("nerdctl", "v2.1.3", []),
    ],
)
def test_one_platform_is_named_where_all_would_be_saved(
    engine: str, version: str, platform: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only docker knows .Server.Os (nerdctl: pkg/inspecttypes/dockercompat/info.go), and only it needs to be told."""
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    saved: list[list[str]] = []

    class Recorded(Programs):
        def containers(self, *, timeout: float = 0) -> list[Container]:
            return [Container("kindlab-worker", "Up 1 minute", {})]

        def image(self, name: str) -> bool:
            return True

        def ask(self, *args: str, timeout: float = 0) -> str:
            if args[0] == "save":
                saved.append(list(args[1 : args.index("--output")]))
                return ""
            assert (args[0], self.engine.name) == ("version", "docker")
            return "linux/arm64\n"

        def run_kind(self, *args: str, **more: object) -> str:
            return ""

    programs = Recorded(Engine(engine, f"/usr/bin/{engine}", version), Path("/usr/bin/kind"), "kindlab")
    monkeypatch.setattr(kindimages, "_in_node", lambda programs, node: set())
    kindimages.load(programs, ["nginx:1.27"], lambda text: None)
    assert saved == [platform]
