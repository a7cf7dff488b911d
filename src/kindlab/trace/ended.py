"""What the end of a container means: its exit code in words, and the last it printed."""

from __future__ import annotations

from typing import Final

from kindlab.api import Api, ApiError, Obj

_SIGNALS: Final = {1: "HUP", 2: "INT", 3: "QUIT", 6: "ABRT", 9: "KILL", 11: "SEGV", 13: "PIPE", 15: "TERM"}
LINES: Final = 5
"""Of a log, how many are shown."""
MOST: Final = 16 << 10
"""Bytes of these lines, which may be as long as somebody likes."""


def meaning(pod: Obj, container: str, end: Obj) -> str:
    """Why a container ended, for its state `terminated`."""
    code, reason = end.get("exitCode", 0), end.get("reason", "")
    if reason == "OOMKilled":
        limit = _limit(pod, container)
        return f"it used more memory than its limit{f' of {limit}' if limit else ''} and was killed (OOMKilled, {code})"
    if reason in ("ContainerCannotRun", "StartError"):
        return f"it could not be started ({reason}): {(end.get('message') or '').strip()}"
    if reason == "DeadlineExceeded":
        return f"it ran longer than it may (activeDeadlineSeconds), exit code {code}"
    if code == 0:
        return "its program ended by itself, without an error (exit code 0)"
    if code == 126:
        return "its command is there but cannot be executed (exit code 126): not a program, or not executable"
    if code == 127:
        return "its command was not found (exit code 127): a typing error, or not in this image"
    if code == 137:
        return "it was killed (exit code 137 = 128 + 9, KILL): it did not end within its grace period, or had no memory"
    if code == 143:
        return "it was asked to end and did (exit code 143 = 128 + 15, TERM)"
    if code == 139:
        return "its program crashed (exit code 139 = 128 + 11, SEGV): it touched memory that is not its own"
    if 128 < code < 160:
        name = _SIGNALS.get(code - 128, str(code - 128))
        return f"it was ended by signal {name} (exit code {code} = 128 + {code - 128})"
    return f"its program ended with an error (exit code {code})"


def last_words(api: Api, pod: Obj, container: str, *, previous: bool) -> str:
    """The last lines a container printed, on one line; "" when there are none to be had."""
    meta = pod["metadata"]
    path = f"{api.path('Pod', meta['namespace'], meta['name'])}/log"
    query = {"container": container, "tailLines": str(LINES), "limitBytes": str(MOST)}
    query["previous"] = str(previous).lower()
    try:
        response = api.request("GET", path, query=query, accept="*/*", stream=True)
    except ApiError:
        return ""
    lines = response.data.decode(errors="replace").splitlines()
    return " | ".join(line.strip() for line in lines if line.strip())


def _limit(pod: Obj, container: str) -> str:
    for each in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
        if each["name"] == container:
            return str(((each.get("resources") or {}).get("limits") or {}).get("memory", ""))
    return ""
