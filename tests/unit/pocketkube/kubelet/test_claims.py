"""Pods that use claims: what they wait for, what they say meanwhile, what they find when it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.pocketkube.kubelet.world import NODE, Node

from pocketkube import objects
from pocketkube.claims import attached_name, attachment_name
from pocketkube.clock import Clock
from pocketkube.errors import NotFound
from pocketkube.kubelet.volumes import ownership
from pocketkube.objects import Obj
from pocketkube.resources.base import DeleteOptions
from pocketkube.store import Store

DRIVER = "hostpath.csi.k8s.io"
MOUNT = {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}
GROUP = {"pv.beta.kubernetes.io/gid": "1234"}
DEVICE = {"volumeDevices": [{"name": "data", "devicePath": "/dev/data"}]}


class Driver:
    """The node's side of a CSI driver: folders, or files for blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.expanded: list[tuple[str, int]] = []

    def node_publish(self, volume_id: str) -> Path:
        if not (self.folder / volume_id).exists():
            raise RuntimeError(
                f"rpc error: code = NotFound desc = volume id {volume_id} does not exist in the volumes list"
            )
        return self.folder / volume_id

    def node_publish_ephemeral(self, volume_id: str, attributes: Any) -> Path:
        (self.folder / volume_id).mkdir(parents=True)
        return self.folder / volume_id

    def node_unpublish_ephemeral(self, volume_id: str) -> None:
        (self.folder / volume_id).rmdir()


def claimed(name: str, **more: Any) -> list[Obj]:
    return [{"name": "data", "persistentVolumeClaim": {"claimName": name, **more}}]


def bind(node: Any, name: str, source: Obj, **spec: Any) -> None:
    """A claim and its volume `pv-<name>`, as the binder leaves them."""
    pv: Obj = {
        "metadata": {"name": f"pv-{name}"},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **spec, **source},
    }
    mode = spec.get("volumeMode", "Filesystem")
    claim = node.client.find("persistentvolumeclaims", "default", name) or node.client.create(
        "persistentvolumeclaims",
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "accessModes": pv["spec"]["accessModes"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "",
                "volumeMode": mode,
            },
        },
    )
    pv["spec"]["claimRef"] = {"namespace": "default", "name": name, "uid": objects.uid(claim)}
    node.client.create("persistentvolumes", pv)

    def bound(copy: Obj) -> None:
        copy["spec"]["volumeName"] = f"pv-{name}"

    def status(copy: Obj) -> None:
        copy["status"] = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}

    node.client.patch("persistentvolumeclaims", ("default", name), bound)
    node.client.patch("persistentvolumeclaims", ("default", name), status, subresource="status")


def affinity(*nodes: str) -> Obj:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [*nodes]}]}
    return {"required": {"nodeSelectorTerms": [term]}}


def csi(handle: str, **more: Any) -> Obj:
    return {"csi": {"driver": DRIVER, "volumeHandle": handle, **more}}


@pytest.fixture
def driver(node: Any, tmp_path: Path) -> Driver:
    """A driver that serves the node."""
    made = Driver(tmp_path / "csi")
    made.folder.mkdir()
    node.kubelet.services = {**node.kubelet.services, "csi": {DRIVER: made}}
    serve(node, DRIVER)
    return made


def serve(node: Any, *drivers: str) -> None:
    spec = {"drivers": [{"name": name, "nodeID": NODE, "topologyKeys": None} for name in drivers]}
    try:
        node.client.patch("csinodes", ("", NODE), lambda copy: copy.update(spec=spec))
    except NotFound:
        node.client.create("csinodes", {"metadata": {"name": NODE}, "spec": spec})


def attach(node: Any, handle: str, name: str) -> None:
    """What the attach-detach controller and the attacher do."""
    attachment = attachment_name(DRIVER, handle, NODE)
    spec = {"attacher": DRIVER, "nodeName": NODE, "source": {"persistentVolumeName": name}}
    node.client.create("volumeattachments", {"metadata": {"name": attachment}, "spec": spec})
    done = {"attached": True}
    node.client.patch(
        "volumeattachments", ("", attachment), lambda copy: copy.update(status=done), subresource="status"
    )

    def tell(copy: Obj) -> None:
        copy["status"].setdefault("volumesAttached", []).append(
            {"name": attached_name(DRIVER, handle), "devicePath": ""}
        )

    node.client.patch("nodes", ("", NODE), tell, subresource="status")


