"""Whose doing it is that a command could not be run in a container, or not to its end.

A container that has no shell, prints without end, hangs or falls over again and again is its author's, and a check that
needs it has failed. A cluster that does not answer, a Pod that is gone and a runtime in trouble are nobody's answer to
anything: no verdict. The words are the kubelet's, containerd's and runc's.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.verdict import ContainerAtFault, CouldNotGrade
from kindlab.conditions import condition

OURS: Final = "kindlab-"
"""What the names of the Pods that graders make begin with."""
_OWN: Final = ("kindlab-probe", "kindlab-visitor-", "kindlab-volume-")
"""Those that run what the grader says; others, twins say, run what a learner's template says."""
NOT_RUN, NOT_ENDED, TOO_MUCH = "not run", "not ended", "too much"
"""What may become of a command that has no exit code."""
CONTROL: Final = 10.0
"""Seconds in which a command of the grader's own ends on a cluster that is well."""
_PROGRAM = re.compile(
    r"(?:executable file not found|no such file or directory|permission denied|exec format error"
    r"|is a directory|too many levels of symbolic links|resource temporarily unavailable)"
)
_STARTING = ("unable to start container process: ", "starting container process caused: ")
"""runc's, before what the kernel said of the program."""
_CRUN = re.compile(r"executable file `[^`]+` (?:not found|permission denied).*")
"""crun's, where a cluster has that in place of runc."""
_DOWN = ("container not found", "is not running", "not in a running state", "stopped container")


def is_own(pod: str) -> bool:
    """Whether all that the Pod of this name runs is the grader's own."""
    return pod.startswith(_OWN)


def raised(api: Api, namespace: str, pod: str, container: str, what: str, why: str, argv0: str) -> CouldNotGrade:
    """The error for a command (of the program `argv0`) that has no exit code. Raises nothing itself; asks the cluster
    where its words are not enough."""
    where = f"container {container} of Pod {pod}" if container else f"Pod {pod}"
    then = f"kubectl exec -n {namespace} {pod}{f' -c {container}' if container else ''} -- {argv0} -c true"
    plain = CouldNotGrade(why)
    if what == TOO_MUCH:
        whose, then = f"what a command in {where} prints", then.removesuffix("-c true")
        if is_own(pod):  # it prints what it is answered
            whose = "what the check reads or is answered"
            then = "look at what your programs answer (curl -s URL | head -c 1000) and write (ls -lh)"
        return ContainerAtFault(why, expected=f"{whose} has an end", seen=why, then=then)
    if is_own(pod):
        return plain
    if what == NOT_ENDED:
        if _is_well(api, namespace, pod):
            seen = f"{why}; in the grader's own Pod commands do end"
            return ContainerAtFault(why, expected=f"a command in {where} ends", seen=seen, then=then)
        return plain
    said = next((why.rpartition(mark)[2] for mark in _STARTING if mark in why), "")
    if found := _CRUN.search(why):
        said = found[0]
    if found or _PROGRAM.search(said):
        expected = f"{argv0} runs in {where}, where this check has to look"
        return ContainerAtFault(why, expected=expected, seen=said.removesuffix(": unknown"), then=then)
    if any(word in why for word in _DOWN) and (state := _ended(api, namespace, pod, container)):
        then = f"kubectl logs {pod} -n {namespace}{f' -c {container}' if container else ''} --previous"
        return ContainerAtFault(why, expected=f"{where} keeps running", seen=state, then=then)
    return plain


def _is_well(api: Api, namespace: str, pod: str) -> bool:
    """Whether the cluster runs commands, and the node of the Pod is there: what hangs is the Pod's own, then."""
    from kindlab.checks.probe import Probe

    try:
        live = api.get("Pod", pod, namespace)
        node = live and _node(api, live)
        return bool(live) and node is not False and Probe(api, namespace).answers(CONTROL)
    except (ApiError, CouldNotGrade):
        return False


def _node(api: Api, pod: Obj) -> bool | None:
    """Whether the Pod's node is ready; None where one may not look."""
    with suppress(ApiError):
        live = api.get("Node", pod["spec"].get("nodeName", ""))
        return live is not None and condition(live, "Ready").get("status") == "True"
    return None


def _ended(api: Api, namespace: str, pod: str, container: str) -> str:
    """How a container has ended that nobody waits for any more, in words: it falls over again and again, or has ended
    for good. "" where it may only be on its way."""
    with suppress(ApiError):
        live = api.get("Pod", pod, namespace) or {}
        status = live.get("status", {})
        for one in status.get("containerStatuses") or ():
            if one["name"] != (container or one["name"]):
                continue
            state = one.get("state") or {}
            last = state.get("terminated") or (one.get("lastState") or {}).get("terminated") or {}
            again = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
            if again or status.get("phase") in ("Failed", "Succeeded"):
                often = f" again and again ({one.get('restartCount', 0)} restarts)" if again else ""
                return f"it ended{often}, with exit code {last.get('exitCode', 'unknown')}"
    return ""
