"""The images a kind cluster's Pods use."""

from __future__ import annotations

import pytest

from kindlab import labs
from kindlab.clusters import kindimages
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