async def failed(node: Any, pod: str, reason: str = "FailedMount") -> str:
    return str(await node.until(lambda: next((m for _, r, m in node.events(pod) if r == reason), None)))


UNMOUNTED = (
    "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], "
    "failed to process volumes=[data]: "
)


async def test_a_claim_that_is_missing_or_not_bound_is_waited_for(node: Any) -> None:
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    why = 'failed to fetch PVC from API server: persistentvolumeclaims "c" not found'
    assert await failed(node, "p") == f"{UNMOUNTED}error processing PVC default/c: {why}"
    assert node.container("p")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    bind(node, "c", {"hostPath": {"path": "/srv/c"}})
    await node.ready("p")
    await node.exec("p", "put", "/data/f", "kept")
    assert (node.kubelet.state_dir / "disk/srv/c/f").read_text() == "kept\n"


async def test_a_local_volume_needs_its_node_and_its_path(node: Any) -> None:
    bind(node, "gone", {"local": {"path": "/nonexistent/disk"}}, nodeAffinity=affinity(NODE))
    node.create("gone", {**MOUNT}, volumes=claimed("gone"))
    text = 'MountVolume.NewMounter initialization failed for volume "pv-gone" : path "/nonexistent/disk" does not exist'
    assert await failed(node, "gone") == text
    bind(node, "far", {"local": {"path": "/disk"}}, nodeAffinity=affinity("elsewhere"))
    node.create("far", {**MOUNT}, volumes=claimed("far"))
    text = 'MountVolume.NodeAffinity check failed for volume "pv-far" : no matching NodeSelectorTerms'
    assert await failed(node, "far") == text
    (node.kubelet.state_dir / "disk/disk").mkdir(parents=True)
    bind(node, "near", {"local": {"path": "/disk"}}, nodeAffinity=affinity(NODE))
    node.create("near", {**MOUNT}, volumes=claimed("near"))
    await node.ready("near")
    await node.exec("near", "put", "/data/f", "x")
    assert (node.kubelet.state_dir / "disk/disk/f").exists()


async def test_storage_pocketkube_does_not_have_is_named(node: Any) -> None:
    bind(node, "c", {"nfs": {"server": "s", "path": "/"}})
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    assert (await failed(node, "p")).startswith(
        'MountVolume.FindPluginBySpec failed for volume "pv-c" : pocketkube has no nfs storage'
    )


async def test_a_csi_volume_is_mounted_when_it_is_attached(node: Any, driver: Driver) -> None:
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    node.create("p", {**MOUNT}, volumes=claimed("c"))

    def in_use() -> Any:
        return objects.status(node.client.get("nodes", "", NODE)).get("volumesInUse")

    await node.until(in_use)
    assert in_use() == [attached_name(DRIVER, "v1")]
    assert not [reason for _, reason, _ in node.events("p") if reason.startswith("Failed")]
    attach(node, "v1", "pv-c")
    await node.ready("p")
    await node.exec("p", "put", "/data/f", "x")
    assert (driver.folder / "v1/f").read_text() == "x\n"
    node.client.delete("pods", ("default", "p"))
    await node.gone("p")
    assert in_use() is None
    assert (driver.folder / "v1/f").exists()


async def test_a_driver_that_does_not_serve_the_node(node: Any, driver: Driver) -> None:
    serve(node)
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    attach(node, "v1", "pv-c")
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    assert await failed(node, "p") == (
        'MountVolume.MountDevice failed for volume "pv-c" : kubernetes.io/csi: attacher.MountDevice failed to create '
        "newCsiDriverClient: driver name hostpath.csi.k8s.io not found in the list of registered CSI drivers"
    )
    serve(node, DRIVER)
    await node.ready("p")


