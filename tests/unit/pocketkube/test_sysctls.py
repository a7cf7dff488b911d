"""Kernel parameters: names, namespaces, and which a kubelet takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube import sysctls

PARTS = st.lists(st.from_regex(r"[a-z0-9_]{1,6}", fullmatch=True), min_size=1, max_size=4)


@given(PARTS)
def test_slashes_and_dots_name_the_same(parts: list[str]) -> None:
    assert sysctls.normal("/".join(parts)) == sysctls.normal(".".join(parts)) == ".".join(parts)


def test_a_dot_inside_a_part() -> None:
    assert sysctls.normal("net/ipv4/conf/eth0.1/forwarding") == "net.ipv4.conf.eth0/1.forwarding"


@pytest.mark.parametrize(
    ("name", "host", "why"),
    [
        ("kernel.shm_rmid_forced", {}, ""),
        ("net/ipv4/tcp_syncookies", {}, ""),
        ("kernel.msgmax", {}, '"kernel.msgmax" not allowlisted'),
        ("vm.swappiness", {}, '"vm.swappiness" not allowlisted'),
        (
            "net.ipv4.tcp_syncookies",
            {"host_network": True},
            '"net.ipv4.tcp_syncookies" not allowed with host Net enabled',
        ),
        ("kernel.shm_rmid_forced", {"host_ipc": True}, '"kernel.shm_rmid_forced" not allowed with host IPC enabled'),
    ],
)
def test_what_a_kubelet_takes(name: str, host: dict[str, bool], why: str) -> None:
    assert sysctls.forbidden(name, **{"host_network": False, "host_ipc": False, **host}) == why


def test_the_safe_ones_can_be_read() -> None:
    assert sysctls.DEFAULTS.keys() >= sysctls.SAFE
