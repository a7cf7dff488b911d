"""Volumes that are images."""

from __future__ import annotations

from typing import Any

MOUNTS = [{"name": "v", "mountPath": "/v"}]


def volume(reference: str = "test:1", **source: Any) -> dict[str, Any]:
    return {"name": "v", "image": {"reference": reference, **source}}


async def test_its_files_can_be_read_and_not_written(node: Any) -> None:
    node.create("p", {"volumeMounts": MOUNTS}, volumes=[volume()])
    await node.ready("p")
    assert await node.exec("p", "cat", "/v/etc/motd") == (0, "hello\n")
    assert (await node.exec("p", "put", "/v/etc/motd", "mine"))[0] != 0
    assert await node.exec("p", "cat", "/v/etc/motd") == (0, "hello\n")
    pulled = [text for _, reason, text in node.events("p") if reason == "Pulled"]
    assert pulled == ['Container image "test:1" already present on machine and can be accessed by the pod'] * 2


async def test_a_part_of_it(node: Any) -> None:
    node.create("p", {"volumeMounts": [{**MOUNTS[0], "subPath": "etc"}]}, volumes=[volume()])
    await node.ready("p")
    assert await node.exec("p", "cat", "/v/motd") == (0, "hello\n")


async def test_one_that_is_not_there(node: Any) -> None:
    node.create("p", {"volumeMounts": MOUNTS}, volumes=[volume("nowhere:2")])

    def reason() -> str:
        state = node.container("p").get("state") or {}
        return str((state.get("waiting") or {}).get("reason", ""))

    await node.until(lambda: reason() == "ImagePullBackOff")
    reasons = [why for _, why, _ in node.events("p")]
    assert reasons[:3] == ["Pulling", "Failed", "Failed"]
    assert "Created" not in reasons