async def test_volume_mode_and_use_must_agree(node: Any) -> None:
    bind(node, "blk", csi("b"), volumeMode="Block")
    bind(node, "fs", csi("f"))
    node.create("blk", {**MOUNT}, volumes=claimed("blk"))
    node.create("fs", {**DEVICE}, volumes=claimed("fs"))
    assert await failed(node, "blk") == f"{UNMOUNTED}volume data has volumeMode Block, but is specified in volumeMounts"
    assert await failed(node, "fs") == (
        f"{UNMOUNTED}volume data has volumeMode Filesystem, but is specified in volumeDevices"
    )


async def test_a_block_volume_is_a_device(node: Any, driver: Driver) -> None:
    (driver.folder / "b").write_bytes(bytes(1024))
    bind(node, "c", csi("b"), volumeMode="Block")
    attach(node, "b", "pv-c")
    node.create("p", {**DEVICE}, volumes=claimed("c"))
    await node.ready("p")
    fs = node.kubelet.pod("default", "p").slots["c"].current.init.fs
    assert fs.stat("/dev/data").kind == "block"
    fs.write_bytes("/dev/data", b"raw")
    assert fs.read_bytes("/dev/data")[:4] == b"raw\0"
    assert (driver.folder / "b").stat().st_size == 1024
    with pytest.raises(OSError, match="No space left"):
        fs.append_bytes("/dev/data", b"more")
    with fs.open("/dev/data", "w") as device:
        device.seek(1000)
        with pytest.raises(OSError, match="No space left"):
            await device.write(bytes([7]) * 100)
        assert device.tell() == 1024
    assert (driver.folder / "b").read_bytes()[996:] == bytes(4) + bytes([7]) * 24
    mapped = [message for _, reason, message in node.events("p") if reason == "SuccessfulMountVolume"]
    assert mapped[0] == (
        'MapVolume.MapPodDevice succeeded for volume "pv-c" globalMapPath '
        '"/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/pv-c/dev"'
    )


async def test_an_inline_volume_goes_with_its_pod(node: Any, driver: Driver) -> None:
    inline = [{"name": "data", "csi": {"driver": DRIVER}}]
    node.create("p", {**MOUNT}, volumes=inline)
    assert "(no CSIDriver object)" in await failed(node, "p")
    spec = {"volumeLifecycleModes": ["Persistent", "Ephemeral"]}
    node.client.create("csidrivers", {"metadata": {"name": DRIVER}, "spec": spec})
    await node.ready("p")
    assert len(list(driver.folder.iterdir())) == 1
    node.client.delete("pods", ("default", "p"))
    await node.gone("p")
    assert not list(driver.folder.iterdir())
    node.create("other", {**MOUNT}, volumes=[{"name": "data", "csi": {"driver": "nope.example.com"}}])
    assert await failed(node, "other") == (
        'MountVolume.SetUp failed for volume "data" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: '
        "driver name nope.example.com not found in the list of registered CSI drivers"
    )


async def started(tmp_path: Path, store: Store, driver: Driver) -> Any:
    """A node with the driver; the next one of the same store and folder is the same node, started again."""
    node = Node(tmp_path / "node", store, Clock(speed=10))
    node.kubelet.services = {**node.kubelet.services, "csi": {DRIVER: driver}}
    await node.start()
    return node


def takes_inline(node: Any) -> None:
    serve(node, DRIVER)
    spec = {"volumeLifecycleModes": ["Ephemeral"]}
    node.client.create("csidrivers", {"metadata": {"name": DRIVER}, "spec": spec})


async def test_an_inline_volume_of_a_pod_that_went_unseen(tmp_path: Path) -> None:
    store, driver = Store(None), Driver(tmp_path / "csi")
    for alive in (True, False):
        node = await started(tmp_path, store, driver)
        if alive:
            takes_inline(node)
            node.create("p", {**MOUNT}, volumes=[{"name": "data", "csi": {"driver": DRIVER}}])
            await node.ready("p")
        await node.stop()
        assert len(list(driver.folder.iterdir())) == alive
        if alive:
            node.client.delete("pods", ("default", "p"), DeleteOptions(grace_period_seconds=0))


