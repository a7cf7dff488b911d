"""Who is named when a volume is on another node, and how a node's status names volumes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.controllers.attachments import Attachable, multi_attach_text
from pocketkube.objects import Obj


def pod(name: str, namespace: str = "mine") -> Obj:
    return {"metadata": {"name": name, "namespace": namespace}}


@pytest.mark.parametrize(
    ("users", "text"),
    [
        ([], "Volume is already exclusively attached to one node and can't be attached to another"),
        ([pod("a"), pod("b")], "Volume is already used by pod(s) a, b"),
        ([pod("a"), pod("x", "theirs")], "Volume is already used by pod(s) a and 1 pod(s) in different namespaces"),
        ([pod("x", "theirs"), pod("y", "others")], "Volume is already used by 2 pod(s) in different namespaces"),
    ],
)
def test_pods_of_other_namespaces_are_counted_and_not_named(users: list[Obj], text: str) -> None:
    assert multi_attach_text(pod("p"), users) == text


@given(st.from_regex(r"[a-z0-9.-]{1,63}", fullmatch=True), st.text(min_size=1), st.text())
def test_what_a_node_reports_is_read_back(driver: str, handle: str, node: str) -> None:
    volume = Attachable(driver, handle, node)
    assert Attachable.parse(volume.reported, node) == volume


@pytest.mark.parametrize("name", ["", "kubernetes.io/csi/driver", "kubernetes.io/iscsi/x^y", "x^y"])
def test_other_volumes_are_not_of_csi(name: str) -> None:
    assert Attachable.parse(name, "node") is None
