"""What a container finds: environment, host name, resolver, volumes, users."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects
from pocketkube.kubelet.environment import expand
from pocketkube.kubelet.sandbox import hostname_and_domain


def service(node: Any, name: str, address: str | None, *ports: dict[str, Any], **spec: Any) -> None:
    node.client.create(
        "services",
        {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {**({"clusterIP": address} if address else {}), "ports": list(ports), **spec},
        },
    )


AB = {"a": "1", "b": "2"}


async def environment(node: Any, name: str) -> dict[str, str]:
    _, text = await node.exec(name, "env")
    return dict(line.split("=", 1) for line in text.splitlines())


async def test_service_variables(node: Any) -> None:
    """golden dns-07-env."""
    service(
        node,
        "web",
        "10.96.77.70",
        {"name": "http", "port": 80},
        {"name": "https-alt", "port": 8443},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    )
    service(node, "my-db", "10.96.77.71", {"port": 5432, "targetPort": 9999})
    service(node, "hl", "None", {"port": 80})
    own = [
        {"name": "WEB_SERVICE_HOST", "value": "mine"},
        {"name": "URL", "value": "http://$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT)/ $(NOPE) $$(ESC)"},
    ]
    node.create("after", {"env": own})
    node.create("nolinks", {}, enableServiceLinks=False)
    await node.ready("after")
    found = await environment(node, "after")
    for name in ("HOME", "PATH"):
        found.pop(name)
    assert found == {
        "HOSTNAME": "after",
        "MY_DB_PORT": "tcp://10.96.77.71:5432",
        "MY_DB_PORT_5432_TCP": "tcp://10.96.77.71:5432",
        "MY_DB_PORT_5432_TCP_ADDR": "10.96.77.71",
        "MY_DB_PORT_5432_TCP_PORT": "5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_SERVICE_HOST": "10.96.77.71",
        "MY_DB_SERVICE_PORT": "5432",
        "URL": "http://10.96.77.71:5432/ $(NOPE) $(ESC)",
        "WEB_PORT": "tcp://10.96.77.70:80",
        "WEB_PORT_53_UDP": "udp://10.96.77.70:53",
        "WEB_PORT_53_UDP_ADDR": "10.96.77.70",
        "WEB_PORT_53_UDP_PORT": "53",
        "WEB_PORT_53_UDP_PROTO": "udp",
        "WEB_PORT_80_TCP": "tcp://10.96.77.70:80",
        "WEB_PORT_80_TCP_ADDR": "10.96.77.70",
        "WEB_PORT_80_TCP_PORT": "80",
        "WEB_PORT_80_TCP_PROTO": "tcp",
        "WEB_PORT_8443_TCP": "tcp://10.96.77.70:8443",
        "WEB_PORT_8443_TCP_ADDR": "10.96.77.70",
        "WEB_PORT_8443_TCP_PORT": "8443",
        "WEB_PORT_8443_TCP_PROTO": "tcp",
        "WEB_SERVICE_HOST": "mine",
        "WEB_SERVICE_PORT": "80",
        "WEB_SERVICE_PORT_DNS": "53",
        "WEB_SERVICE_PORT_HTTP": "80",
        "WEB_SERVICE_PORT_HTTPS_ALT": "8443",
    }
    await node.ready("nolinks")
    assert set(await environment(node, "nolinks")) == {"HOME", "HOSTNAME", "PATH"}


async def test_variables_from_objects_and_fields(node: Any) -> None:
    node.client.create(
        "configmaps", {"metadata": {"name": "cfg", "namespace": "default"}, "data": {"a": "1", "b": "2"}}
    )
    node.client.create("secrets", {"metadata": {"name": "sec", "namespace": "default"}, "data": {"k": "dG9w"}})
    ref = {"fieldRef": {"fieldPath": "status.podIP"}}
    node.create(
        "vars",
        {
            "envFrom": [{"prefix": "CFG_", "configMapRef": {"name": "cfg"}}],
            "resources": {"limits": {"cpu": "250m", "memory": "64Mi"}},
            "env": [
                {"name": "IP", "valueFrom": ref},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "k"}}},
                {"name": "GONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            ],
        },
    )
    address = objects.status(await node.ready("vars"))["podIP"]
    found = await environment(node, "vars")
    wanted = {"CFG_a": "1", "CFG_b": "2", "IP": address, "APP": "a", "KEY": "top", "CPU": "1", "MEM": "64"}
    assert wanted.items() <= found.items()
    assert "GONE" not in found


async def test_variables_from_a_file_that_an_init_container_wrote(node: Any) -> None:
    def named(name: str, key: str, path: str = "env", **more: Any) -> dict[str, Any]:
        ref = {"volumeName": "shared", "path": path, "key": key, **more}
        return {"name": name, "valueFrom": {"fileKeyRef": ref}}

    mounts = [{"name": "shared", "mountPath": "/shared"}]
    writes = {"command": ["/bin/put", "/shared/env", "A='1'\n# and\nB='two\nlines'"], "volumeMounts": mounts}
    volumes = [{"name": "shared", "emptyDir": {}}]

    def create(name: str, *env: dict[str, Any]) -> None:
        node.create(name, {"env": list(env)}, initContainers=[{**writes, "name": "i"}], volumes=volumes)

    create("reads", named("ONE", "A"), named("TWO", "B"), named("NONE", "C", optional=True))
    await node.ready("reads")
    values = node.kubelet.pod("default", "reads").slots["c"].current.init.env
    assert (values["ONE"], values["TWO"], values.get("NONE")) == ("1", "two\nlines", None)
    create("misses", named("ONE", "C"))
    create("absent", named("ONE", "A", path="no", optional=True))
    uid = objects.uid(node.pod("misses"))
    file = f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/shared/env"
    for name, why in (
        ("misses", f'environment variable key "C" not found in file "{file}"'),
        ("absent", "couldn't parse env file"),
    ):
        await node.until(lambda name=name: node.container(name).get("state", {}).get("waiting", {}).get("message"))
        assert node.container(name)["state"]["waiting"] == {"reason": "CreateContainerConfigError", "message": why}


async def test_missing_configuration_is_told_and_awaited(node: Any) -> None:
    source = {"configMapKeyRef": {"name": "late", "key": "k"}}
    node.create("waits", {"env": [{"name": "A", "valueFrom": source}]})
    await node.until(lambda: node.container("waits").get("state", {}).get("waiting", {}).get("message"))
    wait = {"reason": "CreateContainerConfigError", "message": 'configmap "late" not found'}
    assert node.container("waits")["state"]["waiting"] in (wait, {**wait, "message": 'configmap "late" not found'})
    node.client.create("configmaps", {"metadata": {"name": "late", "namespace": "default"}, "data": {"x": "1"}})
    text = "couldn't find key k in ConfigMap default/late"
    await node.until(lambda: node.container("waits")["state"]["waiting"]["message"] == text)
    assert ("Warning", "Failed", f"Error: {text}") in node.events("waits")
    node.client.patch("configmaps", ("default", "late"), lambda obj: obj["data"].update(k="v"))
    await node.ready("waits")


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({}, ("p", "")),
        ({"hostname": "h", "subdomain": "s"}, ("h", "s.default.svc.cluster.local")),
        ({"hostnameOverride": "other.example", "subdomain": "s"}, ("other.example", "")),
        ({"hostnameOverride": "a" * 62 + ".b"}, ("a" * 62, "")),
    ],
)
def test_host_names(spec: dict[str, str], names: tuple[str, str]) -> None:
    assert hostname_and_domain({"metadata": {"name": "p", "namespace": "default"}, "spec": spec}, {}) == names


async def test_files_of_the_sandbox(node: Any) -> None:
    """golden dns-06-pod-config."""
    node.create("first")
    node.create(
        "sub",
        {},
        hostname="custom",
        subdomain="sub",
        setHostnameAsFQDN=True,
        hostAliases=[{"ip": "192.0.2.1", "hostnames": ["one.example", "one"]}],
        dnsConfig={
            "nameservers": ["192.0.2.53"],
            "searches": ["a.example"],
            "options": [{"name": "ndots", "value": "2"}],
        },
    )
    address = objects.status(await node.ready("first"))["podIP"]
    assert await node.exec("first", "cat", "/etc/resolv.conf") == (
        0,
        "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
    )
    _, hosts = await node.exec("first", "cat", "/etc/hosts")
    assert hosts == (
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
        f"{address}\tfirst\n"
    )
    assert await node.exec("first", "cat", "/etc/hostname", "/proc/sys/kernel/hostname") == (0, "first\nfirst\n")
    address = objects.status(await node.ready("sub"))["podIP"]
    full = "custom.sub.default.svc.cluster.local"
    assert await node.exec("sub", "cat", "/etc/hostname") == (0, f"{full}\n")
    _, hosts = await node.exec("sub", "cat", "/etc/hosts")
    assert hosts.endswith(
        f"{address}\t{full}\tcustom\n\n# Entries added by HostAliases.\n192.0.2.1\tone.example\tone\n"
    )
    assert await node.exec("sub", "cat", "/etc/resolv.conf") == (
        0,
        "search default.svc.cluster.local svc.cluster.local cluster.local a.example\n"
        "nameserver 10.96.0.10\nnameserver 192.0.2.53\noptions ndots:2\n",
    )


async def test_object_volumes_follow_their_objects(node: Any) -> None:
    node.client.create(
        "configmaps", {"metadata": {"name": "cfg", "namespace": "default"}, "data": {"a": "1", "b": "2"}}
    )
    node.create(
        "vol",
        {
            "volumeMounts": [
                {"name": "cfg", "mountPath": "/cfg"},
                {"name": "cfg", "mountPath": "/etc/motd", "subPath": "a"},
                {"name": "down", "mountPath": "/down"},
            ]
        },
        volumes=[
            {"name": "cfg", "configMap": {"name": "cfg"}},
            {
                "name": "down",
                "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]},
            },
        ],
    )
    await node.ready("vol")
    zone = '\ntopology.kubernetes.io/zone="zone-a"'  # the node's
    assert await node.exec("vol", "cat", "/cfg/a", "/etc/motd", "/down/labels") == (0, f'11app="a"{zone}')
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert await node.exec("vol", "cat", f"{token}/token", f"{token}/namespace", f"{token}/ca.crt") == (
        0,
        "token of defaultdefaultCA",
    )
    code, text = await node.exec("vol", "put", "/cfg/new", "x")
    assert code != 0, text

    def change(obj: dict[str, Any]) -> None:
        obj["data"] = {"a": "changed", "c": "3"}

    node.client.patch("configmaps", ("default", "cfg"), change)
    node.client.patch("pods", ("default", "vol"), lambda pod: pod["metadata"]["labels"].update(app="b"))
    pod = node.kubelet.pod("default", "vol")
    while b"changed" not in pod.slots["c"].current.fs.read_bytes("/cfg/a"):
        await node.clock.sleep(0)
    shown = await node.exec("vol", "cat", "/cfg/a", "/cfg/c", "/etc/motd", "/down/labels")
    assert shown == (0, f'changed31app="b"{zone}')
    assert (await node.exec("vol", "cat", "/cfg/b"))[0] == 1
    fs = pod.slots["c"].current.fs
    assert fs.readlink("/cfg/a") == "..data/a"
    assert fs.listdir("/cfg") == [fs.readlink("/cfg/..data"), "..data", "a", "c"]


async def test_volumes_that_cannot_be_mounted(node: Any) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    node.create("cm", {**mount}, volumes=[{"name": "v", "configMap": {"name": "late"}}])
    node.create("nfs", {**mount}, volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}])
    text = await node.until(lambda: next((m for _, r, m in node.events("nfs") if r == "FailedMount"), None))
    why = "pocketkube has no nfs volumes; a Pod can use configMap, csi, downwardAPI, emptyDir, ephemeral, hostPath, "
    assert text.startswith(f'MountVolume.SetUp failed for volume "v" : {why}')
    text = await node.until(lambda: next((m for _, r, m in node.events("cm") if r == "FailedMount"), None))
    assert text.startswith('MountVolume.SetUp failed for volume "v" : configmap')
    assert node.container("cm")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    node.client.create("configmaps", {"metadata": {"name": "late", "namespace": "default"}})
    await node.ready("cm")


async def test_host_path_is_the_nodes_own_disk(node: Any) -> None:
    mount = {"volumeMounts": [{"name": "h", "mountPath": "/h"}]}
    volumes = [{"name": "h", "hostPath": {"path": "/var/shared"}}]
    node.create("one", {**mount}, volumes=volumes)
    node.create("two", {**mount}, volumes=volumes)
    await node.ready("one")
    await node.ready("two")
    await node.exec("one", "put", "/h/f", "hi")
    assert await node.exec("two", "cat", "/h/f") == (0, "hi\n")
    assert (node.kubelet.state_dir / "disk/var/shared/f").read_text() == "hi\n"
    node.create("typed", {**mount}, volumes=[{"name": "h", "hostPath": {"path": "/nope", "type": "Directory"}}])
    text = await node.until(lambda: next((m for _, r, m in node.events("typed") if r == "FailedMount"), None))
    assert text == 'MountVolume.SetUp failed for volume "h" : hostPath type check failed: /nope is not a directory'


async def test_security_context(node: Any) -> None:
    node.create("user", {"securityContext": {"runAsUser": 1000, "readOnlyRootFilesystem": True}})
    node.create("root", {"securityContext": {"runAsNonRoot": True}})
    await node.ready("user")
    fs = node.kubelet.pod("default", "user").slots["c"].current.init.fs
    with pytest.raises(OSError, match="Read-only file system"):
        fs.write_bytes("/x", b"")
    assert fs.read_bytes("/proc/self/status").decode().splitlines()[7] == "Uid:\t1000\t1000\t1000\t1000"
    uid = objects.uid(node.pod("root"))
    text = f'container has runAsNonRoot and image will run as root (pod: "root_default({uid})", container: c)'
    await node.until(lambda: node.container("root").get("state", {}).get("waiting", {}).get("message") == text)
    assert node.container("root")["state"]["waiting"]["reason"] == "CreateContainerConfigError"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(A)$(A)x", "11x"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(B)", "$(B)"),
        ("$(A", "$(A"),
        ("$A ${A}", "$A ${A}"),
        ("$", "$"),
        ("$$", "$"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    """Cases of third_party/forked/golang/expansion."""
    assert expand(text, {"A": "1"}) == expanded


async def test_names_of_mounts_stay_one_field(node: Any) -> None:
    path = "/a b\tc\nd\\e"
    node.create("p", {"volumeMounts": [{"name": "v", "mountPath": path}]}, volumes=[{"name": "v", "emptyDir": {}}])
    await node.ready("p")
    _, shown = await node.exec("p", "cat", "/proc/mounts")
    assert "/dev/vda1 /a\\040b\\011c\\012d\\134e ext4 rw,relatime 0 0\n" in shown
    assert all(len(line.split(" ")) == 6 for line in shown.splitlines())