@pytest.mark.parametrize("what", ["another's handle", "a folder", "no text"])
async def test_what_a_container_writes_says_nothing_of_inline_volumes(tmp_path: Path, what: str) -> None:
    """Whatever is in its emptyDir when the node has to clean up after it."""
    store, driver = Store(None), Driver(tmp_path / "csi")
    for alive in (True, False):
        node = await started(tmp_path, store, driver)
        if alive:
            takes_inline(node)
            node.create("victim", {**MOUNT}, volumes=[{"name": "data", "csi": {"driver": DRIVER}}])
            await node.ready("victim")
            (handle,) = (folder.name for folder in driver.folder.iterdir())
            node.create("p", {**MOUNT}, volumes=[{"name": "data", "emptyDir": {}}])
            await node.ready("p")
            fs = files(node, "p")
            for name in ("csi-inline", ".csi-inline"):
                if what == "a folder":
                    fs.mkdir(f"/data/{name}")
                else:
                    text = f"{DRIVER}\n{handle}\n".encode() if what == "another's handle" else b"\xff\x00"
                    fs.write_bytes(f"/data/{name}", text)
        await node.stop()
        assert len(list(driver.folder.iterdir())) == 1
        if alive:
            node.client.delete("pods", ("default", "p"), DeleteOptions(grace_period_seconds=0))


async def test_a_note_of_an_inline_volume_that_was_never_finished(tmp_path: Path) -> None:
    """A process that dies while it writes one leaves a node that can be started."""
    store, driver = Store(None), Driver(tmp_path / "csi")
    left = tmp_path / "node" / "pods" / "00000000-dead"
    (left / ".csi-inline").mkdir(parents=True)
    (left / ".csi-inline" / "data").write_text("")
    node = await started(tmp_path, store, driver)
    await node.stop()
    assert not left.exists()


async def test_an_ephemeral_volume_is_the_pods_own_claim(node: Any) -> None:
    template = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    bind(node, "p-data", {"hostPath": {"path": "/srv/c"}})
    pod = node.create("p", {**MOUNT}, volumes=[{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}])
    assert await failed(node, "p") == (
        f"{UNMOUNTED}PVC default/p-data was not created for pod default/p (pod is not owner)"
    )

    def own(copy: Obj) -> None:
        copy["metadata"]["ownerReferences"] = [objects.owner_reference({**pod, "apiVersion": "v1", "kind": "Pod"})]

    node.client.patch("persistentvolumeclaims", ("default", "p-data"), own)
    await node.ready("p")


async def test_an_expansion_is_finished_where_the_volume_is_used(node: Any, driver: Driver) -> None:
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    attach(node, "v1", "pv-c")
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    await node.ready("p")

    def pending(copy: Obj) -> None:
        copy["status"] |= {
            "allocatedResources": {"storage": "2Gi"},
            "allocatedResourceStatuses": {"storage": "NodeResizePending"},
            "conditions": [{"type": "FileSystemResizePending", "status": "True"}],
        }

    node.client.patch("persistentvolumes", ("", "pv-c"), lambda copy: copy["spec"].update(capacity={"storage": "2Gi"}))
    node.client.patch("persistentvolumeclaims", ("default", "c"), pending, subresource="status")
    text = f'MountVolume.NodeExpandVolume succeeded for volume "pv-c" {NODE}'
    assert await failed(node, "p", "FileSystemResizeSuccessful") == text
    assert await failed(node, "c", "FileSystemResizeSuccessful") == text
    status = objects.status(node.client.get("persistentvolumeclaims", "default", "c"))
    assert status["capacity"] == {"storage": "2Gi"} == status["allocatedResources"]
    assert "allocatedResourceStatuses" not in status
    assert "conditions" not in status


def files(node: Any, pod: str) -> Any:
    return node.kubelet.pod("default", pod).slots["c"].current.init.fs


