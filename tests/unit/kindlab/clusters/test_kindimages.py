"""The images a kind cluster's Pods use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from kindlab import labs
from kindlab.clusters import kindimages
from kindlab.clusters.kindcli import Container, Programs
from kindlab.engines import Engine


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


def test_without_labs_only_what_up_itself_runs() -> None:
    assert kindimages.needed([], ()) == []
    assert "nginx:1.27" in kindimages.needed([], ("all",))


FULL = "docker.io/library/nginx:1.27"


class Recorded(Programs):
    """An engine on arm64 with these images, and for what platform each is; what it was asked to save."""

    images: ClassVar[dict[str, str]] = {"nginx:1.27": "linux/arm64", "registry.k8s.io/hpa-example": "linux/amd64"}

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, Path("/usr/bin/kind"), "kindlab")
        self.saved: list[list[str]] = []

    def containers(self, *, timeout: float = 0) -> list[Container]:
        return [Container("kindlab-worker", "Up 1 minute", {})]

    def image(self, name: str) -> bool:
        return True

    def ask(self, *args: str, timeout: float = 0) -> str:
        match args:
            case ("save", *options, "--output", _, image):
                self.saved.append([*options, image])
            case ("image", "inspect", "--format", _, image):
                return f"{self.images[image]}\n"
            case ("version", *_):
                assert self.engine.name == "docker", "no other knows .Server.Os"
                return "linux/arm64\n"
            case ("exec", *_):
                return json.dumps({"images": []})
        return ""

    def run_kind(self, *args: str, **more: object) -> str:
        return ""


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
    programs = Recorded(Engine(engine, f"/usr/bin/{engine}", version))
    kindimages.load(programs, ["nginx:1.27"], lambda text: None)
    assert programs.saved == [[*platform, "nginx:1.27" if engine != "podman" else FULL]]


def test_an_image_of_another_processor_stops_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker refuses to save a platform that an image does not have: lab 10's on Apple silicon."""
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    steps: list[str] = []
    programs = Recorded(Engine("docker", "/usr/bin/docker", "29.2.0"))
    kindimages.load(programs, ["registry.k8s.io/hpa-example", "nginx:1.27"], steps.append)
    assert programs.saved == [["--platform", "linux/arm64", "nginx:1.27"]]
    assert "registry.k8s.io/hpa-example exists for linux/amd64 only, and these nodes are linux/arm64" in " ".join(steps)
