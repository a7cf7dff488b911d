"""The grader's words about volumes: true bytes, nothing left behind, nothing taken from the learner."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.course.test_trace_claim import CSI, bound, claim, pod, put, running, snapshot

from kindlab.api import ApiError, Obj
from kindlab.checks import CheckFailed, Files
from kindlab.checks.live import LiveLab
from kindlab.checks.volumes import AT, PREFIX


def own(live: LiveLab) -> list[str]:
    """The grader's Pods that are there."""
    return [p["metadata"]["name"] for p in live.list("Pod") if p["metadata"]["name"].startswith(PREFIX)]


def pair() -> Obj:
    """A writer and a reader that share an emptyDir; the reader has a folder of its own, too."""
    made = pod(
        "pair", volumes=[{"name": "shared", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory"}}]
    )
    image = made["spec"]["containers"][0]["image"]
    shared = {"name": "shared", "mountPath": "/shared"}
    made["spec"]["containers"] = [
        {"name": "writer", "image": image, "args": ["pause"], "volumeMounts": [shared]},
        {
            "name": "reader",
            "image": image,
            "args": ["pause"],
            "volumeMounts": [{**shared, "readOnly": True}, {"name": "memory", "mountPath": "/memory"}],
        },
    ]
    return made


def test_places_of_a_pod(live: LiveLab) -> None:
    put(live, pair())
    running(live, "pair")
    writer, reader = (live.volumes.place("pair", "/shared", name) for name in ("writer", "reader"))
    assert writer.files() == {}
    data = bytes(range(256))
    writer.write('deep/er/a file\'s "name"', data)
    assert reader.read('deep/er/a file\'s "name"') == data
    assert reader.read("nosuch") is None
    assert writer.shares(reader)
    assert not writer.shares(live.volumes.place("pair", "/memory", "reader"))
    deep = live.volumes.place("pair", "/shared/deep", "writer")
    assert deep.is_within(reader)
    assert not deep.shares(reader)
    assert writer.is_within(reader)
    assert not writer.is_within(deep)
    assert writer.writable() == ""
    assert "Read-only file system" in reader.writable()
    with pytest.raises(CheckFailed, match=r"can be written.*Read-only file system"):
        reader.write("x", b"")
    assert list(reader.files()) == ['deep/er/a file\'s "name"']  # no mark is left
    assert list(reader.files("deep")) == ['er/a file\'s "name"']
    assert reader.files("nosuch") == {}
    writer.remove("deep")
    assert writer.files() == {}
    memory = live.volumes.place("pair", "/memory", "reader").filesystem()
    disk = reader.filesystem()
    assert memory is not None
    assert disk is not None
    assert (memory.at, memory.type, memory.read_only) == ("/memory", "tmpfs", False)
    assert (disk.at, disk.read_only) == ("/shared", True)
    assert disk.type != "tmpfs"
    assert 0 < disk.free <= disk.size
    assert live.volumes.place("pair", "/nosuch", "reader").filesystem() is None
    root = live.volumes.place("pair", "/etc", "reader").filesystem()
    assert root is not None
    assert root.at == "/"


def test_files_are_compared_in_words() -> None:
    before, after = Files(a="1", b="2", c="3"), Files(a="1", b="9", d="4")
    assert after.difference(before) == "missing: c; not expected: d; with other bytes: b"
    assert before.difference(Files(before)) == ""
    assert before.checksum == Files(reversed(before.items())).checksum
    assert len({before.checksum, after.checksum, Files().checksum}) == 3
    assert str(Files({str(n): "" for n in range(9)})) == "files 0, 1, 2, 3, 4, 5 and 3 more"
    assert str(Files()) == "no files"


@pytest.mark.parametrize("storage_class", [CSI, "standard"])
def test_a_claim_in_use_is_seen_on_its_node(live: LiveLab, storage_class: str) -> None:
    put(live, claim(storageClassName=storage_class), pod())
    running(live)
    theirs = live.volumes.place("user", "/disk")
    theirs.write("f", b"theirs")
    with live.volumes.claim("data") as place:
        assert place.path == AT
        (name,) = own(live)
        assert live.pods().names == {"user"}  # it is none of the learner's
        nodes = {p["metadata"]["name"]: p["spec"]["nodeName"] for p in live.list("Pod")}
        assert nodes[name] == nodes["user"]
        assert place.read("f") == b"theirs"
        assert place.shares(theirs)
        assert not place.shares(live.volumes.place("user", "/tmp"))
        assert place.files() == theirs.files()
    assert own(live) == []
    with live.volumes.claim("data", read_only=True) as place, pytest.raises(CheckFailed, match="Read-only"):
        place.write("g", b"")
    assert own(live) == []


def test_a_claim_nobody_uses(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI))
    with live.volumes.claim("data") as place:
        place.write("f", b"one")
        before = place.files()
    put(live, snapshot())
    assert live.volumes.snapshot("then")["status"]["restoreSize"] == "1Mi"
    with live.volumes.claim("data") as place:
        place.write("f", b"two")
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "then"}
    put(live, claim("copy", storageClassName=CSI, dataSource=source))
    with live.volumes.claim("copy", read_only=True) as place:
        assert place.files() == before
        assert place.files().checksum == before.checksum
    with live.volumes.claim("data", read_only=True) as place:
        assert place.files().difference(before) == "with other bytes: f"