async def test_a_volume_that_is_never_attached_is_told_after_its_time(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", Store(None), Clock(speed=500))
    await node.start()
    bind(node, "c", csi("v1"))
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    assert await failed(node, "p") == (
        "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data], "
        "failed to process volumes=[]: context deadline exceeded"
    )
    await node.stop()


async def test_a_driver_that_asks_for_no_attachment(node: Any, driver: Driver) -> None:
    node.client.create("csidrivers", {"metadata": {"name": DRIVER}, "spec": {"attachRequired": False}})
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    await node.ready("p")
    assert "volumesInUse" not in objects.status(node.client.get("nodes", "", NODE))


async def test_what_the_attacher_could_not_do_is_told(node: Any, driver: Driver) -> None:
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    attach(node, "v1", "pv-c")
    error = {"attached": False, "attachError": {"message": "rpc error: code = Internal desc = no"}}
    name = attachment_name(DRIVER, "v1", NODE)
    node.client.patch("volumeattachments", ("", name), lambda copy: copy.update(status=error), subresource="status")
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    text = 'MountVolume.WaitForAttach failed for volume "pv-c" : rpc error: code = Internal desc = no'
    assert await failed(node, "p") == text


async def test_what_a_driver_refuses_is_told_and_tried_again(node: Any, driver: Driver) -> None:
    bind(node, "c", csi("v1"))
    attach(node, "v1", "pv-c")
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    why = "rpc error: code = NotFound desc = volume id v1 does not exist in the volumes list"
    assert await failed(node, "p") == f'MountVolume.SetUp failed for volume "pv-c" : {why}'
    (driver.folder / "v1").mkdir()
    await node.ready("p")


async def test_one_pod_only(node: Any) -> None:
    bind(node, "c", {"hostPath": {"path": "/srv"}}, accessModes=["ReadWriteOncePod"])
    node.create("one", {**MOUNT}, volumes=claimed("c"))
    await node.ready("one")
    node.create("two", {**MOUNT}, volumes=claimed("c"))
    why = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
    assert await failed(node, "two") == f'MountVolume.SetUp failed for volume "pv-c" : {why}'
    node.client.delete("pods", ("default", "one"))
    await node.ready("two")


async def test_read_only_is_read_only(node: Any, driver: Driver) -> None:
    for name, more in (("claim", {}), ("volume", {"readOnly": True}), ("mount", {}), ("both", {})):
        (driver.folder / name).mkdir()
        bind(node, name, csi(name, **more), mountOptions=["noatime", "nodiratime"])
        attach(node, name, f"pv-{name}")
    node.create("claim", {**MOUNT}, volumes=claimed("claim", readOnly=True))
    node.create("volume", {**MOUNT}, volumes=claimed("volume"))
    mount = {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}]}
    writer = {"name": "writer", **MOUNT}
    node.create("mount", mount, writer, volumes=claimed("mount"))
    for pod in ("claim", "volume", "mount"):
        await node.ready(pod)
        with pytest.raises(OSError, match="Read-only file system"):
            files(node, pod).write_bytes("/data/f", b"")
        shown = next(found for found in files(node, pod).mounts() if found[1] == "/data")
        assert shown == ("/dev/vda1", "/data", "ext4", "ro,relatime,noatime,nodiratime")
    node.kubelet.pod("default", "mount").slots["writer"].current.init.fs.write_bytes("/data/f", b"x")
    assert files(node, "mount").read_bytes("/data/f") == b"x"


async def test_a_device_that_may_only_be_read(node: Any, driver: Driver) -> None:
    (driver.folder / "b").write_bytes(b"data")
    bind(node, "c", csi("b"), volumeMode="Block")
    attach(node, "b", "pv-c")
    node.create("p", {**DEVICE}, volumes=claimed("c", readOnly=True))
    await node.ready("p")
    assert files(node, "p").read_bytes("/dev/data") == b"data"
    with pytest.raises(OSError, match="Operation not permitted"):
        files(node, "p").write_bytes("/dev/data", b"x")


