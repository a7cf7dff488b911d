"""Whose doing it is that a command could not be run: the words of containerd and runc, of several versions."""

from typing import Any, cast

import pytest

from kindlab.api import Api, ApiError, Obj
from kindlab.checks import CheckFailed, CouldNotGrade, Probe
from kindlab.checks.standing import not_so
from kindlab.checks.trouble import NOT_ENDED, NOT_RUN, TOO_MUCH, raised
from kindlab.checks.verdict import ContainerAtFault

START = (
    "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec "
    '"5ce0f2": OCI runtime exec failed: exec failed: '
)


class Cluster:
    """With one Pod; `node` is whether its node is ready, None: nobody may look."""

    def __init__(self, status: Obj | None = None, node: bool | None = True) -> None:
        self.pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": status or {"phase": "Running"}}
        self.node = node

    def get(self, kind: str, name: str, namespace: str = "") -> Obj | None:
        if kind == "Pod":
            return self.pod if name == "p" else None
        if self.node is None:
            raise ApiError(403, "Forbidden", "nodes is forbidden")
        return {"status": {"conditions": [{"type": "Ready", "status": "True" if self.node else "Unknown"}]}}


def error(what: str, why: str, *, pod: str = "p", cluster: Cluster | None = None) -> CouldNotGrade:
    return raised(cast(Api, cluster or Cluster()), "lab", pod, "c", what, why, "/bin/sh")


@pytest.mark.parametrize(
    "said",
    [
        'unable to start container process: exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown',
        'unable to start container process: exec: "sh": executable file not found in $PATH: unknown',
        'unable to start container process: exec: "/bin/sh": permission denied: unknown',
        "unable to start container process: exec /bin/sh: exec format error: unknown",
        "unable to start container process: exec /bin/sh: resource temporarily unavailable: unknown",
        'container_linux.go:380: starting container process caused: exec: "/bin/sh": stat /bin/sh: no such file or '
        "directory: unknown",
    ],
)
def test_a_program_that_is_missing_is_the_containers_doing(said: str) -> None:
    found = error(NOT_RUN, START + said)
    assert isinstance(found, ContainerAtFault)
    assert found.expected == "/bin/sh runs in container c of Pod p, where this check has to look"
    assert found.seen == said.rpartition("process: ")[2].rpartition("caused: ")[2].removesuffix(": unknown")
    assert type(error(NOT_RUN, START + said, pod="kindlab-probe")) is CouldNotGrade, "our own Pod is ours to answer for"
    assert isinstance(error(NOT_RUN, START + said, pod="kindlab-twin-1"), ContainerAtFault), "a learner's template"


@pytest.mark.parametrize(
    "said",
    [
        'pods "p" not found',
        "error dialing backend: dial tcp 172.18.0.3:10250: connect: connection refused",
        "error dialing backend: dial tcp: lookup node: no such host",
        'failed to create exec "1": mkdir /run/containerd: no such file or directory: unknown',
        "failed to exec in container: failed to load task: no running task found: task 1 not found: not found",
        "rpc error: code = Unavailable desc = connection error: dial unix /run/containerd.sock: no such file",
        START + "unable to start container process: error writing config to pipe: broken pipe: unknown",
        "the stream ended without an exit code",
        'container not found ("c")',
    ],
)
def test_what_the_cluster_does_is_no_verdict(said: str) -> None:
    assert type(error(NOT_RUN, said)) is CouldNotGrade


def test_a_program_that_crun_does_not_find() -> None:
    words = "executable file `/bin/sh` not found in $PATH: No such file or directory"
    found = error(NOT_RUN, f"Internal error occurred: error executing command in container: exec failed: {words}")
    assert isinstance(found, ContainerAtFault)
    assert found.seen == words


def test_a_container_that_has_ended_for_good_is_the_pods_doing() -> None:
    last = {"lastState": {"terminated": {"exitCode": 3}}, "restartCount": 4}
    waits = {"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, **last}
    found = error(NOT_RUN, 'container not found ("c")', cluster=Cluster({"containerStatuses": [waits]}))
    assert isinstance(found, ContainerAtFault)
    assert found.seen == "it ended again and again (4 restarts), with exit code 3"
    assert found.then == "kubectl logs p -n lab -c c --previous"
    ended = {"phase": "Failed", "containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 0}}}]}
    over = error(NOT_RUN, 'container not found ("c")', cluster=Cluster(ended))
    assert isinstance(over, ContainerAtFault)
    assert over.seen == "it ended, with exit code 0"
    comes = {
        "phase": "Running",
        "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}],
    }
    assert type(error(NOT_RUN, 'container not found ("c")', cluster=Cluster(comes))) is CouldNotGrade


@pytest.mark.parametrize(
    ("node", "answers", "fault"), [(True, True, True), (None, True, True), (False, True, False), (True, False, False)]
)
def test_what_hangs_is_the_containers_doing_where_others_do_not(
    monkeypatch: pytest.MonkeyPatch, node: bool | None, answers: bool, fault: bool
) -> None:
    monkeypatch.setattr(Probe, "answers", lambda self, seconds: answers)
    found = error(NOT_ENDED, "a command in Pod p did not end within 30 s", cluster=Cluster(node=node))
    assert isinstance(found, ContainerAtFault) is fault
    assert str(found) == "a command in Pod p did not end within 30 s"


def test_a_cluster_that_does_not_say_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Probe, seconds: float) -> bool:
        raise CouldNotGrade("the probe does not start")

    monkeypatch.setattr(Probe, "answers", fails)
    assert type(error(NOT_ENDED, "it hangs")) is CouldNotGrade


def test_too_much_is_never_the_clusters_doing() -> None:
    theirs, ours = error(TOO_MUCH, "more came"), error(TOO_MUCH, "more came", pod="kindlab-probe")
    assert isinstance(theirs, ContainerAtFault)
    assert theirs.expected == "what a command in container c of Pod p prints has an end"
    assert isinstance(ours, ContainerAtFault)
    assert ours.expected == "what the check reads or is answered has an end"


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        ({"initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}, "init container i does not end"),
        (
            {"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 2}}}]},
            "container c ended with exit code 2",
        ),
        (
            {"containerStatuses": [{"name": "c", "state": {"running": {}}, "ready": False}]},
            "container c runs, and is not ready",
        ),
        ({"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
        ({"initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 0}}, "ready": True}]}, ""),
        ({}, ""),
    ],
)
def test_what_holds_up_a_pod_of_a_learners_template(status: dict[str, Any], seen: str) -> None:
    found = not_so("a copy starts", [{"status": status}])
    assert isinstance(found, CheckFailed) is bool(seen)
    assert (found.seen if isinstance(found, CheckFailed) else "") == seen
