"""What upstream's [sig-storage] conformance tests of files ask for: content, modes, owners and updates of emptyDir,
configMap, secret, projected and downwardAPI volumes, seen by agnhost's mounttest in a Pod that ends."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.network.support import AGNHOST
from tests.parity.storage.support import Disks, phase

from kindlab.api import ApiError, Obj

AT = "/etc/volume"


def looking(source: Obj, *words: str, **spec: Any) -> Obj:
    """A Pod that looks at a volume once."""
    container: Obj = {
        "name": "main",
        "image": AGNHOST,
        "args": ["mounttest", *words],
        "volumeMounts": [{"name": "v", "mountPath": AT}],
        **spec.pop("container", {}),
    }
    body = {"restartPolicy": "Never", "containers": [container], "volumes": [{"name": "v", **source}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tester", "labels": {"one": "1"}}, "spec": body}


def log(disks: Disks, pod: str = "tester", container: str = "main") -> str:
    path = disks.path("Pod", pod) + f"/log?container={container}"
    response = disks.api.request("GET", path, stream=True)
    try:
        return bytes(response.data).decode()
    finally:
        response.close()


def told(disks: Disks, pod: Obj) -> str:
    """What a tester prints; it must succeed."""
    disks.put(pod)
    ended = disks.wait("Pod", "tester", lambda p: phase(p) in ("Succeeded", "Failed"), timeout=120)
    printed = log(disks)
    assert phase(ended) == "Succeeded", printed
    return printed


# -- emptyDir


@pytest.mark.parametrize("medium", ["", "Memory"], ids=["disk", "tmpfs"])
def test_an_empty_dir_is_open_to_all(disks: Disks, medium: str) -> None:
    printed = told(disks, looking({"emptyDir": {"medium": medium}}, f"--fs_type={AT}", f"--file_perm={AT}"))
    assert f'perms of file "{AT}": -rwxrwxrwx' in printed
    assert (f'mount type of "{AT}": tmpfs' in printed) == (medium == "Memory")


@pytest.mark.parametrize("medium", ["", "Memory"], ids=["disk", "tmpfs"])
@pytest.mark.parametrize("user", [0, 1001], ids=["root", "non-root"])
@pytest.mark.parametrize(("mode", "shown"), [("0644", "rw-r--r--"), ("0666", "rw-rw-rw-"), ("0777", "rwxrwxrwx")])
def test_files_of_an_empty_dir(disks: Disks, medium: str, user: int, mode: str, shown: str) -> None:
    words = (f"--new_file_{mode}={AT}/file", f"--file_perm={AT}/file")
    printed = told(disks, looking({"emptyDir": {"medium": medium}}, *words, securityContext={"runAsUser": user}))
    assert f'content of file "{AT}/file": mount-tester new file' in printed
    assert f'perms of file "{AT}/file": -{shown}' in printed


@pytest.mark.parametrize("medium", ["", "Memory"], ids=["disk", "tmpfs"])
def test_files_belong_to_the_fs_group(disks: Disks, medium: str) -> None:
    words = (f"--new_file_0660={AT}/file", f"--file_perm={AT}/file", f"--file_owner={AT}/file")
    security = {"runAsUser": 1001, "fsGroup": 123}
    printed = told(disks, looking({"emptyDir": {"medium": medium}}, *words, securityContext=security))
    assert f'perms of file "{AT}/file": -rw-rw----' in printed
    assert f'owner UID of "{AT}/file": 1001' in printed
    assert f'owner GID of "{AT}/file": 123' in printed


# -- ConfigMaps and Secrets, by themselves and projected


KINDS = ("configMap", "secret", "projected-configMap", "projected-secret")


def made(disks: Disks, kind: str, **more: Any) -> None:
    """A ConfigMap or Secret `conf` with data-1."""
    if kind.endswith("secret"):
        disks.put(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "conf"}, "stringData": {"data-1": "value-1"}}
            | more
        )
    else:
        disks.put(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"data-1": "value-1"}}
            | more
        )


def source(kind: str, *, name: str = "conf", default: int | None = None, **more: Any) -> Obj:
    field = kind.removeprefix("projected-")
    one: Obj = {"secretName": name} if kind == "secret" else {"name": name}
    mode = {} if default is None else {"defaultMode": default}
    if kind.startswith("projected-"):
        return {"projected": {"sources": [{field: {**one, **more}}], **mode}}
    return {field: {**one, **more, **mode}}


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_files(disks: Disks, kind: str) -> None:
    made(disks, kind)
    printed = told(disks, looking(source(kind), f"--file_content={AT}/data-1", f"--file_mode={AT}/data-1"))
    assert f'content of file "{AT}/data-1": value-1' in printed
    assert f'mode of file "{AT}/data-1": -rw-r--r--' in printed


@pytest.mark.parametrize("kind", KINDS)
def test_a_default_mode_is_that_of_every_file(disks: Disks, kind: str) -> None:
    made(disks, kind)
    printed = told(
        disks, looking(source(kind, default=0o400), f"--file_content={AT}/data-1", f"--file_mode={AT}/data-1")
    )
    assert f'content of file "{AT}/data-1": value-1' in printed
    assert f'mode of file "{AT}/data-1": -r--------' in printed


@pytest.mark.parametrize("kind", KINDS)
def test_those_who_are_not_root_read_them(disks: Disks, kind: str) -> None:
    made(disks, kind)
    security = {"runAsUser": 1000}
    printed = told(disks, looking(source(kind), f"--file_content={AT}/data-1", securityContext=security))
    assert f'content of file "{AT}/data-1": value-1' in printed


@pytest.mark.parametrize("kind", KINDS)
def test_the_fs_group_reads_what_only_the_owner_may(disks: Disks, kind: str) -> None:
    made(disks, kind)
    security = {"runAsUser": 1000, "fsGroup": 1001}
    words = (f"--file_content={AT}/data-1", f"--file_mode={AT}/data-1")
    printed = told(disks, looking(source(kind, default=0o440), *words, securityContext=security))
    assert f'content of file "{AT}/data-1": value-1' in printed
    assert f'mode of file "{AT}/data-1": -r--r-----' in printed


@pytest.mark.parametrize("kind", KINDS)
def test_items_have_paths_and_modes_of_their_own(disks: Disks, kind: str) -> None:
    made(disks, kind)
    items = [{"key": "data-1", "path": "path/to/data-1", "mode": 0o400}]
    at = f"{AT}/path/to/data-1"
    printed = told(disks, looking(source(kind, items=items), f"--file_content={at}", f"--file_mode={at}"))
    assert f'content of file "{at}": value-1' in printed
    assert f'mode of file "{at}": -r--------' in printed


@pytest.mark.parametrize("kind", KINDS)
def test_one_object_in_two_volumes_of_a_pod(disks: Disks, kind: str) -> None:
    made(disks, kind)
    pod = looking(source(kind), f"--file_content={AT}/data-1")
    pod["spec"]["volumes"].append({"name": "again", **source(kind)})
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "again", "mountPath": "/etc/again"})
    pod["spec"]["containers"][0]["args"].append("--file_content=/etc/again/data-1")
    assert "value-1" in told(disks, pod)


@pytest.mark.parametrize("kind", KINDS)
def test_updates_come_through_optional_ones_come_and_go(disks: Disks, kind: str) -> None:
    made(disks, kind)
    pod = looking(source(kind))
    pod["spec"]["containers"][0] |= {"command": ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"], "args": None}
    pod["spec"]["volumes"].append({"name": "later", **source(kind, name="later", optional=True)})
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "later", "mountPath": "/etc/later"})
    pod["spec"]["terminationGracePeriodSeconds"] = 0
    disks.start(pod)
    assert disks.ok("tester", "ls /etc/later") == ""
    object_kind, field = ("Secret", "stringData") if kind.endswith("secret") else ("ConfigMap", "data")
    disks.merge(object_kind, "conf", {field: {"data-1": "value-2", "data-3": "value-3"}})
    disks.put({"apiVersion": "v1", "kind": object_kind, "metadata": {"name": "later"}, field: {"new": "here"}})
    disks.sh_until("tester", f"grep value-2 {AT}/data-1 && cat {AT}/data-3 && cat /etc/later/new", seconds=120)
    disks.api.delete(object_kind, "later", disks.namespace)
    disks.sh_until("tester", "[ -e /etc/later/new ] || echo gone", seconds=120)


def test_binary_data_comes_through(disks: Disks) -> None:
    data = {"data": {"text": "value"}, "binaryData": {"dump": "3q2+7w=="}}
    disks.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}} | data)
    pod = looking(source("configMap"))
    pod["spec"]["containers"][0] |= {"command": ["sh", "-c", f"cat {AT}/text; hexdump -C {AT}/dump"], "args": None}
    printed = told(disks, pod)
    assert "value" in printed
    assert "de ad be ef" in printed


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_what_is_immutable_stays(disks: Disks, kind: str) -> None:
    made(disks, kind)
    object_kind = "Secret" if kind == "secret" else "ConfigMap"
    field = "stringData" if kind == "secret" else "data"
    disks.merge(object_kind, "conf", {field: {"data-1": "changed"}})
    disks.merge(object_kind, "conf", {"immutable": True})
    for change in ({field: {"data-1": "again"}}, {"immutable": False}):
        with pytest.raises(ApiError) as refused:
            disks.merge(object_kind, "conf", change)
        assert refused.value.code == 422
    disks.merge(object_kind, "conf", {"metadata": {"labels": {"still": "possible"}}})


# -- downwardAPI


DOWNWARD = ("downwardAPI", "projected-downwardAPI")


def downward(kind: str, path: str, default: int | None = None, mode: int | None = None, **ref: Any) -> Obj:
    item: Obj = {"path": path, **ref} | ({} if mode is None else {"mode": mode})
    defaults = {} if default is None else {"defaultMode": default}
    if kind == "downwardAPI":
        return {"downwardAPI": {"items": [item], **defaults}}
    return {"projected": {"sources": [{"downwardAPI": {"items": [item]}}], **defaults}}


def field(path: str) -> Obj:
    return {"fieldRef": {"fieldPath": path}}


@pytest.mark.parametrize("kind", DOWNWARD)
@pytest.mark.parametrize(
    ("default", "mode", "shown"),
    [(None, None, "-rw-r--r--"), (0o400, None, "-r--------"), (None, 0o400, "-r--------")],
    ids=["as-it-is", "default-mode", "item-mode"],
)
def test_the_pods_name_and_its_mode(disks: Disks, kind: str, default: int | None, mode: int | None, shown: str) -> None:
    volume = downward(kind, "podname", default, mode, **field("metadata.name"))
    printed = told(disks, looking(volume, f"--file_content={AT}/podname", f"--file_mode={AT}/podname"))
    assert f'content of file "{AT}/podname": tester' in printed
    assert f'mode of file "{AT}/podname": {shown}' in printed


@pytest.mark.parametrize("kind", DOWNWARD)
def test_the_pods_name_for_the_fs_group(disks: Disks, kind: str) -> None:
    volume = downward(kind, "podname", 0o440, **field("metadata.name"))
    security = {"runAsUser": 1000, "fsGroup": 1234}
    words = (f"--file_content={AT}/podname", f"--file_mode={AT}/podname")
    printed = told(disks, looking(volume, *words, securityContext=security))
    assert f'content of file "{AT}/podname": tester' in printed
    assert f'mode of file "{AT}/podname": -r--r-----' in printed


@pytest.mark.parametrize("kind", DOWNWARD)
@pytest.mark.parametrize("what", ["labels", "annotations"])
def test_labels_and_annotations_follow_their_changes(disks: Disks, kind: str, what: str) -> None:
    pod = looking(downward(kind, what, **field(f"metadata.{what}")))
    pod["spec"]["containers"][0] |= {"command": ["sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"], "args": None}
    pod["metadata"][what] = {"key": "value-1"}
    pod["spec"]["terminationGracePeriodSeconds"] = 0
    disks.start(pod)
    assert 'key="value-1"' in disks.ok("tester", f"cat {AT}/{what}")
    disks.merge("Pod", "tester", {"metadata": {what: {"key": "value-2"}}})
    disks.sh_until("tester", f"grep value-2 {AT}/{what}", seconds=120)


@pytest.mark.parametrize("kind", DOWNWARD)
@pytest.mark.parametrize(
    ("resource", "shown"),
    [("limits.cpu", "2"), ("limits.memory", "67108864"), ("requests.cpu", "1"), ("requests.memory", "33554432")],
)
def test_a_containers_resources(disks: Disks, kind: str, resource: str, shown: str) -> None:
    limits = {"limits": {"cpu": "1250m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}
    ref = {"resourceFieldRef": {"containerName": "main", "resource": resource}}
    volume = downward(kind, "amount", **ref)
    printed = told(disks, looking(volume, f"--file_content={AT}/amount", container={"resources": limits}))
    assert f'content of file "{AT}/amount": {shown}\n' in printed


@pytest.mark.parametrize("kind", DOWNWARD)
@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_a_limit_that_is_not_set_is_the_nodes(disks: Disks, kind: str, resource: str) -> None:
    ref = {"resourceFieldRef": {"containerName": "main", "resource": f"limits.{resource}"}}
    printed = told(disks, looking(downward(kind, "amount", **ref), f"--file_content={AT}/amount"))
    amount = printed.partition(f'content of file "{AT}/amount": ')[2].split()[0]
    assert int(amount) > 0


def test_a_projection_holds_all_sources(disks: Disks) -> None:
    made(disks, "configMap")
    disks.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "safe"}, "stringData": {"secret": "hidden"}})
    sources = [
        {"configMap": {"name": "conf"}},
        {"secret": {"name": "safe"}},
        {"downwardAPI": {"items": [{"path": "podname", **field("metadata.name")}]}},
    ]
    pod = looking({"projected": {"sources": sources}})
    script = f"cat {AT}/data-1; echo; cat {AT}/secret; echo; cat {AT}/podname"
    pod["spec"]["containers"][0] |= {"command": ["sh", "-c", script], "args": None}
    assert told(disks, pod).split() == ["value-1", "hidden", "tester"]


# -- subPath and wrapped volumes


@pytest.mark.parametrize("kind", ["configMap", "secret", "projected-configMap"])
def test_a_sub_path_of_values(disks: Disks, kind: str) -> None:
    made(disks, kind)
    pod = looking(source(kind), "--file_content=/one/file")
    mount = pod["spec"]["containers"][0]["volumeMounts"][0]
    mount |= {"mountPath": "/one/file", "subPath": "data-1"}
    assert 'content of file "/one/file": value-1' in told(disks, pod)


def test_a_sub_path_over_a_file_of_the_image(disks: Disks) -> None:
    made(disks, "configMap")
    pod = looking(source("configMap"), "--file_content=/etc/resolv.conf")
    pod["spec"]["containers"][0]["volumeMounts"][0] |= {"mountPath": "/etc/resolv.conf", "subPath": "data-1"}
    assert 'content of file "/etc/resolv.conf": value-1' in told(disks, pod)


def test_fifty_config_maps_in_one_pod_race_nobody(disks: Disks) -> None:
    for n in range(50):
        meta = {"name": f"conf-{n}"}
        disks.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"data-1": f"value-{n}"}})
    pod = looking({"configMap": {"name": "conf-0"}})
    pod["spec"]["volumes"] = [{"name": f"v{n}", "configMap": {"name": f"conf-{n}"}} for n in range(50)]
    container = pod["spec"]["containers"][0]
    container["volumeMounts"] = [{"name": f"v{n}", "mountPath": f"/v{n}"} for n in range(50)]
    container |= {"command": ["sh", "-c", "cat /v*/data-1 | wc -c"], "args": None}
    assert told(disks, pod).strip() == str(sum(len(f"value-{n}") for n in range(50)))
