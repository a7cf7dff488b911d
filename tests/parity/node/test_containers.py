"""What a container runs and sees: commands, variables, users, files, logs, its last words.

After upstream's conformance tests (test/e2e/common/node: containers, expansion, downwardapi, configmap, secrets,
security_context, kubelet, kubelet_etc_hosts, runtime)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.parity.network.support import AGNHOST, BUSYBOX, START, Place, pod
from tests.parity.node.support import FOREVER, event, logs, output, over, printing, status_of

from kindlab.api import ApiError, Obj


def once(name: str, **container: Any) -> Obj:
    return pod(name, containers=[{"name": "main", "image": AGNHOST, **container}], restartPolicy="Never")


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"args": ["entrypoint-tester", "override", "arguments"]}, "[/agnhost entrypoint-tester override arguments]"),
        ({"command": ["/agnhost-2", "entrypoint-tester"]}, "[/agnhost-2 entrypoint-tester]"),
        (
            {"command": ["/agnhost-2"], "args": ["entrypoint-tester", "override", "arguments"]},
            "[/agnhost-2 entrypoint-tester override arguments]",
        ),
        (
            {"args": ["entrypoint-tester", "$(A)-$(B) $$(A)"], "env": [{"name": "A", "value": "x"}]},
            "[/agnhost entrypoint-tester x-$(B) $(A)]",
        ),
    ],
)
def test_commands_and_arguments(here: Place, container: Obj, said: str) -> None:
    assert said in output(here, once("p", **container))


def test_variables_of_variables(here: Place) -> None:
    env = [
        {"name": "FOO", "value": "foo-value"},
        {"name": "BAR", "value": "bar-value"},
        {"name": "FOOBAR", "value": "$(FOO);;$(BAR)"},
    ]
    made = printing("p", "env")
    made["spec"]["containers"][0]["env"] = env
    assert "FOOBAR=foo-value;;bar-value" in output(here, made).splitlines()


def field(name: str, path: str) -> Obj:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def amount(name: str, resource: str) -> Obj:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}}


def test_the_pods_own_fields_as_variables(here: Place) -> None:
    paths = {
        "NAME": "metadata.name",
        "SPACE": "metadata.namespace",
        "UID": "metadata.uid",
        "IP": "status.podIP",
        "HOST": "status.hostIP",
        "HOSTS": "status.hostIPs",
        "NODE": "spec.nodeName",
    }
    made = printing("p", "env")
    made["spec"]["containers"][0]["env"] = [field(name, path) for name, path in paths.items()]
    said = dict(line.split("=", 1) for line in output(here, made).splitlines() if "=" in line)
    live = here.require("Pod", "p")
    assert (said["NAME"], said["SPACE"], said["UID"]) == ("p", here.namespace, live["metadata"]["uid"])
    assert (said["HOST"], said["NODE"]) == (live["status"]["hostIP"], live["spec"]["nodeName"])
    assert said["HOSTS"].split(",") == [entry["ip"] for entry in live["status"]["hostIPs"]]
    assert said["IP"]


def test_resources_as_variables_limits_default_to_the_nodes(here: Place) -> None:
    env = [amount("CPU", "limits.cpu"), amount("MEMORY", "limits.memory"), amount("ASKED", "requests.cpu")]
    made = printing("said", "env")
    made["spec"]["containers"][0] |= {
        "env": env,
        "resources": {"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}},
    }
    said = output(here, made).splitlines()
    assert {"CPU=2", f"MEMORY={64 << 20}", "ASKED=1"} <= set(said)
    made = printing("unsaid", "env")
    made["spec"]["containers"][0]["env"] = env[:2]
    said = dict(line.split("=", 1) for line in output(here, made).splitlines() if "=" in line)
    node = here.api.get("Node", here.require("Pod", "unsaid")["spec"]["nodeName"])
    assert node is not None
    assert int(said["CPU"]) >= 1
    assert int(said["CPU"]) <= int(node["status"]["capacity"]["cpu"])
    assert int(said["MEMORY"]) > 1 << 20


def test_configmaps_and_secrets_as_variables(here: Place) -> None:
    data = {"data-1": "value-1", "data_2": "value-2"}
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    here.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": coded},
    )
    made = printing("p", "env")
    made["spec"]["containers"][0] |= {
        "env": [
            {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "data-1"}}},
            {"name": "TWO", "valueFrom": {"secretKeyRef": {"name": "s", "key": "data_2"}}},
        ],
        "envFrom": [
            {"configMapRef": {"name": "c"}},
            {"prefix": "p-", "configMapRef": {"name": "c"}},
            {"prefix": "p.", "secretRef": {"name": "s"}},
        ],
    }
    said = set(output(here, made).splitlines())
    assert {"ONE=value-1", "TWO=value-2", "data-1=value-1", "data_2=value-2", "p-data-1=value-1"} <= said
    assert "p.data_2=value-2" in said


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_an_empty_key_is_refused(here: Place, kind: str) -> None:
    with pytest.raises(ApiError) as raised:
        here.put({"apiVersion": "v1", "kind": kind, "metadata": {"name": "bad"}, "data": {"": "dmFsdWU="}})
    assert (raised.value.code, raised.value.reason) == (422, "Invalid")


@pytest.mark.parametrize("level", ["pod", "container"])
def test_user_and_group(here: Place, level: str) -> None:
    made = printing("p", "id")
    context = {"runAsUser": 1001, "runAsGroup": 2002}
    (made["spec"] if level == "pod" else made["spec"]["containers"][0])["securityContext"] = context
    assert output(here, made).startswith("uid=1001 gid=2002")


def test_a_user_that_may_not_be_root(here: Place) -> None:
    made = pod("p", image=BUSYBOX, command=["sh", "-c", FOREVER], securityContext={"runAsNonRoot": True})
    here.put(made)

    def refused(live: Obj) -> bool:
        waiting = (status_of(live).get("state") or {}).get("waiting") or {}
        text = "container has runAsNonRoot and image will run as root"
        return waiting.get("reason") == "CreateContainerConfigError" and text in waiting.get("message", "")

    here.wait("Pod", "p", refused, timeout=START)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_root_filesystem_to_write_on_or_not(here: Place, read_only: bool) -> None:
    made = printing("p", "echo test > /file; cat /file")
    made["spec"]["containers"][0]["securityContext"] = {"readOnlyRootFilesystem": read_only}
    here.put(made)
    over(here, "p", "Failed" if read_only else "Succeeded")
    said = logs(here, "p")
    assert ("Read-only file system" in said) is read_only
    assert (said == "test\n") is not read_only


def test_hosts_file_with_aliases(here: Place) -> None:
    aliases = [{"ip": "123.45.67.89", "hostnames": ["foo", "bar"]}]
    here.start(pod("p", image=BUSYBOX, command=["sh", "-c", FOREVER], hostAliases=aliases))
    said = here.sh("p", "cat /etc/hosts").out
    assert said.startswith("# Kubernetes-managed hosts file.")
    assert "123.45.67.89\tfoo\tbar" in said
    assert f"{here.require('Pod', 'p')['status']['podIP']}\tp" in said


def test_a_hosts_file_of_its_own_is_left_alone(here: Place) -> None:
    here.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"hosts": "1.2.3.4 x\n"}})
    mounts = [{"name": "own", "mountPath": "/etc/hosts", "subPath": "hosts"}]
    volumes = [{"name": "own", "configMap": {"name": "own"}}]
    here.start(pod("p", image=BUSYBOX, command=["sh", "-c", FOREVER], volumeMounts=mounts, volumes=volumes))
    assert here.sh("p", "cat /etc/hosts").out == "1.2.3.4 x\n"


def test_logs_and_how_a_command_that_fails_ends(here: Place) -> None:
    here.put(printing("p", "echo one; echo two; exit 3"))
    live = over(here, "p", "Failed")
    assert logs(here, "p") == "one\ntwo\n"
    assert logs(here, "p", tailLines="1") == "two\n"
    assert logs(here, "p", limitBytes="2") == "on"
    assert [line.split(" ", 1)[1] for line in logs(here, "p", timestamps="true").splitlines()] == ["one", "two"]
    assert logs(here, "p", sinceSeconds="3600") == "one\ntwo\n"
    ended = status_of(live)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    here.api.delete("Pod", "p", here.namespace)
    here.gone("Pod", name="p")


@pytest.mark.parametrize(
    ("script", "fields", "said"),
    [
        ("printf DONE > /dev/termination-custom", {"terminationMessagePath": "/dev/termination-custom"}, "DONE"),
        ("printf DONE; exit 1", {"terminationMessagePolicy": "FallbackToLogsOnError"}, "DONE"),
        ("printf DONE", {"terminationMessagePolicy": "FallbackToLogsOnError"}, None),
        (
            "printf OK > /dev/termination-log; printf DONE",
            {"terminationMessagePolicy": "FallbackToLogsOnError"},
            "OK",
        ),
    ],
)
def test_last_words(here: Place, script: str, fields: Obj, said: str | None) -> None:
    made = printing("p", script)
    made["spec"]["containers"][0] |= fields
    here.put(made)
    live = over(here, "p", "Failed" if "exit" in script else "Succeeded")
    assert status_of(live)["state"]["terminated"].get("message") == said


@pytest.mark.parametrize(("policy", "phase", "count"), [("Never", "Failed", 0), ("OnFailure", "Succeeded", 1)])
def test_restart_policies(here: Place, policy: str, phase: str, count: int) -> None:
    script = "if [ -e /data/ran ]; then exit 0; fi; touch /data/ran; exit 1"
    mounts, volumes = [{"name": "data", "mountPath": "/data"}], [{"name": "data", "emptyDir": {}}]
    made = printing("p", script, volumeMounts=mounts, volumes=volumes)
    made["spec"]["restartPolicy"] = policy
    here.put(made)
    assert status_of(over(here, "p", phase))["restartCount"] == count


@pytest.mark.parametrize(
    ("expression", "why"),
    [("..", "must not contain '..'"), ("/absolute", "must not be an absolute path")],
)
def test_a_subpath_that_is_no_place(here: Place, expression: str, why: str) -> None:
    mounts = [{"name": "data", "mountPath": "/data", "subPathExpr": "$(PLACE)"}]
    env = [{"name": "PLACE", "value": expression}]
    volumes = [{"name": "data", "emptyDir": {}}]
    here.put(pod("p", image=BUSYBOX, command=["sh", "-c", FOREVER], env=env, volumeMounts=mounts, volumes=volumes))
    event(here, "p", "Failed", why)
    assert status_of(here.require("Pod", "p"))["state"]["waiting"]["reason"] == "CreateContainerConfigError"
