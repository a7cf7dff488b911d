"""testinfra over the API: commands run in a container through the exec stream of the API server.

`pod_host(api, namespace, pod)` is a testinfra Host like any other (`host.file("/x").exists`, `host.run("ls")`), but
no kubectl is needed and no process is started for a command. Left out: sudo.
"""

from __future__ import annotations

import ast
import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import testinfra.modules.file  # testinfra imports these when they are first asked for, which two threads may do at once
import testinfra.modules.systeminfo  # noqa: F401
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from kindlab.api import Api
from kindlab.checks import trouble
from kindlab.checks.programs import PATH
from kindlab.checks.verdict import CouldNotGrade

if TYPE_CHECKING:
    from kindlab.checks.streams import Session

TIMEOUT, THEIRS = 60.0, 30.0
"""Seconds for a command, and for one in a Pod that is not the grader's own."""
HANGS = 5.0
"""For those that come after one that did not end there: a check that asks ten times must not wait ten times."""
MOST = 4 << 20
"""Bytes that a command of a check may print, both streams together: no more than evidence keeps of an answer."""
ENDED = ("exit", "stdout", "stderr")

_hung: WeakKeyDictionary[Api, set[tuple[str, str, str]]] = WeakKeyDictionary()


class ExecBackend(BaseBackend):
    """One container; `run` gives the command to its /bin/sh, as testinfra's own kubectl backend does. `timeout`:
    seconds (0: what is usual); `most`: bytes, None for all there are."""

    NAME = "kindlab"

    def __init__(
        self,
        api: Api,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        timeout: float = 0.0,
        most: int | None = MOST,
    ) -> None:
        super().__init__(pod)
        self.api = api
        self.namespace = namespace
        self.pod = pod
        self.container = container
        self.timeout = timeout or (TIMEOUT if trouble.is_own(pod) else THEIRS)
        self.most = most

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        script = self.get_command(command, *args)
        code, out, err = self.execute(["/bin/sh", "-c", f"PATH={PATH}; {script}"])
        return self.result(code, script.encode(), out, err)

    def execute(self, argv: list[str], stdin: bytes | None = None) -> tuple[int, bytes, bytes]:
        """Run argv without a shell; (exit code, stdout, stderr). Raises CouldNotGrade when it never answers,
        ContainerAtFault where that is the container's own doing."""
        what = {"pod": self.pod, "namespace": self.namespace, "container": self.container, "exec": argv}
        ended = self.api.exchange(
            what if stdin is None else {**what, "stdin": stdin}, lambda: self._executed(argv, stdin)
        )
        if "trouble" not in ended:
            return ended["exit"], ended["stdout"], ended["stderr"]
        if ended["trouble"] == trouble.NOT_ENDED:
            _hung.setdefault(self.api, set()).add(self._place)
        where = self.api, self.namespace, self.pod, self.container
        raise trouble.raised(*where, ended["trouble"], ended["why"], argv[0])

    @property
    def _place(self) -> tuple[str, str, str]:
        return self.namespace, self.pod, self.container

    def _executed(self, argv: list[str], stdin: bytes | None) -> dict[str, Any]:
        """How it ended, by the words of ENDED; or the `trouble` that kept it from that (trouble.py), and `why`. Raises
        CouldNotGrade."""
        from websocket import WebSocketException

        from kindlab.checks import streams

        path = f"/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(self.pod)}/exec"
        query = [("command", word) for word in argv]
        query += [("stdout", "true"), ("stderr", "true"), ("stdin", "true" if stdin is not None else "false")]
        if self.container:
            query.append(("container", self.container))
        try:
            session = streams.begin(self.api.client, path, query)
        except (OSError, WebSocketException, ValueError) as error:
            return _in_trouble(trouble.NOT_RUN, f"{self._cannot}: {_refusal(error)}")
        try:
            return self._drain(session, stdin)
        except (OSError, WebSocketException) as error:
            why = f"the stream broke ({type(error).__name__}: {error})"
            raise CouldNotGrade(f"{self._cannot}: {why}") from error
        finally:
            session.close()

    @property
    def _cannot(self) -> str:
        return f"a command could not be run in Pod {self.pod}"

    def _drain(self, session: Session, stdin: bytes | None) -> dict[str, Any]:
        if stdin is not None:
            session.send(stdin)
        hangs = self._place in _hung.get(self.api, ()) and not trouble.is_own(self.pod)
        seconds = min(self.timeout, HANGS) if hangs else self.timeout
        if not session.drain(seconds, self.most):
            if session.overflowed:
                most = f"{(self.most or 0) >> 20} MB"
                return _in_trouble(trouble.TOO_MUCH, f"more than {most} came, and it was broken off")
            why = f"a command in Pod {self.pod} did not end within {seconds:.0f} s"
            return _in_trouble(trouble.NOT_ENDED, why)
        (out, err), status = session.output, session.status()
        if status.get("status") == "Success":
            return dict(zip(ENDED, (0, out, err), strict=True))
        for cause in (status.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode":
                return dict(zip(ENDED, (int(cause["message"]), out, err), strict=True))
        why = status.get("message") or "the stream ended without an exit code"
        return _in_trouble(trouble.NOT_RUN, f"{self._cannot}: {why}")


def _in_trouble(what: str, why: str) -> dict[str, Any]:
    return {"trouble": what, "why": why}


def _refusal(reason: object) -> str:
    """The API server's own words, out of what the client makes of an answer that is no WebSocket: the status line,
    the headers and the body, joined by a mark."""
    body = str(reason).rpartition(" -+-+- ")[2]
    with contextlib.suppress(ValueError, SyntaxError, AttributeError):
        body = ast.literal_eval(body).decode("utf-8", "replace").strip()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body)["message"])
    return body


def pod_host(api: Api, namespace: str, pod: str, container: str = "") -> Host:
    """A testinfra Host for one container of a Pod."""
    return Host(ExecBackend(api, namespace, pod, container))