def test_the_pod_goes_when_the_check_fails(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI))
    with pytest.raises(CheckFailed, match="no such words"), live.volumes.claim("data"):
        raise CheckFailed("words", "no such words")
    assert own(live) == []


def test_a_claim_that_waits_is_not_bound_by_looking(live: LiveLab) -> None:
    put(live, claim(storageClassName="standard"))
    with pytest.raises(CheckFailed, match="pvc/data is Pending") as failed:
        live.volumes.bound("data", timeout=0.1)
    assert failed.value.about == "pvc/data"
    with pytest.raises(CheckFailed), live.volumes.claim("data", timeout=0.1):
        raise AssertionError("it must not get here")
    assert own(live) == []
    assert live.require("PersistentVolumeClaim", "data")["status"]["phase"] == "Pending"


def test_what_is_not_there_is_not_waited_for(live: LiveLab) -> None:
    began = time.monotonic()
    with pytest.raises(CheckFailed, match="there is no pvc/nosuch"):
        live.volumes.bound("nosuch")
    with pytest.raises(CheckFailed, match="there is no vs/nosuch"):
        live.volumes.snapshot("nosuch")
    assert time.monotonic() - began < 20


def test_what_has_no_end_is_no_file(live: LiveLab) -> None:
    """A check that read it would wait, or receive, for ever."""
    put(live, pair())
    running(live, "pair")
    place = live.volumes.place("pair", "/shared")
    assert live.host("pair").run("cd /shared; ln -s /dev/zero zero && mkdir folder").rc == 0
    for name in ("zero", "folder"):
        with pytest.raises(CheckFailed, match="no regular file"):
            place.read(name)


def test_a_claim_of_one_pod_is_seen_through_that(live: LiveLab) -> None:
    put(live, claim(storageClassName=CSI, accessModes=["ReadWriteOncePod"]), pod())
    running(live)
    with live.volumes.claim("data") as place:
        assert (place.pod, place.path) == ("user", "/disk")
        place.write("f", b"one")
    assert own(live) == []
    live.api.delete("Pod", "user", live.namespace, wait=True)
    with live.volumes.claim("data", read_only=True) as place:
        assert place.pod.startswith(PREFIX)  # nobody uses it now
        assert place.read("f") == b"one"
    part = pod()
    part["spec"]["containers"][0]["volumeMounts"][0]["subPath"] = "part"
    put(live, part)
    running(live)
    with pytest.raises(CheckFailed, match="no running container of Pod user has all of it"), live.volumes.claim("data"):
        raise AssertionError("it must not get here")
    assert own(live) == []


@pytest.fixture
def volume(live: LiveLab) -> Any:
    """Make a PersistentVolume; deleted afterwards."""
    made: list[str] = []

    def make(obj: Obj) -> str:
        obj["metadata"]["name"] = live.namespace
        live.api.create(obj)
        made.append(obj["metadata"]["name"])
        return str(obj["metadata"]["name"])

    yield make
    for name in made:
        with suppress(ApiError):
            live.api.delete("PersistentVolume", name)


def test_a_claim_that_cannot_be_mounted_is_told(live: LiveLab, volume: Callable[[Obj], str]) -> None:
    name = volume(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {},
            "spec": {
                "capacity": {"storage": "1Mi"},
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "none-such",
                "hostPath": {"path": "/srv/not/there", "type": "Directory"},
            },
        }
    )
    put(live, claim(storageClassName="none-such", volumeName=name))
    mount = r"that a Pod can mount.*hostPath type check failed"
    with pytest.raises(CheckFailed, match=mount) as failed, live.volumes.claim("data"):
        raise AssertionError("it must not get here")
    assert failed.value.about == "pvc/data"
    assert own(live) == []


def test_a_claim_that_goes_or_has_blocks_is_told(live: LiveLab) -> None:
    put(live, claim("blocks", storageClassName=CSI, volumeMode="Block"), claim(storageClassName=CSI), pod())
    bound(live, "blocks", "data")
    running(live)
    with pytest.raises(CheckFailed, match="volumeMode is Block"), live.volumes.claim("blocks"):
        raise AssertionError("it must not get here")
    live.api.delete("PersistentVolumeClaim", "data", live.namespace)
    with pytest.raises(CheckFailed, match="being deleted"), live.volumes.claim("data"):
        raise AssertionError("it must not get here")
    assert own(live) == []
