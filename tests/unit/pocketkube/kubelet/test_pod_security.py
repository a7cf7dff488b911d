"""What a pod asks of the kernel and the runtime, and what a node does with it."""

from __future__ import annotations

from typing import Any

from pocketkube import objects


async def test_a_safe_sysctl_is_set(node: Any) -> None:
    asked = [{"name": "kernel/shm_rmid_forced", "value": "1"}]
    node.create("p", {}, securityContext={"sysctls": asked})
    await node.ready("p")
    assert (await node.exec("p", "cat", "/proc/sys/kernel/shm_rmid_forced"))[1] == "1\n"
    assert (await node.exec("p", "cat", "/proc/sys/net/ipv4/tcp_syncookies"))[1] == "1\n"


async def test_others_have_their_defaults(node: Any) -> None:
    node.create("p", {})
    await node.ready("p")
    assert (await node.exec("p", "cat", "/proc/sys/kernel/shm_rmid_forced"))[1] == "0\n"
    assert (await node.exec("p", "cat", "/proc/sys/kernel/hostname"))[1] == "p\n"


async def test_an_unsafe_sysctl_fails_the_pod(node: Any) -> None:
    node.create("p", {}, securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
    await node.until(lambda: objects.status(node.pod("p")).get("phase") == "Failed")
    text = 'forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert node.pod("p")["status"]["reason"] == "SysctlForbidden"
    assert node.pod("p")["status"]["message"] == f"Pod was rejected: {text}"
    assert ("Warning", "SysctlForbidden", text) in node.events("p")


async def test_a_runtime_class_with_a_handler_that_is_not_there(node: Any) -> None:
    for name in ("runc", "other"):
        node.client.create("runtimeclasses", {"metadata": {"name": name}, "handler": name})
    node.create("fine", {}, runtimeClassName="runc")
    await node.ready("fine")
    node.create("p", {}, runtimeClassName="other")
    why = 'failed to get sandbox runtime: no runtime for "other" is configured'
    text = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {why}"
    await node.until(lambda: ("Warning", "FailedCreatePodSandBox", text) in node.events("p"))
    assert objects.status(node.pod("p"))["phase"] == "Pending"
