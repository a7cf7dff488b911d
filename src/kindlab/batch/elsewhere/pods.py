"""What a Pod of the Job says about why it does not grade, in kubelet's and the scheduler's own words."""

from __future__ import annotations

from typing import NamedTuple

from kindlab.api import Obj

IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
NOT_STARTED = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
LONGEST = 500


class Trouble(NamedTuple):
    """`what`: image, start or place; `words`: who says so, and what."""

    what: str
    words: str


def trouble(pod: Obj) -> Trouble | None:
    """Why it has not started, where that does not pass by itself soon."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason", "")
        if reason in IMAGE | NOT_STARTED:
            said = _brief(waiting.get("message", ""))
            return Trouble("image" if reason in IMAGE else "start", f"kubelet says {reason}: {said}")
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Trouble("place", f"The scheduler says: {_brief(condition.get('message', ''))}")
    return None


def begun(pod: Obj) -> bool:
    states = [one.get("state") or {} for one in (pod.get("status") or {}).get("containerStatuses") or ()]
    return any("running" in state or "terminated" in state for state in states)


def ended(pod: Obj) -> str:
    """How it failed, in a clause; "" for one that did not, or says nothing."""
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return ""
    said = [f"{status['reason']}: {status.get('message', '')}".rstrip(": ")] if status.get("reason") else []
    for container in status.get("containerStatuses") or ():
        if over := (container.get("state") or {}).get("terminated"):
            said.append(f"{over.get('reason', 'Error')}, exit code {over.get('exitCode')}")
            said += [over["message"]] if over.get("message") else []
    return _brief("; ".join(said))


def index(pod: Obj) -> int:
    """Of the Job's; -1 for a Pod that has none."""
    named = (pod["metadata"].get("annotations") or {}).get("batch.kubernetes.io/job-completion-index", "-1")
    return int(named)


def _brief(text: str) -> str:
    """A line of it; of a long one the end, where logs say what happened."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"...{line[-LONGEST:]}"
