"""testinfra's Host over our exec backend: what graders may use (design, section 5), in the labs' images."""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import pytest
from testinfra.host import Host

from kindlab import workspace
from kindlab.api import Api, Obj
from kindlab.checks import CheckFailed, CouldNotGrade, Probe
from kindlab.checks.host import ExecBackend, pod_host
from kindlab.checks.live import LiveLab
from kindlab.checks.verdict import ContainerAtFault
from kindlab.conditions import is_ready

SPACE = "course-host"
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"


def pod() -> Obj:
    """A web server and a tool box beside it, sharing a volume."""
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "box"},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "shared", "emptyDir": {}}],
            "containers": [
                {"name": "web", "image": AGNHOST, "args": ["netexec", "--http-port=8080"], "volumeMounts": mounts},
                {
                    "name": "tools",
                    "image": "busybox:1.36",
                    "command": ["sh", "-c", "exec sleep 1000000"],
                    "env": [{"name": "COLOUR", "value": "blue = green"}],
                    "volumeMounts": mounts,
                },
            ],
        },
    }


def running(name: str) -> Callable[[Iterable[Obj]], bool]:
    return lambda pods: any(is_ready(p) for p in pods if p["metadata"]["name"] == name)


@pytest.fixture(scope="module")
def space(api: Api) -> Iterator[LiveLab]:
    workspace.remove_namespace(api, SPACE)
    workspace.make_namespace(api, SPACE)
    live = LiveLab(api, SPACE)
    api.create(pod(), SPACE)
    yield live
    workspace.remove_namespace(api, SPACE)


@pytest.fixture
def web(space: LiveLab) -> Host:
    return space.host("box", "web")


@pytest.fixture
def tools(space: LiveLab) -> Host:
    return space.host("box", "tools")


@pytest.mark.parametrize(
    ("script", "code", "out", "err"),
    [
        ("true", 0, "", ""),
        ("exit 3", 3, "", ""),
        ("echo out; echo err >&2; exit 4", 4, "out\n", "err\n"),
        ("kill -9 $$", 137, "", ""),
        ("printf 'no newline'", 0, "no newline", ""),
        ("printf 'ü\\n'", 0, "ü\n", ""),
        ("nosuchcommand", 127, "", "/bin/sh: nosuchcommand: not found\n"),
    ],
)
@pytest.mark.parametrize("container", ["web", "tools"])
def test_commands(space: LiveLab, container: str, script: str, code: int, out: str, err: str) -> None:
    done = space.host("box", container).run(script)
    assert (done.rc, done.stdout, done.stderr) == (code, out, err)


def test_arguments_are_quoted(web: Host) -> None:
    nasty = "a b'c\"d $HOME `id` ; exit 9"
    assert web.check_output("echo %s", nasty) == nasty
    assert web.run_test("test -d %s", "/no such folder").rc == 1
    assert web.run_expect([2], "exit 2").rc == 2
    with pytest.raises(AssertionError, match="Unexpected exit code 1"):
        web.check_output("false")


def test_large_output_and_standard_input(web: Host) -> None:
    assert len(web.run("head -c 3000000 /dev/zero | tr '\\0' x").stdout) == 3_000_000
    backend = web.backend
    assert isinstance(backend, ExecBackend)
    assert backend.execute(["cat"], b"hello\x00world") == (0, b"hello\x00world", b"")
    assert backend.execute(["wc", "-c"], b"x" * 200_000)[1].strip() == b"200000"
    assert backend.execute(["cat"], b"") == (0, b"", b"")


def test_files(web: Host) -> None:
    web.check_output("printf 'one\\ntwo\\n' > /tmp/new && chmod 640 /tmp/new && ln -s /tmp/new /tmp/link")
    file = web.file("/tmp/new")
    assert file.exists
    assert file.is_file
    assert not file.is_directory
    assert not file.is_symlink
    assert (file.user, file.group, file.uid, file.gid, file.mode, file.size) == ("root", "root", 0, 0, 0o640, 8)
    assert file.content_string == "one\ntwo\n"
    assert file.content == b"one\ntwo\n"
    assert file.contains("^two$")
    assert not file.contains("three")
    assert file.sha256sum == hashlib.sha256(file.content).hexdigest()
    assert file.mtime.year >= 2024
    link = web.file("/tmp/link")
    assert link.is_symlink
    assert link.linked_to == "/tmp/new"
    assert web.file("/tmp").is_directory
    assert not web.file("/nowhere").exists
    with pytest.raises(AssertionError, match="Unexpected exit code"):
        _ = web.file("/nowhere").size


