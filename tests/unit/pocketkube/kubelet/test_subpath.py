"""subPath: what of a volume a container gets, and what it cannot get."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects


def pod_of(node: Any, name: str, path: str, field: str = "subPath", **more: Any) -> None:
    mount = {"name": "v", "mountPath": "/v", field: path}
    env = [{"name": "WHO", "value": "me"}]
    source = {"name": "v", "hostPath": {"path": "/srv"}}
    node.create(name, {"volumeMounts": [mount], "env": env}, volumes=[source], **more)


def files(node: Any, name: str) -> Any:
    return node.kubelet.pod("default", name).slots["c"].current.init.fs


async def test_what_is_missing_is_made_with_the_volumes_permissions(node: Any) -> None:
    disk = node.kubelet.state_dir / "disk/srv"
    disk.mkdir(parents=True)
    disk.chmod(0o775)
    pod_of(node, "p", "a/b")
    pod_of(node, "q", "of-$(WHO)", "subPathExpr")
    await node.ready("p")
    await node.ready("q")
    assert files(node, "p").stat("/v").mode == 0o775
    files(node, "q").write_bytes("/v/f", b"x")
    assert (disk / "of-me/f").read_bytes() == b"x"


async def test_links_are_followed_inside_the_volume_only(node: Any) -> None:
    disk = node.kubelet.state_dir / "disk/srv"
    (disk / "real").mkdir(parents=True)
    (node.kubelet.state_dir / "disk/etc").mkdir()
    links = {"inside": "real", "up": "../etc", "far": "../../../../../../etc", "abs": "/etc", "loop": "loop"}
    for name, target in links.items():
        (disk / name).symlink_to(target)
        pod_of(node, name, name)
    (disk / "chain").symlink_to("inside/../up")
    pod_of(node, "chain", "chain/passwd")
    await node.ready("inside")
    files(node, "inside").write_bytes("/v/f", b"x")
    assert (disk / "real/f").exists()
    why = 'failed to prepare subPath for volumeMount "v" of container "c"'
    for name in (*sorted(set(links) - {"inside"}), "chain"):
        await node.until(lambda name=name: node.container(name).get("state", {}).get("waiting", {}).get("message"))
        waiting = node.container(name)["state"]["waiting"]
        assert waiting == {"reason": "CreateContainerConfigError", "message": why}, name
    assert not list((node.kubelet.state_dir / "disk/etc").iterdir())


async def test_a_folder_swapped_for_a_link_after_the_mount_leads_nowhere(node: Any) -> None:
    outside = node.kubelet.state_dir / "secret"
    outside.mkdir()
    (outside / "f").write_text("secret")
    pod_of(node, "p", "sub")
    await node.ready("p")
    disk = node.kubelet.state_dir / "disk/srv"
    (disk / "sub").rmdir()
    (disk / "sub").symlink_to(outside)
    fs = files(node, "p")
    for attempt in (lambda: fs.read_bytes("/v/f"), lambda: fs.listdir("/v"), lambda: fs.write_bytes("/v/g", b"")):
        with pytest.raises(OSError, match=r"Not a directory|No such file"):
            attempt()
    assert [found.name for found in outside.iterdir()] == ["f"]


async def test_a_read_only_volume_gets_no_new_folders(node: Any) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    claim = node.client.create(
        "persistentvolumeclaims", {"metadata": {"name": "c", "namespace": "default"}, "spec": spec}
    )
    ref = {"namespace": "default", "name": "c", "uid": objects.uid(claim)}
    volume = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/srv"}}
    node.client.create("persistentvolumes", {"metadata": {"name": "pv"}, "spec": {**volume, "claimRef": ref}})
    key = ("default", "c")
    node.client.patch("persistentvolumeclaims", key, lambda copy: copy["spec"].update(volumeName="pv"))
    bound = {"phase": "Bound"}
    node.client.patch("persistentvolumeclaims", key, lambda copy: copy.update(status=bound), subresource="status")
    mount = {"name": "v", "mountPath": "/v", "subPath": "missing"}
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}}]
    node.create("p", {"volumeMounts": [mount]}, volumes=volumes)
    await node.until(lambda: node.container("p").get("state", {}).get("waiting", {}).get("message"))
    why = 'failed to create subPath directory for volumeMount "v" of container "c"'
    assert node.container("p")["state"]["waiting"]["message"] == why


async def test_a_folder_is_not_mounted_over_a_file_nor_a_file_over_a_folder(node: Any) -> None:
    folder = {"name": "v", "mountPath": "/etc/passwd"}
    file = {"name": "v", "mountPath": "/etc", "subPath": "f"}
    disk = node.kubelet.state_dir / "disk/srv"
    disk.mkdir(parents=True)
    (disk / "f").write_text("x")
    for name, mount in (("folder", folder), ("file", file)):
        source = {"name": "v", "hostPath": {"path": "/srv"}}
        node.create(name, {"volumeMounts": [mount]}, volumes=[source], restartPolicy="Never")
        await node.until(lambda name=name: objects.status(node.pod(name)).get("phase") == "Failed")
        ended = node.container(name)["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
        assert f'to rootfs at "{mount["mountPath"]}": ' in ended["message"]
        assert ended["message"].endswith(": not a directory: unknown")
