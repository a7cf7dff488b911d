"""Whether a container's programs are its image's own."""

from typing import Any, cast

import pytest

from kindlab.api import Api, Obj
from kindlab.checks import CheckFailed, programs
from kindlab.checks.programs import covered, vouch


def over(*paths: object) -> Obj:
    return {"name": "c", "volumeMounts": [{"name": "v", "mountPath": path} for path in paths]}


@pytest.mark.parametrize(
    "path",
    [
        *("/bin", "/bin/sh", "/usr/bin/stat", "/usr", "/", "/sbin/x", "/usr/sbin", "//bin//cat/", "/data/../bin/cat"),
        *("bin/sh", "../usr/bin/env", "/usr/./bin", "/lib/libc.musl-x86_64.so.1", "/usr/lib", "/lib64", "/etc"),
        *("/etc/ld.so.preload", "/etc/alternatives/awk"),
    ],
)
def test_what_lies_over_programs(path: str) -> None:
    assert len(covered(over("/data", path))) == 1


@pytest.mark.parametrize(
    "path",
    [
        *("/data", "/binary", "/usr/share/nginx/html", "/etc/till", "/etc/nginx/conf.d", "/etc/hosts", "/var/lib/x"),
        *("/usr/local/bin/start.sh", "/library", "/srv/bin", "/tmp", "/etc/alternative", "/dev/shm"),
    ],
)
def test_what_does_not(path: str) -> None:
    assert covered(over(path)) == []


@pytest.mark.parametrize("mounts", [None, 5, "x", {}, [5, None, [], {}]])
def test_what_is_no_mount_covers_no_program(mounts: Any) -> None:
    assert covered({"volumeMounts": mounts}) in ([], ["/None"], [])


class Cluster:
    def __init__(self, *containers: Obj, **annotations: str) -> None:
        self.pod = {"metadata": {"name": "p", "annotations": annotations}, "spec": {"containers": list(containers)}}

    def get(self, kind: str, name: str, namespace: str) -> Obj | None:
        return self.pod if (kind, name, namespace) == ("Pod", "p", "lab") else None


def asked(cluster: Cluster, pod: str = "p", container: str = "") -> str:
    return vouch(cast(Api, cluster), "lab", pod, container)


def test_each_container_answers_for_itself_and_the_first_one_without_a_name() -> None:
    cluster = Cluster({"name": "web"}, over("/bin/sh"))
    assert asked(cluster) == "web"
    with pytest.raises(CheckFailed, match=r"container c of Pod p.*mounted at /bin/sh, over programs") as failed:
        asked(cluster, container="c")
    assert failed.value.then.endswith("kubectl get pod p -n lab -o yaml")
    assert asked(Cluster({"name": "a"}, {"name": "b"}, **{"kubectl.kubernetes.io/default-container": "b"})) == "b"


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_FUNC_stat%%"])
def test_variables_that_change_what_programs_do(name: str) -> None:
    env = [{"name": "PATH", "value": "/tools"}, {"name": name, "value": "x"}]
    with pytest.raises(CheckFailed, match=rf"{name} makes its programs load something else first"):
        asked(Cluster({"name": "c", "env": env}))
    assert asked(Cluster({"name": "c", "env": env[:1]})) == "c", "checks have a PATH of their own"


def test_a_pod_that_takes_the_place_of_another_answers_for_itself() -> None:
    cluster = Cluster({"name": "c"})
    assert asked(cluster) == "c"
    cluster.pod["spec"]["containers"] = [over("/bin")]
    with pytest.raises(CheckFailed):
        asked(cluster)


def test_nothing_is_said_of_who_is_not_there() -> None:
    assert asked(Cluster({"name": "c"}), pod="nobody", container="x") == "x"
    assert asked(Cluster({"name": "c"}), container="nobody") == "nobody"
    assert programs.PATH == "/bin:/sbin:/usr/bin:/usr/sbin"
