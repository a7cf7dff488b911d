"""Under which names components write."""

from __future__ import annotations

import pytest

from pocketkube.asked import by_component


@pytest.mark.parametrize(
    ("name", "host", "user", "group"),
    [
        ("kubelet", "worker", "system:node:worker", "system:nodes"),
        ("default-scheduler", "", "system:kube-scheduler", "system:authenticated"),
        (
            "job-controller",
            "",
            "system:serviceaccount:kube-system:job-controller",
            "system:serviceaccounts:kube-system",
        ),
        ("provisioner_a-1", "", "system:serviceaccount:kube-system:provisioner", "system:serviceaccounts"),
    ],
)
def test_components_have_the_names_of_a_cluster_made_by_kubeadm(name: str, host: str, user: str, group: str) -> None:
    found = by_component(name, host)
    assert found is not None
    assert found.user["username"] == user
    assert group in found.user["groups"]


def test_what_makes_the_cluster_is_nobody_to_ask_about() -> None:
    assert by_component("pocketkube") is None
    assert by_component("kubeadm") is None