@pytest.mark.parametrize(
    ("policy", "source", "given"),
    [
        ("File", {}, True),
        ("None", {"fsType": "ext4"}, False),
        ("ReadWriteOnceWithFSType", {}, False),
        ("ReadWriteOnceWithFSType", {"fsType": "ext4"}, True),
    ],
)
async def test_fs_group_as_the_driver_wants_it(
    node: Any, driver: Driver, policy: str, source: Obj, given: bool
) -> None:
    spec = {"attachRequired": False, "fsGroupPolicy": policy}
    node.client.create("csidrivers", {"metadata": {"name": DRIVER}, "spec": spec})
    (driver.folder / "v1/deep").mkdir(parents=True)
    (driver.folder / "v1/deep/f").touch(mode=0o600)
    bind(node, "c", csi("v1", **source))
    node.create("p", {**MOUNT}, volumes=claimed("c"), securityContext={"fsGroup": 2000})
    await node.ready("p")
    fs = files(node, "p")
    assert (fs.stat("/data").gid, fs.stat("/data/deep/f").gid) == ((2000, 2000) if given else (0, 0))
    assert bool(fs.stat("/data").mode & 0o2000) is given
    fs.write_bytes("/data/new", b"")
    assert fs.stat("/data/new").gid == (2000 if given else 0)


async def test_fs_group_is_not_given_again_where_the_root_has_it(node: Any, driver: Driver) -> None:
    spec = {"attachRequired": False, "fsGroupPolicy": "File"}
    node.client.create("csidrivers", {"metadata": {"name": DRIVER}, "spec": spec})
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    for policy, group in (("Always", 2000), ("OnRootMismatch", 5), ("Always", 2000)):
        security = {"fsGroup": 2000, "fsGroupChangePolicy": policy}
        node.create("p", {**MOUNT}, volumes=claimed("c"), securityContext=security)
        await node.ready("p")
        fs = files(node, "p")
        if fs.exists("/data/f"):
            assert fs.stat("/data/f").gid == group
        fs.write_bytes("/data/f", b"")
        fs.chown("/data/f", 0, 5)
        node.client.delete("pods", ("default", "p"))
        await node.gone("p")


async def test_a_claim_that_is_replaced_under_its_pod_changes_nothing(node: Any) -> None:
    bind(node, "c", {"hostPath": {"path": "/srv"}})
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    await node.ready("p")
    lost = {"phase": "Lost"}
    key = ("default", "c")
    node.client.patch("persistentvolumeclaims", key, lambda copy: copy.update(status=lost), subresource="status")
    files(node, "p").write_bytes("/data/f", b"still there")
    await node.exec("p", "cat", "/data/f")
    assert not [reason for _, reason, _ in node.events("p") if reason == "FailedMount"]


@pytest.mark.parametrize(
    ("type_", "path", "why"),
    [
        ("Socket", "/run/docker.sock", "hostPath type check failed: /run/docker.sock is not a socket file"),
        ("CharDevice", "/dev/kvm", "hostPath type check failed: /dev/kvm is not a character device"),
        ("BlockDevice", "/dev/Sda", "hostPath type check failed: /dev/Sda is not a block device"),
        ("File", "/etc", "hostPath type check failed: /etc is not a file"),
        ("DirectoryOrCreate", "/File", "hostPath type check failed: /File is not a directory"),
        ("FileOrCreate", "/no/Such/file", "open /no/Such/file: no such file or directory"),
        ("", "/File/below", "mkdir /File/below: not a directory"),
    ],
)
async def test_types_of_host_paths(node: Any, type_: str, path: str, why: str) -> None:
    disk = node.kubelet.state_dir / "disk"
    (disk / "etc").mkdir(parents=True)
    (disk / "File").touch()
    node.create("p", {**MOUNT}, volumes=[{"name": "data", "hostPath": {"path": path, "type": type_}}])
    assert await failed(node, "p") == f'MountVolume.SetUp failed for volume "data" : {why}'


async def test_a_host_path_takes_no_mount_options(node: Any) -> None:
    bind(node, "c", {"hostPath": {"path": "/srv"}}, mountOptions=["noatime"])
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    why = "mount options are not supported for this volume type"
    assert await failed(node, "p") == f'MountVolume.MountOptionSupport check failed for volume "pv-c" : {why}'