def test_a_shared_volume_is_seen_by_both_containers(web: Host, tools: Host) -> None:
    web.check_output("echo 42 > /shared/answer")
    assert tools.file("/shared/answer").content_string == "42\n"
    assert not tools.file("/tmp/new").exists


def test_environment(tools: Host, web: Host) -> None:
    environment = tools.environment()
    assert environment["COLOUR"] == "blue = green"
    assert environment["HOSTNAME"] == "box"
    assert "COLOUR" not in web.environment()


def test_commands_that_exist(web: Host, tools: Host) -> None:
    assert web.exists("curl")
    assert not web.exists("nosuchcommand")
    assert not tools.exists("curl")
    assert tools.find_command("wget") == "/bin/wget"


def test_the_process_list(web: Host, tools: Host) -> None:
    server = web.process.get(pid=1)
    assert server.args == "/agnhost netexec --http-port=8080"
    assert server.comm == "agnhost"
    assert tools.process.get(pid=1).args == "sleep 1000000"
    assert tools.process.filter(comm="nothing") == []
    with pytest.raises(RuntimeError, match="No process found"):
        tools.process.get(comm="nothing")


def test_sockets_are_the_pods(web: Host, tools: Host) -> None:
    for host in (web, tools):  # one network for both
        assert host.socket("tcp://8080").is_listening
        assert host.socket("tcp://:::8080").is_listening
        assert host.socket("tcp://0.0.0.0:8080").is_listening
        assert not host.socket("tcp://8081").is_listening
        assert host.socket("udp://8081").is_listening


def test_names_and_ports(web: Host, space: LiveLab) -> None:
    address = web.addr("kubernetes.default")
    assert address.is_resolvable
    assert address.ipv4_addresses == ["10.96.0.1"]
    assert not web.addr("nobody.default").is_resolvable
    own = web.addr(space.require("Pod", "box")["status"]["podIP"])
    assert own.port(8080).is_reachable
    assert not own.port(8082).is_reachable


def test_mount_points(web: Host) -> None:
    shared = web.mount_point("/shared")
    assert shared.exists
    assert "rw" in shared.options
    assert web.mount_point("/").filesystem == "overlay"
    assert not web.mount_point("/nowhere").exists
    assert "/shared" in {m.path for m in web.mount_point.get_mountpoints()}


def test_the_system(web: Host, tools: Host) -> None:
    assert web.system_info.type == "linux"
    assert web.system_info.distribution == "alpine"
    assert web.user().name == "root"
    assert web.interface("eth0").addresses != []


# -- what could not be found out is no verdict


def test_a_pod_that_does_not_exist(api: Api, space: LiveLab) -> None:
    with pytest.raises(CouldNotGrade, match="a command could not be run in Pod nobody"):
        space.host("nobody").run("true")


def test_a_container_that_does_not_exist(space: LiveLab) -> None:
    with pytest.raises(CouldNotGrade, match="a command could not be run in Pod box"):
        space.host("box", "nobody").run("true")


@pytest.mark.parametrize(
    ("program", "seen"),
    [
        ("/no/such/program", 'exec: "/no/such/program": stat /no/such/program: no such file or directory'),
        ("nosuchcommand", 'exec: "nosuchcommand": executable file not found in $PATH'),
        ("/etc/hosts", 'exec: "/etc/hosts": permission denied'),
    ],
)
def test_a_program_that_cannot_be_run_is_the_containers_doing(
    api: Api, space: LiveLab, program: str, seen: str
) -> None:
    with pytest.raises(ContainerAtFault) as raised:
        ExecBackend(api, SPACE, "box", "web").execute([program])
    assert (raised.value.expected.partition(",")[0], raised.value.seen) == (
        f"{program} runs in container web of Pod box",
        seen,
    )


def test_a_container_that_has_removed_its_shell_is_at_fault_itself(api: Api, space: LiveLab) -> None:
    command = ["sh", "-c", "rm -f /bin/sh /bin/busybox; exec /agnhost pause"]
    spec = {"containers": [{"name": "c", "image": AGNHOST, "command": command}], "terminationGracePeriodSeconds": 0}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"}, "spec": spec}, SPACE)
    assert space.eventually("Pod", running("bare"))

    def refused(_: object = None) -> str:
        try:
            space.host("bare").run("true")
        except ContainerAtFault as error:
            return error.seen
        return ""

    assert space.until(refused, bool, timeout=10) == 'exec: "/bin/sh": stat /bin/sh: no such file or directory'


