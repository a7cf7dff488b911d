"""What is on a node's disk, as a Pod finds it there."""

from __future__ import annotations

from typing import Any

from pocketkube.kubelet.filesystem import FileSystem

HOSTS = "127.0.0.1\tlocalhost\n"


async def test_folders_are_as_on_a_debian_system(node: Any) -> None:
    disk = FileSystem(node.kubelet.disk())
    assert {path: oct(disk.stat(path).mode) for path in ("/tmp", "/root", "/etc")} == {
        "/tmp": "0o1777",
        "/root": "0o700",
        "/etc": "0o755",
    }


async def test_what_was_there_before_stays(node: Any) -> None:
    disk = node.kubelet.state_dir / "disk"
    (disk / "tmp").mkdir(parents=True, mode=0o700)
    (disk / "tmp/kept").write_text("x")
    found = FileSystem(node.kubelet.disk())
    assert oct(found.stat("/tmp").mode) == "0o700"
    assert found.read_bytes("/tmp/kept") == b"x"


async def test_a_file_of_the_node_is_mounted_and_a_pod_on_its_network_has_a_copy(node: Any) -> None:
    mount = {"name": "hosts", "mountPath": "/etc/hosts"}
    source = {"name": "hosts", "hostPath": {"path": "/etc/hosts", "type": "FileOrCreate"}}
    node.create("own", {"volumeMounts": [mount]}, volumes=[source])
    await node.ready("own")
    _, hosts = await node.exec("own", "cat", "/etc/hosts")
    assert hosts.startswith(HOSTS)
    assert hosts.endswith(f"{node.kubelet.node_ips[0]}\t{node.kubelet.node_name}\n")
    FileSystem(node.kubelet.disk()).write_bytes("/etc/hosts", f"{hosts}192.0.2.7 added\n".encode())
    alias = [{"ip": "192.0.2.1", "hostnames": ["one"]}]
    node.create("shared", {}, hostNetwork=True, hostAliases=alias)
    await node.ready("shared")
    assert await node.exec("shared", "cat", "/etc/hosts") == (
        0,
        f"# Kubernetes-managed hosts file (host network).\n{hosts}192.0.2.7 added\n"
        "\n# Entries added by HostAliases.\n192.0.2.1\tone\n",
    )