async def test_a_local_file_is_a_device(node: Any) -> None:
    disk = node.kubelet.state_dir / "disk"
    disk.mkdir()
    bind(node, "c", {"local": {"path": "/disk.img"}}, nodeAffinity=affinity(NODE), volumeMode="Block")
    node.create("p", {**DEVICE}, volumes=claimed("c"))
    assert await failed(node, "p", "FailedMapVolume") == (
        'MapVolume.EvalHostSymlinks failed for volume "pv-c" : lstat /disk.img: no such file or directory'
    )
    (disk / "disk.img").write_bytes(b"blocks")
    await node.ready("p")
    assert files(node, "p").read_bytes("/dev/data") == b"blocks"


async def test_a_mounted_volume_waits_for_nothing_any_more(node: Any, driver: Driver) -> None:
    (driver.folder / "v1").mkdir()
    bind(node, "c", csi("v1"))
    node.create("p", {**MOUNT}, volumes=claimed("c"))
    await node.until(lambda: objects.status(node.client.get("nodes", "", NODE)).get("volumesInUse"))
    pod = node.kubelet.pod("default", "p")
    await node.until(lambda: ("nodes", ("", NODE)) in set(pod.depends_on()))
    attach(node, "v1", "pv-c")
    await node.ready("p")
    kinds = {resource for resource, _ in pod.depends_on()}
    assert {"persistentvolumeclaims", "persistentvolumes"} <= kinds
    assert not kinds & {"nodes", "csinodes", "csidrivers", "volumeattachments"}


async def test_a_volumes_own_group(node: Any) -> None:
    bind(node, "c", {"hostPath": {"path": "/srv"}})
    node.client.patch("persistentvolumes", ("", "pv-c"), lambda copy: copy["metadata"].update(annotations=GROUP))
    node.create("p", {**MOUNT}, volumes=claimed("c"), securityContext={"supplementalGroups": [3000]})
    await node.ready("p")
    assert node.kubelet.pod("default", "p").slots["c"].current.config.groups == (3000, 1234)


@pytest.mark.parametrize("text", ["9" * 5000, "-1", "1e3", "0", "\u0663\u0663x", ""])
async def test_a_volumes_group_that_is_none_is_passed_over(node: Any, text: str) -> None:
    """Python reads no number of 5,000 digits: the pod would never have started."""
    bind(node, "c", {"hostPath": {"path": "/srv"}})
    annotations = {"pv.beta.kubernetes.io/gid": text}
    node.client.patch("persistentvolumes", ("", "pv-c"), lambda copy: copy["metadata"].update(annotations=annotations))
    node.create("p", {**MOUNT}, volumes=claimed("c"), securityContext={"supplementalGroups": [3000]})
    await node.ready("p")
    assert node.kubelet.pod("default", "p").slots["c"].current.config.groups == (3000,)


async def test_a_full_volume_is_given_to_its_group_in_steps(
    node: Any, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "STEP", 0.0)
    spec = {"fsGroupPolicy": "File", "volumeLifecycleModes": ["Persistent", "Ephemeral"], "attachRequired": False}
    node.client.create("csidrivers", {"metadata": {"name": DRIVER}, "spec": spec})
    for number in range(50):
        (driver.folder / f"v1/d{number % 5}").mkdir(parents=True, exist_ok=True)
        (driver.folder / f"v1/d{number % 5}/{number}").touch()
    bind(node, "c", csi("v1"))
    both = [*claimed("c"), {"name": "inline", "csi": {"driver": DRIVER}}]
    mounts = [*MOUNT["volumeMounts"], {"name": "inline", "mountPath": "/inline"}]
    node.create("p", {"volumeMounts": mounts}, volumes=both, securityContext={"fsGroup": 2000})
    await node.ready("p")
    fs = files(node, "p")
    assert {fs.stat(f"/data/d{number % 5}/{number}").gid for number in range(50)} == {2000}
    assert fs.stat("/inline").gid == 2000
    assert len(list(driver.folder.glob("csi-*"))) == 1