def test_a_command_that_does_not_end_though_others_do(api: Api, space: LiveLab) -> None:
    hangs = Host(ExecBackend(api, SPACE, "box", "tools", timeout=1))
    with pytest.raises(ContainerAtFault, match="did not end within 1 s"):
        hangs.run("sleep 1000")
    assert hangs.run("echo well again").stdout == "well again\n"


def test_a_command_that_does_not_end_on_a_cluster_that_is_not_well(
    api: Api, space: LiveLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "answers", lambda self, seconds: False)
    with pytest.raises(CouldNotGrade, match="did not end within 1 s") as raised:
        Host(ExecBackend(api, SPACE, "box", "web", timeout=1)).run("sleep 1000")
    assert not isinstance(raised.value, ContainerAtFault)


def test_who_prints_without_end_is_broken_off(web: Host, tools: Host) -> None:
    """In the memory of a command's size, and long before its time is up."""
    for host in (web, tools):
        with pytest.raises(ContainerAtFault, match="more than 4 MB came"):
            host.run("cat /dev/zero")


def test_a_container_that_falls_over_again_and_again_is_the_pods_doing(api: Api, space: LiveLab) -> None:
    container = {"name": "c", "image": "busybox:1.36", "command": ["sh", "-c", "exit 7"]}
    api.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "falls"}, "spec": {"containers": [container]}}, SPACE
    )

    def waits(pods: Iterable[Obj]) -> bool:
        every = [s["state"] for p in pods for s in p["status"].get("containerStatuses", ()) if s["name"] == "c"]
        return any((state.get("waiting") or {}).get("reason") == "CrashLoopBackOff" for state in every)

    assert space.eventually("Pod", waits, timeout=60)
    with pytest.raises(ContainerAtFault) as raised:
        space.host("falls").run("true")
    assert raised.value.expected == "container c of Pod falls keeps running"
    assert "with exit code 7" in raised.value.seen


# -- what a container's author has put in the place of programs


def test_programs_that_a_path_names_first_are_not_run(api: Api, space: LiveLab) -> None:
    made = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "tools"},
        "data": {"stat": "#!/bin/sh\necho 400"},
    }
    api.create(made, SPACE)
    container = {
        "name": "c",
        "image": AGNHOST,
        "args": ["pause"],
        "env": [{"name": "PATH", "value": "/tools:/usr/bin:/bin"}],
        "volumeMounts": [{"name": "tools", "mountPath": "/tools"}],
    }
    volume = {"name": "tools", "configMap": {"name": "tools", "defaultMode": 0o755}}
    spec = {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 0}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "path"}, "spec": spec}, SPACE)
    assert space.eventually("Pod", running("path"))
    assert ExecBackend(api, SPACE, "path", "c").execute(["sh", "-c", "stat -c %a /etc/hosts"])[1] == b"400\n"
    assert space.host("path").run("stat -c %a /etc/hosts").stdout == "644\n"


def test_who_has_mounted_something_over_programs_is_not_asked(api: Api, space: LiveLab) -> None:
    mounts = [{"name": "over", "mountPath": "/usr/bin"}]
    container = {"name": "c", "image": AGNHOST, "command": ["/agnhost", "pause"], "volumeMounts": mounts}
    sidecar = {"name": "beside", "image": AGNHOST, "args": ["pause"]}
    spec = {"containers": [sidecar, container], "volumes": [{"name": "over", "emptyDir": {}}]}
    spec["terminationGracePeriodSeconds"] = 0
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "over"}, "spec": spec}, SPACE)
    assert space.eventually("Pod", running("over"))
    for ask in (space.host, space.client, lambda pod, name: space.volumes.place(pod, "/tmp", name)):
        with pytest.raises(CheckFailed, match="a volume is mounted at /usr/bin, over programs"):
            ask("over", "c")
    assert space.host("over").run("hostname").stdout == "over\n", "without a name it is the first container"


def test_a_pod_that_is_gone_meanwhile(api: Api, space: LiveLab) -> None:
    doomed = {**pod(), "metadata": {"name": "doomed"}}
    api.create(doomed, SPACE)
    assert space.eventually(
        "Pod",
        lambda pods: [p for p in pods if p["metadata"]["name"] == "doomed" and p["status"].get("phase") == "Running"],
    )
    host = pod_host(api, SPACE, "doomed", "web")
    assert host.run("true").rc == 0
    api.delete("Pod", "doomed", SPACE, wait=True, grace=0)
    with pytest.raises(CouldNotGrade):
        host.run("true")
